/** Upload sessions: a file that grows in its place and is renamed at commit. Any process that shares the folder can go on. */
import { dirname } from 'node:path';
import { allDone, untilAborted } from './abort.ts';
import { pour } from './filesystem-append.ts';
import type { BatchCalls } from './filesystem-batches.ts';
import { closeFile, openFile, statDescriptor, truncateFile } from './filesystem-calls.ts';
import type { Directories } from './filesystem-directories.ts';
import type { SyncCall } from './filesystem-directory-sync.ts';
import type { DurableWriter } from './filesystem-durable.ts';
import { storeFault } from './filesystem-errors.ts';
import { DRIVER, type Names } from './filesystem-names.ts';
import type { StatCall } from './filesystem-stat.ts';
import { openStream, type StreamParts } from './filesystem-stream.ts';
import { checkOffset, checkRange } from './ranges.ts';
import type { Semaphore } from './semaphore.ts';
import { StoreError, type Upload } from './store.ts';

export interface UploadParts {
  readonly names: Names;
  readonly directories: Directories;
  readonly writer: DurableWriter;
  readonly slots: Semaphore;
  readonly sync: SyncCall;
  readonly syncIfIdle: BatchCalls['syncIfIdle'];
  readonly stat: StatCall;
  readonly streams: StreamParts;
}

export function createFilesystemUpload(parts: UploadParts, path: string): Upload {
  const { names, directories, writer, slots, sync, stat, streams } = parts;
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

  async function withFile<T>(flags: string, work: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = await openFile(location, flags);
    try {
      return await work(descriptor);
    } finally {
      await closeFile(descriptor);
    }
  }

  /** Cuts off what lies behind `size`; the file must reach that far. */
  async function cut(descriptor: number, size: number): Promise<void> {
    const stats = await statDescriptor(descriptor);
    if (size > stats.size) throw new StoreError('invalid-offset', DRIVER, path);
    if (size < stats.size) await truncateFile(descriptor, size);
  }

  return {
    path,

    async size(options) {
      const stats = await faulting(stat(location, options?.signal));
      return stats?.isFile() === true ? stats.size : undefined;
    },

    async append(offset, source, options) {
      checkOffset(DRIVER, path, offset);
      const signal = options?.signal;
      signal?.throwIfAborted();
      const work = withFile('r+', async (descriptor) => {
        await slots.run(() => cut(descriptor, offset), signal);
        return await pour(descriptor, offset, source, { onChunk: options?.onChunk, signal, calls });
      });
      // Pouring itself hears the signal, and keeps what arrived; only a disk that hangs is left behind.
      return await faulting(work);
    },

    async flush(options) {
      await run(
        () =>
          withFile('r', async (descriptor) => {
            await allDone([sync(descriptor), directories.sync([dirname(location)])]);
          }),
        options?.signal,
      );
    },

    async truncate(size, options) {
      checkOffset(DRIVER, path, size);
      await run(() => withFile('r+', (descriptor) => cut(descriptor, size)), options?.signal);
    },

    async open(range, options) {
      checkRange(DRIVER, path, range);
      const signal = options?.signal;
      return await run(() => openStream(location, { path, range, signal }, streams), signal);
    },

    async commit(target, options) {
      const place = names.locateTarget(target);
      const signal = options?.signal;
      await run(() => writer.rename(location, place, { syncSource: false, signal }), signal);
    },
  };
}
