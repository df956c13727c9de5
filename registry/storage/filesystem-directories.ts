/**
 * Directories that last. A directory's entry is durable only once the directory that holds it was synced; so behind
 * every new file there is a chain of parents, each of which may be new as well, made a moment ago by us or by another
 * process that has not synced it yet.
 *
 * What this process synced once it need not sync again, as long as it is still the same directory: that is remembered
 * by inode number and time of birth, since both `rmdir` + `mkdir` by somebody else and a reused inode number make a new
 * one. Where the file system keeps no time of birth, nothing is remembered and the whole chain is synced each time.
 */
import type fs from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LRUCache } from 'lru-cache';
import { allDone } from './abort.ts';
import { closeFile, codeOf, isAbsence, openFile, statDescriptor, statPath, syncFile } from './filesystem-calls.ts';

export interface Directories {
  /** Makes the directory and its parents as far as they are missing. Nothing is durable yet. */
  make(directory: string): Promise<void>;
  /** Makes the way to the directory durable: every entry from the root down to it. Absence is thrown as `ENOENT`. */
  settle(directory: string): Promise<void>;
  /** Makes the directory's own entries durable, and the way to it. */
  sync(directory: string): Promise<void>;
  /** As `sync`, for the nearest ancestor that is still there: a removed entry is as gone as its removed parent. */
  syncRemoval(directory: string): Promise<void>;
}

/** How many directories are remembered as durable; some 200 bytes each. */
const REMEMBERED = 20_000;
/** Not all file systems can sync a directory, or let us open one: there nothing more can be done. */
const UNSYNCABLE = new Set(['EINVAL', 'ENOTSUP', 'EBADF']);

export function createDirectories(root: string): Directories {
  const durable = new LRUCache<string, string>({ max: REMEMBERED });

  function isDurable(directory: string, stats: fs.Stats): boolean {
    return directory === root || (stats.birthtimeMs !== 0 && durable.get(directory) === identity(stats));
  }

  async function settleFrom(directory: string, known: fs.Stats): Promise<void> {
    const found: [string, fs.Stats][] = [];
    const syncs: Promise<unknown>[] = [];
    try {
      let current = directory;
      let stats = known;
      while (!isDurable(current, stats)) {
        found.push([current, stats]);
        current = dirname(current);
        syncs.push(syncDirectory(current));
        stats = await statPath(current);
      }
    } finally {
      await allDone(syncs);
    }
    for (const [path, stats] of found) durable.set(path, identity(stats));
  }

  async function sync(directory: string): Promise<void> {
    const stats = await syncDirectory(directory);
    if (!isDurable(directory, stats)) await settleFrom(directory, stats);
  }

  /** The root's own way up, when it was us who made it. Parents that we may not open are not ours to sync. */
  async function syncAbove(first: string): Promise<void> {
    if (root !== first && !root.startsWith(`${first}/`)) return;
    for (let above = dirname(root); above.length >= dirname(first).length; above = dirname(above)) {
      try {
        await syncDirectory(above);
      } catch (error) {
        if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM') throw error;
      }
      if (above === '/') break;
    }
  }

  return {
    async make(directory) {
      const first = await mkdir(directory, { recursive: true, mode: 0o777 });
      if (first !== undefined) await syncAbove(first);
    },

    async settle(directory) {
      await settleFrom(directory, await statPath(directory));
    },

    sync,

    async syncRemoval(directory) {
      for (let current = directory; ; current = dirname(current)) {
        try {
          await sync(current);
          return;
        } catch (error) {
          if (current === root || !isAbsence(error)) throw error;
        }
      }
    },
  };
}

function identity(stats: fs.Stats): string {
  return `${stats.ino}.${stats.birthtimeMs}`;
}

/** Syncs the directory and tells which one it was. */
async function syncDirectory(directory: string): Promise<fs.Stats> {
  const descriptor = await openFile(directory, 'r');
  try {
    const stats = await statDescriptor(descriptor);
    await syncFile(descriptor).catch((error: unknown) => {
      if (!UNSYNCABLE.has(codeOf(error) ?? '')) throw error;
    });
    return stats;
  } finally {
    await closeFile(descriptor);
  }
}
