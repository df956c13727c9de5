import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path/posix';

/** A regular file: its bytes, or for a large one the place on this machine to stream them from. */
export interface FileEntry {
  readonly kind: 'file';
  readonly mode: number;
  readonly content: Buffer | { readonly path: string; readonly size: number };
}

export interface DirectoryEntry {
  readonly kind: 'directory';
  readonly mode: number;
  /** Owner and group alike; files always belong to 0. */
  readonly owner: number;
}

export interface LinkEntry {
  readonly kind: 'link';
  readonly target: string;
}

export type Entry = FileEntry | DirectoryEntry | LinkEntry;

/** The content of a layer or archive: paths without a leading or closing slash. Nothing else of a file is kept. */
export type Tree = Map<string, Entry>;

/** A file with the only two modes there are: a checkout and an unpacked package differ by umask, the image must not. */
export function file(content: Buffer | string | { path: string; size: number }, executable = false): FileEntry {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { kind: 'file', mode: executable ? 0o755 : 0o644, content: bytes };
}

export function directory(mode = 0o755, owner = 0): DirectoryEntry {
  return { kind: 'directory', mode, owner };
}

export function link(target: string): LinkEntry {
  return { kind: 'link', target };
}

/** Adds every folder that an entry of the tree lies in and that the tree does not name itself. */
export function withParents(tree: Tree): Tree {
  const whole: Tree = new Map(tree);
  for (const path of tree.keys()) {
    for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) {
      if (!whole.has(parent)) whole.set(parent, directory());
    }
  }
  return whole;
}

/**
 * Reads a folder's files and links, folders only as far as something lies in them.
 *
 * @param rename gives the path inside the tree, or `undefined` to leave a file out
 */
export async function readTree(
  folder: string,
  rename: (path: string) => string | undefined = (path) => path,
): Promise<Tree> {
  const tree: Tree = new Map();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const source = join(entry.parentPath, entry.name);
    const path = rename(source.slice(folder.length + 1));
    if (path === undefined) continue;
    if (entry.isSymbolicLink()) tree.set(path, link(await readlink(source)));
    else if (entry.isFile()) {
      const executable = ((await stat(source)).mode & 0o100) !== 0;
      tree.set(path, file(await readFile(source), executable));
    }
  }
  return tree;
}

/** Copies the entries of several trees into one; a later one wins. */
export function merge(...trees: Tree[]): Tree {
  return new Map(trees.flatMap((tree) => [...tree]));
}
