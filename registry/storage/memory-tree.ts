/**
 * The tree that the in-memory driver keeps: directories and files, as on a disk. Directories appear with the first thing
 * below them and stay when the last one goes.
 */
import { type Entry, StoreError } from './store.ts';

export interface MemoryFile {
  readonly kind: 'file';
  /** Grows at its end only; what cuts it makes a new one. The buffers never change. */
  chunks: Buffer[];
  size: number;
  modified: number;
}

export interface MemoryDirectory {
  readonly kind: 'directory';
  readonly children: Map<string, MemoryFile | MemoryDirectory>;
  modified: number;
  /** Counts changes of the set of children. */
  version: number;
  /** The sorted listing of that version. */
  listing: readonly Entry[] | undefined;
}

export interface MemoryTree {
  find(path: string): MemoryFile | MemoryDirectory | undefined;
  findFile(path: string): MemoryFile | undefined;
  /** Puts the file there, making parents; `failed` if a parent is a file or the place is taken by a directory. */
  place(path: string, file: MemoryFile): void;
  /** Whether something was there. */
  remove(path: string): boolean;
  list(directory: MemoryDirectory): readonly Entry[];
}

const DRIVER = 'inmemory';

export function createMemoryTree(clock: () => number): MemoryTree {
  let generation = 0;
  const root = makeDirectory();

  function makeDirectory(): MemoryDirectory {
    return { kind: 'directory', children: new Map(), modified: clock(), version: ++generation, listing: undefined };
  }

  function changed(directory: MemoryDirectory): void {
    directory.modified = clock();
    directory.version = ++generation;
    directory.listing = undefined;
  }

  function find(path: string): MemoryFile | MemoryDirectory | undefined {
    if (path === '/') return root;
    let node: MemoryFile | MemoryDirectory | undefined = root;
    for (const name of path.slice(1).split('/')) {
      if (node?.kind !== 'directory') return undefined;
      node = node.children.get(name);
    }
    return node;
  }

  function makeParents(path: string, names: readonly string[]): MemoryDirectory {
    let directory = root;
    for (const name of names) {
      let child = directory.children.get(name);
      if (child === undefined) {
        child = makeDirectory();
        directory.children.set(name, child);
        changed(directory);
      }
      if (child.kind === 'file') throw new StoreError('failed', DRIVER, path, new Error(`${name} is not a directory`));
      directory = child;
    }
    return directory;
  }

  return {
    find,

    findFile(path) {
      const node = find(path);
      return node?.kind === 'file' ? node : undefined;
    },

    place(path, file) {
      const names = path.slice(1).split('/');
      const name = names.pop() ?? '';
      const parent = makeParents(path, names);
      const before = parent.children.get(name);
      if (before?.kind === 'directory') throw new StoreError('failed', DRIVER, path, new Error('it is a directory'));
      parent.children.set(name, file);
      changed(parent);
    },

    remove(path) {
      const slash = path.lastIndexOf('/');
      const parent = find(path.slice(0, slash) || '/');
      if (parent?.kind !== 'directory' || !parent.children.delete(path.slice(slash + 1))) return false;
      changed(parent);
      return true;
    },

    list(directory) {
      directory.listing ??= Object.freeze(
        [...directory.children.entries()]
          .map(([name, node]) => ({ name, isDirectory: node.kind === 'directory' }))
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
      );
      return directory.listing;
    },
  };
}
