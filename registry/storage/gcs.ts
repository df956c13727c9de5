/**
 * The GCS driver: the tree lies in one bucket, object for object as Distribution lays it. Several processes may share it;
 * what they do at the same time is told apart by generations.
 */
import { randomUUID } from 'node:crypto';
import type { GcsConfig } from '../config/types.ts';
import type { Logger } from '../log.ts';
import { allDone } from './abort.ts';
import { createGcsCalls, type Scope } from './gcs-calls.ts';
import { createGcsClient } from './gcs-client.ts';
import { DRIVER, failureSentence } from './gcs-errors.ts';
import { SESSION_TYPE } from './gcs-media.ts';
import { createGcsObjects } from './gcs-objects.ts';
import { createPieces } from './gcs-pieces.ts';
import { sessionOf } from './gcs-session.ts';
import { createGcsUpload } from './gcs-upload.ts';
import { createMemoryShare } from './memory-share.ts';
import { createConnections } from './object-http.ts';
import { baseOf, createObjectKeys } from './object-keys.ts';
import { listFolded } from './object-list.ts';
import { checkObjectPath, checkPath, isPath } from './paths.ts';
import { inOrder } from './put-order.ts';
import { checkRange } from './ranges.ts';
import { createSemaphore } from './semaphore.ts';
import { createSigned } from './signed.ts';
import { type Stat, type Store, StoreError } from './store.ts';

export interface GcsOptions {
  readonly config: GcsConfig;
  readonly log: Logger;
  /** What the registry calls itself. */
  readonly userAgent: string;
  /** Milliseconds since the epoch. */
  readonly clock?: (() => number) | undefined;
  /** A fresh UUID. */
  readonly randomId?: (() => string) | undefined;
  /** From 0 to 1, exclusive. */
  readonly random?: (() => number) | undefined;
}

/** Memory for bytes on their way to the bucket, over the whole process. */
const MEMORY = 128 * 1024 * 1024;
/** Calls at once of one request that writes or deletes many objects. */
const TOGETHER = 32;

/** Makes the driver. Nothing is asked of the service yet. */
export function createGcsStore(options: GcsOptions): Store {
  const { config, log } = options;
  const newId = options.randomId ?? randomUUID;
  const connections = createConnections(false);
  const clock = options.clock ?? Date.now;
  const client = createGcsClient(config, clock);
  const place = { bucket: config.bucket, url: client.url };
  const calls = createGcsCalls({
    connections,
    client,
    place,
    userAgent: options.userAgent,
    slots: createSemaphore(config.maxconcurrency),
    random: options.random ?? Math.random,
  });
  const objects = createGcsObjects(calls, config.bucket);
  const keys = createObjectKeys(baseOf(config.rootdirectory));
  const memory = createMemoryShare(MEMORY);
  const pieces = createPieces({ objects, memory, largest: config.chunksize, newId });
  const uploads = {
    calls,
    objects,
    pieces,
    keys,
    memory,
    newId,
    url: client.url,
    chunksize: config.chunksize,
  };

  const sentence = (error: unknown): string => failureSentence(place, error);
  const signed = createSigned(client.sign, { driver: DRIVER, log, clock, sentence });

  /** For groups: bounded, and none is left running behind the caller. */
  function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
    const slots = createSemaphore(TOGETHER);
    return allDone(items.map((item) => slots.run(() => work(item))));
  }

  async function copy(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
    checkObjectPath(DRIVER, source);
    checkObjectPath(DRIVER, target);
    signal?.throwIfAborted();
    const scope = { path: source, signal };
    const [from, to] = [keys.key(source), keys.key(target)];
    const found = from === to ? await objects.attributes(from, scope) : await objects.copy(from, to, scope);
    if (found === undefined) throw new StoreError('not-found', DRIVER, source);
  }

  const put = async (path: string, content: Buffer, signal: AbortSignal | undefined): Promise<void> => {
    await objects.insert(keys.key(path), content, { path, signal });
  };

  async function isBelow(path: string, scope: Scope): Promise<boolean> {
    return (await objects.flat({ ...scope, prefix: keys.below(path), limit: 1 })).found.length > 0;
  }

  return {
    name: DRIVER,
    ownSessions: true,

    async stat(path, options): Promise<Stat | undefined> {
      checkPath(DRIVER, path);
      const scope = { path, signal: options?.signal };
      const found = path === '/' ? undefined : await objects.attributes(keys.key(path), scope);
      if (found !== undefined && found.contentType !== SESSION_TYPE) {
        return { path, size: found.size, modified: found.modified, isDirectory: false };
      }
      const isDirectory = (await isBelow(path, scope)) || path === '/';
      return isDirectory ? { path, size: 0, modified: 0, isDirectory } : undefined;
    },

    async read(path, options) {
      checkObjectPath(DRIVER, path);
      return (await objects.read(keys.key(path), { path, signal: options?.signal }))?.bytes;
    },

    async open(path, range, options) {
      checkObjectPath(DRIVER, path);
      checkRange(DRIVER, path, range);
      return await objects.open(keys.key(path), range ?? { start: 0 }, { path, signal: options?.signal });
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
      const scope = { path, signal: options?.signal };
      const key = keys.key(path);
      const seen = expected && (await objects.read(key, scope));
      if (expected !== undefined && seen?.bytes.equals(expected) !== true) return false;
      return (await objects.replace(key, content, scope, seen?.generation ?? '0')) !== undefined;
    },

    async list(path, options) {
      checkPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      const page = await listFolded((request) => objects.fold({ ...request, path }), keys.below(path), options);
      return page ?? (path === '/' ? { entries: [], more: false, version: undefined } : undefined);
    },

    async walk(path, options) {
      checkPath(DRIVER, path);
      const { after, limit, signal } = options ?? {};
      const from = after === undefined ? undefined : keys.key(after);
      const wanted = limit === undefined ? undefined : limit + 1;
      const { found, next } = await objects.flat({ path, signal, prefix: keys.below(path), from, limit: wanted });
      const behind = found.filter(({ name }) => from === undefined || name > from);
      const kept = limit === undefined ? behind : behind.slice(0, limit);
      const stats = kept.map(({ name, size, modified }) => ({
        path: keys.path(name),
        size,
        modified,
        isDirectory: false,
      }));
      return {
        objects: stats.filter((stat) => isPath(stat.path)),
        more: next !== undefined || kept.length < behind.length,
      };
    },

    async move(source, target, options) {
      await copy(source, target, options?.signal);
      if (source !== target) await objects.remove(keys.key(source), { path: source, signal: options?.signal });
    },

    copy: (source, target, options) => copy(source, target, options?.signal),

    async delete(path, options) {
      checkObjectPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      const scope = { path, signal: options?.signal };
      let removed = await objects.remove(keys.key(path), scope);
      for (let token: string | undefined, more = true; more; more = token !== undefined) {
        const { found, next } = await objects.flat({ ...scope, prefix: keys.below(path), token });
        await each(found, async ({ name }) => {
          if (await objects.remove(name, scope)) removed = true;
        });
        token = next;
      }
      return removed;
    },

    async redirectUrl(path, method, options) {
      checkObjectPath(DRIVER, path);
      // A URL is good for the method that it was signed for, and the client signs GETs.
      return method === 'GET' ? await signed(keys.key(path), options?.signal) : undefined;
    },

    async beginUpload(path, options) {
      checkObjectPath(DRIVER, path);
      const { beside, signal } = options ?? {};
      signal?.throwIfAborted();
      // A folder that holds anything is a session, so one small object is all that it takes.
      if (beside !== undefined) await put(beside.path, beside.content, signal);
      else await objects.insert(sessionOf(keys.key(path)), Buffer.from('{"pieces":[]}'), { path, signal });
      return createGcsUpload(uploads, path);
    },

    resumeUpload: (path) => createGcsUpload(uploads, path),

    close: () => connections.destroy(),
  };
}
