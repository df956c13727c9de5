/** Upload sessions: a file that grows in its place and is renamed at commit. Any process that shares the folder can go on. */
import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { allDone, untilAborted } from './abort.ts';
import { pour } from './filesystem-append.ts';
import type { BatchCalls } from './filesystem-batches.ts';
import { closeFile, codeOf, isAbsence, openFile, truncateFile } from './filesystem-calls.ts';
import type { Claims } from './filesystem-claim.ts';
import type { Directories } from './filesystem-directories.ts';
import type { SyncCall } from './filesystem-directory-sync.ts';
import type { DurableWriter } from './filesystem-durable.ts';
import { storeFault } from './filesystem-errors.ts';
import { DRIVER, type Names } from './filesystem-names.ts';
import type { StatCall } from './filesystem-stat.ts';
import { openStream, type StreamParts } from './filesystem-stream.ts';
import { checkOffset, checkRange } from './ranges.ts';
import type { Semaphore } from './semaphore.ts';
import { type AppendOptions, StoreError, type Upload } from './store.ts';

export interface UploadParts {
  readonly names: Names;
  readonly claims: Claims;
  readonly directories: Directories;
  readonly writer: DurableWriter;
  readonly slots: Semaphore;
  readonly sync: SyncCall;
  readonly syncIfIdle: BatchCalls['syncIfIdle'];
  readonly stat: StatCall;
  readonly streams: StreamParts;
}

export function createFilesystemUpload(parts: UploadParts, path: string): Upload {
  const { names, claims, directories, writer, slots, sync, stat, streams } = parts;
  const calls: BatchCalls = { bounded: slots.run, syncIfIdle: parts.syncIfIdle };
  const location = names.locateTarget(path);

  function run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return untilAborted(
      slots.run(() => faulting(work()), signal),
      signal,
    );
  }

  function faulting<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      throw storeFault(path, error);
    });
  }

  async function withFile<T>(file: string, work: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = await openFile(file, 'r+').catch((error: unknown) => {
      // It was held a moment ago, so another one took it over.
      throw isAbsence(error) ? new StoreError('conflict', DRIVER, path) : error;
    });
    try {
      return await work(descriptor);
    } finally {
      await closeFile(descriptor);
    }
  }

  /** The name under which this very object holds the file, between the last piece and the commit. */
  let held: string | undefined;

  async function write(
    file: string,
    offset: number,
    source: AsyncIterable<Uint8Array>,
    options: AppendOptions | undefined,
  ) {
    const { onChunk, signal, length, flushFrom } = options ?? {};
    return await withFile(file, async (descriptor) => {
      const size = await pour(descriptor, offset, source, { onChunk, signal, calls });
      if (length !== undefined && size - offset !== length) {
        await truncateFile(descriptor, offset);
        throw new StoreError('invalid-length', DRIVER, path);
      }
      if (flushFrom !== undefined && size >= flushFrom) {
        await slots.run(() => allDone([sync(descriptor), directories.sync([dirname(location)])]), signal);
      }
      return size;
    });
  }

  /** What arrived stays for whoever goes on; that matters less than what went wrong. */
  async function giveBack(taken: string, error: unknown): Promise<void> {
    // After a device has failed to keep bytes, the system may say of the next sync that all is well. They are not trusted again.
    const work = codeOf(error) === 'EIO' ? unlink(taken) : claims.release(taken, location);
    await work.catch(() => {});
  }

  async function append(offset: number, source: AsyncIterable<Uint8Array>, options: AppendOptions | undefined) {
    const signal = options?.signal;
    const taken = await slots.run(() => claims.take(location, offset), signal);
    let size: number;
    try {
      size = await write(taken, offset, source, options);
    } catch (error) {
      await giveBack(taken, error);
      throw error;
    }
    if (options?.last === true) held = taken;
    else await claims.release(taken, location);
    return size;
  }

  return {
    path,

    async size(options) {
      const stats = await faulting(stat(location, options?.signal));
      if (stats?.isFile() === true) return stats.size;
      return (await run(() => claims.find(location), options?.signal))?.size;
    },

    async append(offset, source, options) {
      checkOffset(DRIVER, path, offset);
      options?.signal?.throwIfAborted();
      // Pouring itself hears the signal, and keeps what arrived; only a disk that hangs is left behind.
      return await faulting(append(offset, source, options));
    },

    async open(range, options) {
      checkRange(DRIVER, path, range);
      const signal = options?.signal;
      const place = held ?? (await run(() => claims.find(location), signal))?.location;
      return place === undefined
        ? undefined
        : await run(() => openStream(place, { path, range, signal }, streams), signal);
    },

    async release() {
      const taken = held;
      held = undefined;
      // Another one who took it over meanwhile has the bytes; that is all this is for.
      if (taken !== undefined) await claims.release(taken, location).catch(() => {});
    },

    async commit(target, size, options) {
      checkOffset(DRIVER, path, size);
      const place = names.locateTarget(target);
      const signal = options?.signal;
      const work = async (): Promise<void> => {
        const taken = held ?? (await claims.take(location, size));
        held = undefined;
        try {
          await writer.rename(taken, place, { syncSource: false, isNew: true, signal });
        } catch (error) {
          await giveBack(taken, error);
          throw isAbsence(error) ? new StoreError('conflict', DRIVER, path) : error;
        }
      };
      await run(work, signal);
    },
  };
}
