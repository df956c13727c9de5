/**
 * Writing so that it lasts: aside, sync, rename, sync of the folder and of every parent that may be new. All waits that
 * need not follow one another run side by side, since a journalling file system commits them together: however many
 * files and new folders there are, the caller waits for two commits, one before the rename and one after it; and for a third
 * where something has to appear after all else.
 */
import { constants } from 'node:fs';
import { copyFile, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { allDone } from './abort.ts';
import { closeFile, codeOf, openFile, statDescriptor, statPath, truncateFile, writeFully } from './filesystem-calls.ts';
import type { Directories } from './filesystem-directories.ts';
import type { SyncCall } from './filesystem-directory-sync.ts';
import type { NearCalls } from './filesystem-local.ts';
import type { Names } from './filesystem-names.ts';
import { inOrder } from './put-order.ts';

/** One file to be written, by its place on disk. */
export interface Placing {
  readonly location: string;
  readonly content: Buffer;
  /** Named only once those without this mark are durable. Its bytes are written and synced together with theirs. */
  readonly last?: boolean | undefined;
}

export interface WriteOptions {
  /** `false`: nothing is synced. */
  readonly durable: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface RenameOptions {
  /** `false`: the old name may come back after a power loss, beside the new one. */
  readonly syncSource: boolean;
  /** Whether the file counts as written now, whenever its last bytes came. It must be writable then, and nobody else's. */
  readonly isNew: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface DurableWriter {
  /** Replaces each file by its new content, atomically one by one, and makes them all last. */
  place(files: readonly Placing[], options: WriteOptions): Promise<void>;
  /** Gives the file at `source` the name `target`, its bytes synced first. Throws `ENOENT` if there is no such file. */
  rename(source: string, target: string, options: RenameOptions): Promise<void>;
  /** Replaces `target` by a copy of the file at `source`. Throws `ENOENT` if there is no such file. */
  copy(source: string, target: string, signal: AbortSignal | undefined): Promise<void>;
  /** Makes a new, empty file for writing (what was there is emptied), not durable; resolves with its descriptor. */
  create(location: string): Promise<number>;
}

/** How often a write starts again when somebody deletes its folder in the middle. */
const ATTEMPTS = 20;

export function createDurableWriter(
  directories: Directories,
  names: Names,
  sync: SyncCall,
  near: NearCalls,
): DurableWriter {
  /** Opens, making parents as often as somebody deletes them. */
  async function openIn(location: string, flags: string): Promise<number> {
    return await retrying(async () => {
      // Cheaper than an `open` that fails.
      if (near.isLocal()) await directories.make(dirname(location));
      try {
        return await openFile(location, flags, 0o666);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
        await directories.make(dirname(location));
        return await openFile(location, flags, 0o666);
      }
    });
  }

  async function placeOnce(files: readonly Placing[], { durable, signal }: WriteOptions): Promise<void> {
    const folders = foldersOf(files);
    const asides = files.map((file) => ({ ...file, temporary: names.aside(file.location) }));
    const descriptors: number[] = [];
    try {
      await allDone(
        asides.map(async ({ temporary }, at) => {
          descriptors[at] = await openIn(temporary, 'wx');
        }),
      );
      const work = asides.map(({ content }, at) => fill(descriptors[at] ?? -1, content, durable));
      if (durable) work.push(directories.settle(folders));
      await allDone(work);
      signal?.throwIfAborted();
      for (const group of inOrder(asides)) {
        await allDone(group.map(({ temporary, location }) => renameOver(temporary, location)));
        if (durable) await directories.sync(foldersOf(group));
      }
    } catch (error) {
      await Promise.allSettled(asides.map(({ temporary }) => unlink(temporary)));
      throw error;
    } finally {
      await allDone(descriptors.map(async (descriptor) => near.close(descriptor)));
    }
  }

  async function fill(descriptor: number, content: Buffer, durable: boolean): Promise<void> {
    if (content.length > 0) await writeFully(descriptor, [content], 0);
    if (durable) await sync(descriptor);
  }

  async function settleNew(folder: string): Promise<void> {
    await directories.make(folder);
    await directories.settle([folder]);
  }

  async function renameOnce(source: string, target: string, options: RenameOptions): Promise<void> {
    const { syncSource, isNew, signal } = options;
    const folder = dirname(target);
    const descriptor = await openFile(source, isNew ? 'r+' : 'r');
    try {
      const stats = await statDescriptor(descriptor);
      if (stats.isDirectory()) throw absent(source);
      // To its own size: that dates it by the clock that dates all other files.
      if (isNew) await truncateFile(descriptor, stats.size);
      await allDone([sync(descriptor), settleNew(folder)]);
      signal?.throwIfAborted();
      await renameOver(source, target);
    } finally {
      await closeFile(descriptor);
    }
    // Somebody may have deleted the folder since then: that came after this rename, and is as durable as it.
    const syncs = [directories.syncRemoval(folder)];
    if (syncSource && dirname(source) !== folder) syncs.push(directories.syncRemoval(dirname(source)));
    await allDone(syncs);
  }

  async function copyOnce(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
    const folder = dirname(target);
    const temporary = names.aside(target);
    if ((await statPath(source)).isDirectory()) throw absent(source);
    await directories.make(folder);
    try {
      await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      signal?.throwIfAborted();
      const descriptor = await openFile(temporary, 'r');
      try {
        await allDone([sync(descriptor), directories.settle([folder])]);
      } finally {
        await closeFile(descriptor);
      }
      signal?.throwIfAborted();
      await renameOver(temporary, target);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
    await directories.syncRemoval(folder);
  }

  return {
    place: (files, options) => retrying(() => placeOnce(files, options)),

    rename: (source, target, options) => retrying(() => renameOnce(source, target, options)),
    copy: (source, target, signal) => retrying(() => copyOnce(source, target, signal)),
    create: (location) => openIn(location, 'w'),
  };
}

const foldersOf = (files: readonly Placing[]): ReadonlySet<string> =>
  new Set(files.map(({ location }) => dirname(location)));

/** An empty directory in the target's place is damage that a new push repairs; one that holds something is not ours. */
async function renameOver(source: string, target: string): Promise<void> {
  try {
    await rename(source, target);
  } catch (error) {
    if (codeOf(error) !== 'EISDIR') throw error;
    await rmdir(target);
    await rename(source, target);
  }
}

async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
    }
  }
}

function absent(path: string): Error {
  return Object.assign(new Error(`ENOENT: not a file, '${path}'`), { code: 'ENOENT', syscall: 'open' });
}
