/**
 * Whole small files, kept in memory and confirmed by one stat on every call, so that a change made by any process that
 * shares the folder is seen at once.
 */
import type fs from 'node:fs';
import { LRUCache } from 'lru-cache';
import { closeFile, isAbsence, openFile, readFully, statDescriptor } from './filesystem-calls.ts';
import { type Identity, isSame, isSettled, type StatCall } from './filesystem-stat.ts';

/** Memory for contents, with what JavaScript needs around them. */
const CACHE_BYTES = 32 * 1024 * 1024;
/** Larger files are read each time. */
const KEPT_BYTES = 64 * 1024;
/** About what the cache, the buffer and the path take beside the bytes. */
const ENTRY_BYTES = 600;

interface Kept {
  readonly identity: Identity;
  readonly content: Buffer;
}

export interface SmallFilesOptions {
  readonly stat: StatCall;
  /** Bounds what runs at once; confirming a cached file does not count. */
  readonly bounded: <T>(work: () => Promise<T>, signal: AbortSignal | undefined) => Promise<T>;
  /** Told of a directory where a file belongs. */
  readonly onDirectory: (location: string) => void;
  readonly clock: () => number;
  /** Bytes kept in all. */
  readonly kept?: number | undefined;
}

export interface SmallFiles {
  read(location: string, signal: AbortSignal | undefined): Promise<Buffer | undefined>;
}

export function createSmallFiles({
  stat,
  bounded,
  onDirectory,
  clock,
  kept = CACHE_BYTES,
}: SmallFilesOptions): SmallFiles {
  const cache = new LRUCache<string, Kept>({
    maxSize: kept,
    sizeCalculation: ({ content }) => content.length + ENTRY_BYTES,
  });

  async function load(location: string): Promise<Buffer | undefined> {
    const opened = await openPresent(location);
    if (opened === undefined) return undefined;
    try {
      // Taken before the stat and the stat before the bytes: a change during the reading leaves another identity behind.
      const now = clock();
      const stats = await statDescriptor(opened);
      if (stats.isDirectory()) {
        onDirectory(location);
        return undefined;
      }
      const buffer = Buffer.allocUnsafeSlow(stats.size);
      const bytes = await readFully(opened, buffer, 0);
      if (bytes < stats.size) return buffer.subarray(0, bytes);
      if (stats.size <= KEPT_BYTES && isSettled(stats, now)) {
        cache.set(location, { identity: identityOf(stats), content: buffer });
      }
      return buffer;
    } finally {
      await closeFile(opened);
    }
  }

  return {
    async read(location, signal) {
      const kept = cache.get(location);
      if (kept !== undefined) {
        const stats = await stat(location, signal);
        if (stats === undefined) {
          cache.delete(location);
          return undefined;
        }
        if (isSame(stats, kept.identity)) return kept.content;
        cache.delete(location);
      }
      return await bounded(() => load(location), signal);
    },
  };
}

/** A descriptor for reading; `undefined` if there is no such file. */
export async function openPresent(location: string): Promise<number | undefined> {
  try {
    return await openFile(location, 'r');
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** Only what is compared, so that the rest of the stat can be freed. */
export function identityOf({ ino, size, mtimeMs, ctimeMs }: fs.Stats): Identity {
  return { ino, size, mtimeMs, ctimeMs };
}
