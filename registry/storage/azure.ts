/**
 * The Azure driver: the tree lies in one container, blob for blob as Distribution lays it. Several processes may share it;
 * what they do at the same time is told apart by ETags.
 */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { AzureConfig } from '../config/types.ts';
import type { Logger } from '../log.ts';
import { allDone } from './abort.ts';
import { COPY, type Condition, createAzureBlobs } from './azure-blobs.ts';
import { createBlocks } from './azure-blocks.ts';
import { createAzureClient, serviceUrl } from './azure-client.ts';
import { DRIVER, sentenceOf, statusOf } from './azure-errors.ts';
import { createAzureListings, isFolder } from './azure-list.ts';
import { createReplacements } from './azure-replace.ts';
import { blocksOf, createAzureUpload } from './azure-upload.ts';
import { createMemoryShare } from './memory-share.ts';
import { createConnections } from './object-http.ts';
import { createObjectKeys } from './object-keys.ts';
import { listFolded } from './object-list.ts';
import { checkObjectPath, checkPath, isPath } from './paths.ts';
import { inOrder } from './put-order.ts';
import { checkRange, type Window } from './ranges.ts';
import { createSemaphore } from './semaphore.ts';
import { createSigned } from './signed.ts';
import { type ByteRange, type Stat, type Store, StoreError } from './store.ts';

export interface AzureOptions {
  readonly config: AzureConfig;
  /** What comes before every name: see `azure-check.ts`. */
  readonly base: string;
  readonly log: Logger;
  /** What the registry calls itself. */
  readonly userAgent: string;
  /** Milliseconds since the epoch. */
  readonly clock?: (() => number) | undefined;
  /** A fresh UUID. */
  readonly randomId?: (() => string) | undefined;
}

/** Memory for bytes on their way to the container, over the whole process. */
const MEMORY = 128 * 1024 * 1024;
/** Calls at once of one request that writes or deletes many blobs. */
const TOGETHER = 32;

/** Tells who wrote a blob that several want to write. */
const MARK = 'berthswap';

/** Makes the driver. Nothing is asked of the service yet. */
export async function createAzureStore(options: AzureOptions): Promise<Store> {
  const { config, base, log, userAgent, clock = Date.now, randomId } = options;
  const connections = createConnections(config.skipverify);
  const client = await createAzureClient(config, { connections, userAgent, now: clock });
  const place = { container: config.container, url: serviceUrl(config) };
  const blobs = createAzureBlobs(client, place, config.maxretries !== -1);
  const listings = createAzureListings(client.container);
  const keys = createObjectKeys(base);
  const memory = createMemoryShare(MEMORY);
  const newId = randomId ?? randomUUID;
  const blocks = createBlocks({ blobs, memory, newId });
  const replacements = createReplacements(blobs, blocks);
  const { run } = blobs;
  const sentence = (error: unknown): string => sentenceOf(place, error);
  const signed = createSigned(client.sign, { driver: DRIVER, log, clock, sentence });

  /** A checked part of a blob; `undefined` if it is absent. */
  async function download(name: string, range: ByteRange, signal: AbortSignal): Promise<Readable | undefined> {
    const { start, end } = range;
    const empty = (): Readable => Readable.from([], { objectMode: false });
    if (end !== undefined && end <= start) {
      return (await blobs.properties(name, signal)) === undefined ? undefined : empty();
    }
    try {
      const count = end === undefined ? undefined : end - start;
      const found = await blobs.download(name, start, count, signal);
      if (found === undefined || isFolder(found.metadata)) {
        (found?.readableStreamBody as Readable | undefined)?.destroy();
        return undefined;
      }
      return found.readableStreamBody as Readable;
    } catch (error) {
      // It begins at the end, or behind it.
      if (statusOf(error) === 416) return empty();
      throw error;
    }
  }

  const openPart = (path: string, name: string, window: Window, signal: AbortSignal | undefined): Promise<Readable> =>
    run(path, signal, async (ended) => {
      const found = await download(name, window, ended);
      if (found === undefined) throw new StoreError('not-found', DRIVER, path);
      return found;
    });

  const uploads = { blobs, blocks, replacements, listings, keys, openBlob: openPart };

  async function put(path: string, content: Buffer, signal: AbortSignal | undefined): Promise<void> {
    await run(path, signal, (ended) => replacements.write(path, keys.key(path), content, ended));
  }

  /** For groups: bounded, and none is left running behind the caller. */
  function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
    const slots = createSemaphore(TOGETHER);
    return allDone(items.map((item) => slots.run(() => work(item))));
  }

  async function copy(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
    checkObjectPath(DRIVER, source);
    checkObjectPath(DRIVER, target);
    const work = async (ended: AbortSignal): Promise<void> => {
      const [from, to] = [keys.key(source), keys.key(target)];
      const found =
        from === to
          ? (await blobs.properties(from, ended)) !== undefined
          : (await replacements.copy(source, { name: from, etag: undefined }, to, ended)) === 'done';
      if (!found) throw new StoreError('not-found', DRIVER, source);
    };
    await run(source, signal, work, COPY);
  }

  return {
    name: DRIVER,
    ownSessions: true,

    async stat(path, options) {
      checkPath(DRIVER, path);
      return await run(path, options?.signal, async (signal): Promise<Stat | undefined> => {
        const directory = { path, size: 0, modified: 0, isDirectory: true };
        const found = path === '/' ? undefined : await blobs.properties(keys.key(path), signal);
        if (found !== undefined) {
          if (isFolder(found.metadata)) return directory;
          const modified = found.lastModified?.getTime() ?? 0;
          return { path, size: found.contentLength ?? 0, modified, isDirectory: false };
        }
        const request = { prefix: keys.below(path), from: undefined, limit: 1, token: undefined, signal };
        const { blobs: below } = await listings.flat(request);
        return below.length > 0 || path === '/' ? directory : undefined;
      });
    },

    async read(path, options) {
      checkObjectPath(DRIVER, path);
      return await run(path, options?.signal, async (signal) => {
        const stream = await download(keys.key(path), { start: 0 }, signal);
        return stream === undefined ? undefined : Buffer.concat(await stream.toArray());
      });
    },

    async open(path, range, options) {
      checkObjectPath(DRIVER, path);
      checkRange(DRIVER, path, range);
      return await run(path, options?.signal, (signal) => download(keys.key(path), range ?? { start: 0 }, signal));
    },

    async put(path, content, options) {
      checkObjectPath(DRIVER, path);
      await put(path, content, options?.signal);
    },

    async putAll(puts, options) {
      for (const { path } of puts) checkObjectPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      for (const group of inOrder(puts)) {
        await each(group, ({ path, content }) => put(path, content, options?.signal));
      }
    },

    async swap(path, expected, content, options) {
      checkObjectPath(DRIVER, path);
      const name = keys.key(path);
      return await run(path, options?.signal, async (signal) => {
        let condition: Condition = { ifNoneMatch: '*' };
        if (expected !== undefined) {
          const found = await blobs.download(name, 0, undefined, signal);
          const seen = found && Buffer.concat(await (found.readableStreamBody as Readable).toArray());
          if (found?.etag === undefined || seen?.equals(expected) !== true) return false;
          condition = { ifMatch: found.etag };
        }
        const mark = newId();
        if (await blobs.upload(name, content, condition, signal, { [MARK]: mark })) return true;
        // It was we, if the first try's answer was lost.
        return (await blobs.properties(name, signal))?.metadata?.[MARK] === mark;
      });
    },

    async list(path, options) {
      checkPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      const page = await listFolded(
        (request) => run(path, options?.signal, (signal) => listings.fold({ ...request, signal })),
        keys.below(path),
        options,
      );
      return page ?? (path === '/' ? { entries: [], more: false, version: undefined } : undefined);
    },

    async walk(path, options) {
      checkPath(DRIVER, path);
      const { after, limit, signal: given } = options ?? {};
      const from = after === undefined ? undefined : keys.key(after);
      return await run(path, given, async (signal) => {
        const wanted = limit === undefined ? undefined : limit + 1;
        const request = { prefix: keys.below(path), from, limit: wanted, token: undefined, signal };
        const { blobs: found, next } = await listings.flat(request);
        const behind = found.filter(({ name }) => from === undefined || name > from);
        const kept = limit === undefined ? behind : behind.slice(0, limit);
        const objects = kept
          .filter(({ name, metadata }) => isPath(keys.path(name)) && !isFolder(metadata))
          .map(({ name, properties }): Stat => {
            const { contentLength = 0, lastModified } = properties;
            return { path: keys.path(name), size: contentLength, modified: lastModified.getTime(), isDirectory: false };
          });
        return { objects, more: next !== undefined || kept.length < behind.length };
      });
    },

    async move(source, target, options) {
      await copy(source, target, options?.signal);
      if (source !== target)
        await run(source, options?.signal, (signal) => blobs.remove(keys.key(source), undefined, signal));
    },

    copy: (source, target, options) => copy(source, target, options?.signal),

    async delete(path, options) {
      checkObjectPath(DRIVER, path);
      const given = options?.signal;
      const remove = (name: string): Promise<boolean> =>
        run(path, given, (signal) => blobs.remove(name, undefined, signal));
      let removed = await remove(keys.key(path));
      for (let token: string | undefined, more = true; more; more = token !== undefined) {
        const request = { prefix: keys.below(path), from: undefined, limit: undefined, token };
        const { blobs: found, next } = await run(path, given, (signal) => listings.flat({ ...request, signal }));
        // The deepest first: accounts with a hierarchical namespace do not let go of a folder that holds something.
        await each([...found].reverse(), async ({ name }) => {
          if (await remove(name)) removed = true;
        });
        token = next;
      }
      return removed;
    },

    async redirectUrl(path, _method, options) {
      checkObjectPath(DRIVER, path);
      return await signed(keys.key(path), options?.signal);
    },

    async beginUpload(path, options) {
      checkObjectPath(DRIVER, path);
      const { beside, signal } = options ?? {};
      // A folder that holds anything is a session, so one small blob is all that it takes.
      if (beside === undefined)
        await run(path, signal, (ended) => blobs.upload(blocksOf(keys.key(path)), Buffer.alloc(0), {}, ended));
      else await put(beside.path, beside.content, signal);
      return createAzureUpload(uploads, path);
    },

    resumeUpload: (path) => createAzureUpload(uploads, path),

    close: () => connections.destroy(),
  };
}
