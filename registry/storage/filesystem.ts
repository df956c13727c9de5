/**
 * The filesystem driver: the tree lies below `rootdirectory` exactly as Distribution lays it, file for file. Several
 * processes may share the folder.
 */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Logger } from '../log.ts';
import { untilAborted } from './abort.ts';
import { createBufferPool } from './buffers.ts';
import { closeFile, syncFile } from './filesystem-calls.ts';
import { createClaims } from './filesystem-claim.ts';
import { createDirectories } from './filesystem-directories.ts';
import { createDurableWriter } from './filesystem-durable.ts';
import { storeFault } from './filesystem-errors.ts';
import { createListings } from './filesystem-list.ts';
import { createLocality, createNearCalls } from './filesystem-local.ts';
import { createNames, DRIVER, isTemporary } from './filesystem-names.ts';
import { createSmallFiles } from './filesystem-read.ts';
import { removeTree } from './filesystem-remove.ts';
import { createStatCall } from './filesystem-stat.ts';
import { openStream, type StreamParts } from './filesystem-stream.ts';
import { createSwaps } from './filesystem-swap.ts';
import { createFilesystemUpload, type UploadParts } from './filesystem-upload.ts';
import { checkObjectPath, checkPath } from './paths.ts';
import { checkRange } from './ranges.ts';
import { createSemaphore } from './semaphore.ts';
import type { Cancellable, Put, PutOptions, Store } from './store.ts';

export interface FilesystemOptions {
  readonly rootdirectory: string;
  /** How many operations may be at the disk at once; at least 25, as Distribution has it. */
  readonly maxthreads: number;
  readonly log: Logger;
  /** Everything is looked at once, as maintenance does it: little of it is kept in memory. */
  readonly once?: boolean | undefined;
  /** Milliseconds since the epoch. */
  readonly clock?: (() => number) | undefined;
  /** A fresh UUID for the name of a temporary file. */
  readonly randomId?: (() => string) | undefined;
}

const MIN_THREADS = 25;
/** What is kept in memory where nothing is asked for twice. */
const KEPT_ONCE = { bytes: 1024 * 1024, names: 20_000 };
/** How many syncs are under way at once: they take long, and Node's pool of four threads must have one left for reads. */
const SYNCS = 3;
/** Memory for sending: so many readers get a large buffer at once, 32 MiB in all. */
const SEND_BYTES = 512 * 1024;
const SENDS = 64;
/** How many directories in a file's place are remembered as told, so that a client cannot flood the log. */
const TOLD = 1000;

/** Makes the driver. The root directory is made when the first object is written. */
export function createFilesystemStore(options: FilesystemOptions): Store {
  const { log } = options;
  const clock = options.clock ?? Date.now;
  const names = createNames(options.rootdirectory, options.randomId ?? randomUUID);
  const syncs = createSemaphore(SYNCS);
  const sync = (descriptor: number): Promise<void> => syncs.run(() => syncFile(descriptor));
  const syncIfIdle = (descriptor: number) => syncs.tryRun(() => syncFile(descriptor));
  const isLocal = createLocality(names.root);
  const near = createNearCalls(isLocal);
  const directories = createDirectories(names.root, sync, near);
  const writer = createDurableWriter(directories, names, sync, near);
  const swaps = createSwaps({ names, writer, directories, sync, clock });
  const slots = createSemaphore(Math.max(MIN_THREADS, options.maxthreads));
  const { stat, close } = createStatCall(isLocal);
  const told = new LRUCache<string, true>({ max: TOLD });

  function onDirectory(location: string): void {
    if (told.has(location)) return;
    told.set(location, true);
    log.warn({ driver: DRIVER, location }, 'a directory lies where a file belongs; it is treated as absent');
  }

  /** One operation on the disk: bounded, cancellable, its faults in the contract's words. */
  async function operate<T>(path: string, work: () => Promise<T>, options: Cancellable | undefined): Promise<T> {
    try {
      return await untilAborted(slots.run(work, options?.signal), options?.signal);
    } catch (error) {
      throw storeFault(path, error);
    }
  }

  const bounded = <T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> =>
    untilAborted(slots.run(work, signal), signal);
  const kept = options.once === true ? KEPT_ONCE : undefined;
  const files = createSmallFiles({ stat, bounded, onDirectory, clock, kept: kept?.bytes });
  const listings = createListings({ stat, bounded, clock, kept: kept?.names });
  const streams: StreamParts = { onDirectory, lend: createBufferPool({ bytes: SEND_BYTES, lent: SENDS }) };
  const uploads: UploadParts = {
    names,
    claims: createClaims(names),
    directories,
    writer,
    slots,
    sync,
    syncIfIdle,
    stat,
    streams,
  };

  async function putAll(puts: readonly Put[], options: PutOptions | undefined): Promise<void> {
    const placings = puts.map(({ path, content, last }) => ({ location: names.locateTarget(path), content, last }));
    const write = { durable: options?.durable ?? true, signal: options?.signal };
    const [first] = puts;
    if (first !== undefined) await operate(first.path, () => writer.place(placings, write), options);
  }

  return {
    name: DRIVER,

    async stat(path, options) {
      checkPath(DRIVER, path);
      try {
        const stats = await stat(names.locate(path), options?.signal);
        // The root need not exist yet.
        if (stats === undefined) return path === '/' ? { path, size: 0, modified: 0, isDirectory: true } : undefined;
        const isDirectory = stats.isDirectory();
        if (!isDirectory && isTemporary(path)) return undefined;
        return { path, size: isDirectory ? 0 : stats.size, modified: stats.mtimeMs, isDirectory };
      } catch (error) {
        throw storeFault(path, error);
      }
    },

    async read(path, options) {
      checkObjectPath(DRIVER, path);
      if (isTemporary(path)) return undefined;
      try {
        return await files.read(names.locate(path), options?.signal);
      } catch (error) {
        throw storeFault(path, error);
      }
    },

    async open(path, range, options) {
      checkObjectPath(DRIVER, path);
      checkRange(DRIVER, path, range);
      if (isTemporary(path)) return undefined;
      const stream = { path, range, signal: options?.signal };
      return await operate(path, () => openStream(names.locate(path), stream, streams), options);
    },

    put: (path, content, options) => putAll([{ path, content }], options),
    putAll,

    async swap(path, expected, content, options) {
      const location = names.locateTarget(path);
      return await operate(path, () => swaps.swap(location, expected, content, options?.signal), options);
    },

    async list(path, options) {
      checkPath(DRIVER, path);
      try {
        const page = await listings.list(names.locate(path), options);
        return page ?? (path === '/' ? { entries: [], more: false, version: undefined } : undefined);
      } catch (error) {
        throw storeFault(path, error);
      }
    },

    async move(source, target, options) {
      const from = names.locateTarget(source);
      const to = names.locateTarget(target);
      await operate(
        source,
        () => writer.rename(from, to, { syncSource: true, isNew: false, signal: options?.signal }),
        options,
      );
    },

    async copy(source, target, options) {
      const from = names.locateTarget(source);
      const to = names.locateTarget(target);
      await operate(source, () => writer.copy(from, to, options?.signal), options);
    },

    async delete(path, options) {
      checkObjectPath(DRIVER, path);
      const location = names.locate(path);
      const remove = async () => {
        const removed = await removeTree(location, options?.signal);
        if (removed && options?.durable !== false) await directories.syncRemoval(dirname(location));
        return removed;
      };
      return await operate(path, remove, options);
    },

    async redirectUrl(path) {
      checkObjectPath(DRIVER, path);
      return undefined;
    },

    async beginUpload(path, options) {
      const location = names.locateTarget(path);
      // First, so that no folder is ever without it.
      if (options?.beside !== undefined) await putAll([options.beside], { ...options, durable: false });
      await operate(path, async () => closeFile(await writer.create(location)), options);
      return createFilesystemUpload(uploads, path);
    },

    resumeUpload: (path) => createFilesystemUpload(uploads, path),

    async close() {
      close();
    },
  };
}
