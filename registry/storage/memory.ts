/** The in-memory driver (Distribution's `inmemory`): for tests and throw-away registries. Everything goes with the process. */
import { readMemory } from './memory-read.ts';
import { createMemoryTree, type MemoryFile, type MemoryTree } from './memory-tree.ts';
import { createMemoryUpload } from './memory-upload.ts';
import { checkObjectPath, checkPath } from './paths.ts';
import { inOrder } from './put-order.ts';
import { checkRange, pageOf } from './ranges.ts';
import { type Store, StoreError } from './store.ts';

const DRIVER = 'inmemory';

export interface MemoryOptions {
  /** Milliseconds since the epoch. */
  readonly clock?: (() => number) | undefined;
}

/** Makes an empty store. Two stores share nothing. */
export function createMemoryStore(options: MemoryOptions = {}): Store {
  const clock = options.clock ?? Date.now;
  const tree: MemoryTree = createMemoryTree(clock);

  function need(path: string): MemoryFile {
    const file = tree.findFile(path);
    if (file === undefined) throw new StoreError('not-found', DRIVER, path);
    return file;
  }

  function put(path: string, content: Buffer): void {
    checkObjectPath(DRIVER, path);
    // The caller may go on using its buffer.
    tree.place(path, { kind: 'file', chunks: [Buffer.from(content)], size: content.length, modified: clock() });
  }

  return {
    name: DRIVER,

    async stat(path, options) {
      checkPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      const node = tree.find(path);
      if (node === undefined) return undefined;
      const isDirectory = node.kind === 'directory';
      return { path, size: isDirectory ? 0 : node.size, modified: node.modified, isDirectory };
    },

    async read(path, options) {
      checkObjectPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      const file = tree.findFile(path);
      if (file === undefined) return undefined;
      if (file.chunks.length !== 1) file.chunks = [Buffer.concat(file.chunks, file.size)];
      return file.chunks[0];
    },

    async open(path, range, options) {
      checkObjectPath(DRIVER, path);
      checkRange(DRIVER, path, range);
      options?.signal?.throwIfAborted();
      const file = tree.findFile(path);
      return file === undefined ? undefined : readMemory(file, range);
    },

    async put(path, content, options) {
      options?.signal?.throwIfAborted();
      put(path, content);
    },

    async putAll(puts, options) {
      options?.signal?.throwIfAborted();
      for (const { path } of puts) checkObjectPath(DRIVER, path);
      for (const { path, content } of inOrder(puts).flat()) put(path, content);
    },

    async swap(path, expected, content, options) {
      checkObjectPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      const file = tree.findFile(path);
      const same = file === undefined ? expected === undefined : expected?.equals(Buffer.concat(file.chunks)) === true;
      if (same) put(path, content);
      return same;
    },

    async list(path, options) {
      checkPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      const directory = tree.find(path);
      if (directory?.kind !== 'directory') return undefined;
      return pageOf(tree.list(directory), String(directory.version), options);
    },

    async move(source, target, options) {
      checkObjectPath(DRIVER, source);
      checkObjectPath(DRIVER, target);
      options?.signal?.throwIfAborted();
      const file = need(source);
      if (source === target) return;
      tree.place(target, file);
      tree.remove(source);
    },

    async copy(source, target, options) {
      checkObjectPath(DRIVER, source);
      checkObjectPath(DRIVER, target);
      options?.signal?.throwIfAborted();
      const file = need(source);
      tree.place(target, { ...file, chunks: [...file.chunks], modified: clock() });
    },

    async delete(path, options) {
      checkObjectPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      return tree.remove(path);
    },

    async redirectUrl(path) {
      checkObjectPath(DRIVER, path);
      return undefined;
    },

    async beginUpload(path, options) {
      options?.signal?.throwIfAborted();
      if (options?.beside !== undefined) put(options.beside.path, options.beside.content);
      put(path, Buffer.alloc(0));
      return createMemoryUpload(tree, path, clock);
    },

    resumeUpload(path) {
      checkObjectPath(DRIVER, path);
      return createMemoryUpload(tree, path, clock);
    },

    async close() {},
  };
}
