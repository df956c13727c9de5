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
import { codeOf, isAbsence } from './filesystem-calls.ts';
import { createDirectorySync, type SyncCall } from './filesystem-directory-sync.ts';
import type { NearCalls } from './filesystem-local.ts';

/** Not any iterable: a string is one too, of its letters. */
type Paths = readonly string[] | ReadonlySet<string>;

export interface Directories {
  /** Makes the directory and its parents as far as they are missing. Nothing is durable yet. */
  make(directory: string): Promise<void>;
  /** Makes the way to each directory durable: every entry from the root down to it. Absence is thrown as `ENOENT`. */
  settle(directories: Paths): Promise<void>;
  /** Makes each directory's own entries durable, and the way to it. */
  sync(directories: Paths): Promise<void>;
  /** As `sync`, for the nearest ancestor that is still there: a removed entry is as gone as its removed parent. */
  syncRemoval(directory: string): Promise<void>;
}

/** How many directories are remembered as durable; some 200 bytes each. */
const REMEMBERED = 20_000;
export function createDirectories(root: string, sync: SyncCall, near: NearCalls): Directories {
  const syncDirectory = createDirectorySync(sync, near);
  const durable = new LRUCache<string, string>({ max: REMEMBERED });

  function isDurable(directory: string, stats: fs.Stats): boolean {
    return directory === root || (stats.birthtimeMs !== 0 && durable.get(directory) === identity(stats));
  }

  async function settle(directories: Paths): Promise<void> {
    const found = new Map<string, fs.Stats>();
    const syncs = new Map<string, Promise<unknown>>();

    async function climb(directory: string): Promise<void> {
      for (let current = directory; !found.has(current); current = dirname(current)) {
        const stats = await near.stat(current);
        if (isDurable(current, stats)) return;
        const holder = dirname(current);
        found.set(current, stats);
        if (!syncs.has(holder)) syncs.set(holder, syncDirectory(holder));
      }
    }

    const climbed = await Promise.allSettled(Array.from(directories, climb));
    await allDone(syncs.values());
    for (const outcome of climbed) if (outcome.status === 'rejected') throw outcome.reason;
    for (const [path, stats] of found) durable.set(path, identity(stats));
  }

  async function syncAll(directories: Paths): Promise<void> {
    await allDone([...Array.from(directories, syncDirectory), settle(directories)]);
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

  async function exists(directory: string): Promise<boolean> {
    try {
      await near.stat(directory);
      return true;
    } catch (error) {
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  /** Makes what is missing, from the top; resolves with the topmost one that it made. */
  async function makeChain(directory: string): Promise<string | undefined> {
    const missing: string[] = [];
    for (let current = directory; !(await exists(current)); current = dirname(current)) missing.push(current);
    let first: string | undefined;
    for (const folder of missing.reverse()) {
      if (await isMade(folder)) first ??= folder;
    }
    return first;
  }

  return {
    async make(directory) {
      const first = await makeChain(directory);
      if (first !== undefined) await syncAbove(first);
    },

    settle,
    sync: syncAll,

    async syncRemoval(directory) {
      for (let current = directory; ; current = dirname(current)) {
        try {
          await syncAll([current]);
          return;
        } catch (error) {
          if (current === root || !isAbsence(error)) throw error;
        }
      }
    },
  };
}

/** `false`: somebody else made it meanwhile. */
async function isMade(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, 0o777);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function identity(stats: fs.Stats): string {
  return `${stats.ino}.${stats.birthtimeMs}`;
}
