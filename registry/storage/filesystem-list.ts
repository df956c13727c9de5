/**
 * Directory listings, sorted and kept, confirmed by one stat of the directory on every call: adding, removing and
 * renaming a child moves the directory's times.
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { isAbsence, statIfThere } from './filesystem-calls.ts';
import { isTemporary } from './filesystem-names.ts';
import { identityOf } from './filesystem-read.ts';
import { type Identity, isSame, isSettled, type StatCall } from './filesystem-stat.ts';
import { isComponent } from './paths.ts';
import { pageOf } from './ranges.ts';
import type { Entry, ListOptions, Page } from './store.ts';

/** How many names are kept in all, at 100 to 200 bytes each. A larger directory is read each time. */
const KEPT_NAMES = 250_000;

interface Kept {
  readonly identity: Identity;
  readonly entries: readonly Entry[];
  /** `undefined` while the directory is too young to be known by its identity. */
  readonly version: string | undefined;
  /** When the directory was last known to be like this, by `clock`. */
  confirmed: number;
}

export interface ListingsOptions {
  readonly stat: StatCall;
  readonly bounded: <T>(work: () => Promise<T>, signal: AbortSignal | undefined) => Promise<T>;
  readonly clock: () => number;
  /** Names kept in all. */
  readonly kept?: number | undefined;
}

export interface Listings {
  /** `undefined` if there is no such directory. */
  list(location: string, options: ListOptions | undefined): Promise<Page | undefined>;
}

export function createListings({ stat, bounded, clock, kept = KEPT_NAMES }: ListingsOptions): Listings {
  const cache = new LRUCache<string, Kept>({
    maxSize: kept,
    sizeCalculation: ({ entries }) => entries.length + 4,
  });

  async function load(location: string, signal: AbortSignal | undefined): Promise<Kept | undefined> {
    // Time before stat, stat before names: a change in between leaves another identity behind.
    const now = clock();
    const stats = await stat(location, signal);
    if (stats?.isDirectory() !== true) return undefined;
    const children = await readChildren(location);
    if (children === undefined) return undefined;
    const { entries, steady } = children;
    const { ino, mtimeMs, ctimeMs } = stats;
    const settled = steady && isSettled(stats, now);
    const version = settled ? `${ino}.${mtimeMs}.${ctimeMs}` : undefined;
    const kept = { identity: identityOf(stats), entries, version, confirmed: now };
    cache.set(location, kept);
    return kept;
  }

  async function current(location: string, options: ListOptions | undefined): Promise<Kept | undefined> {
    const kept = cache.get(location);
    if (kept !== undefined) {
      const now = clock();
      const age = now - kept.confirmed;
      if (age >= 0 && age < (options?.maxAgeMs ?? 0)) return kept;
      if (kept.version !== undefined) {
        const stats = await stat(location, options?.signal);
        if (stats !== undefined && isSame(stats, kept.identity)) {
          kept.confirmed = now;
          return kept;
        }
      }
      cache.delete(location);
    }
    return await bounded(() => load(location, options?.signal), options?.signal);
  }

  return {
    async list(location, options) {
      const kept = await current(location, options);
      return kept && pageOf(kept.entries, kept.version, options);
    },
  };
}

interface Children {
  readonly entries: readonly Entry[];
  /** `false` if an entry may change its kind without a trace in this directory. */
  readonly steady: boolean;
}

async function readChildren(location: string): Promise<Children | undefined> {
  const found = await readdir(location, { withFileTypes: true }).catch((error: unknown) => {
    if (isAbsence(error)) return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  const entries: Entry[] = [];
  let steady = true;
  for (const dirent of found) {
    if (!isComponent(dirent.name)) continue;
    const link = dirent.isSymbolicLink();
    steady &&= !link;
    const isDirectory = link ? await leadsToDirectory(location, dirent) : dirent.isDirectory();
    if (isDirectory === undefined || (!isDirectory && isTemporary(dirent.name))) continue;
    entries.push({ name: dirent.name, isDirectory });
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { entries: Object.freeze(entries), steady };
}

/** `undefined` for a symbolic link that leads nowhere. */
async function leadsToDirectory(location: string, { name }: Dirent): Promise<boolean | undefined> {
  return (await statIfThere(join(location, name)))?.isDirectory();
}
