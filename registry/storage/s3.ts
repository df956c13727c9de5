/**
 * The S3 driver: a bucket of Amazon's or of a server that speaks its language. Keys are `rootdirectory` and the store's paths,
 * as Distribution writes them. Several processes may share the bucket.
 */
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { S3Config } from '../config/types.ts';
import type { Logger } from '../log.ts';
import { allDone } from './abort.ts';
import { baseOf, createObjectKeys } from './object-keys.ts';
import { checkObjectPath, checkPath } from './paths.ts';
import { inOrder } from './put-order.ts';
import { checkRange } from './ranges.ts';
import { createCalls } from './s3-calls.ts';
import { createClient, deadlines, placeOf, type S3Deadlines } from './s3-client.ts';
import { createCopies } from './s3-copy.ts';
import { createDeletes } from './s3-delete.ts';
import { DRIVER, isSessionState, sessionKeys } from './s3-keys.ts';
import { createListings } from './s3-list.ts';
import { createPartMemory } from './s3-memory.ts';
import { createMultiparts } from './s3-multipart.ts';
import { createReads, type ReadOptions } from './s3-read.ts';
import { createSessions, objectsOf } from './s3-session.ts';
import { createTails } from './s3-tail.ts';
import { createS3Upload, type UploadParts } from './s3-upload.ts';
import { attributesOf, createWrites } from './s3-write.ts';
import { createSemaphore } from './semaphore.ts';
import { type Put, type Store, StoreError } from './store.ts';

export interface S3Options {
  readonly config: S3Config;
  /** What requests call this registry where the configuration says nothing: `NAME/VERSION`. */
  readonly userAgent: string;
  readonly log: Logger;
  readonly deadlines?: Partial<S3Deadlines> | undefined;
}

/** Bytes for parts of uploads in the whole process, and the fewest buffers where parts are large. */
const PART_MEMORY = 128 * 1024 * 1024;
const FEWEST_BUFFERS = 3;
/** Milliseconds that a part may take to fill while other uploads wait for memory. */
const PATIENCE = 500;
/** Tails in memory at once. */
const GATHERING = 4;
/** Writes of one group under way at once. */
const WRITES = 16;
/** Seconds for which a URL is good, as Distribution has it. */
const URL_SECONDS = 20 * 60;
/** Parts of one copy under way at once, whatever more is configured: they share the connections with everything else. */
const COPIES = 100;
/** The name of sessions in a registry's tree: other registries leave uploads under way for it. */
const SESSION = 'data';

export function createS3Store(options: S3Options): Store {
  const { config, log } = options;
  const limits = { ...deadlines, ...options.deadlines };
  const client = createClient({ config, userAgent: options.userAgent, log, deadlines: limits });
  const signer =
    config.redirectendpoint === undefined
      ? client
      : createClient({ config, userAgent: options.userAgent, log, deadlines: limits }, config.redirectendpoint);
  const calls = createCalls(client, placeOf(config), limits);
  const keys = createObjectKeys(baseOf(config.rootdirectory));
  const attributes = attributesOf(config);
  const reads = createReads(calls);
  const writes = createWrites({ calls, reads, attributes, log });
  const listings = createListings(calls, keys);
  const multiparts = createMultiparts({
    calls,
    reads,
    attributes,
    copyChunk: config.multipartcopychunksize,
    copyConcurrency: Math.min(COPIES, config.multipartcopymaxconcurrency),
  });
  const copies = createCopies({ calls, multiparts, attributes, threshold: config.multipartcopythresholdsize });
  const deletes = createDeletes(calls, listings);
  const sessions = createSessions({ reads, writes, listings, multiparts });
  const memory = createPartMemory({
    bytes: config.chunksize,
    count: Math.max(FEWEST_BUFFERS, Math.floor(PART_MEMORY / config.chunksize)),
    patience: PATIENCE,
  });
  const uploads: UploadParts = {
    keys,
    reads,
    writes,
    sessions,
    multiparts,
    tails: createTails(reads, writes),
    copies,
    deletes,
    memory,
    chunk: config.chunksize,
    gathering: createSemaphore(GATHERING),
  };

  async function putAll(puts: readonly Put[], signal: AbortSignal | undefined): Promise<void> {
    for (const { path } of puts) checkObjectPath(DRIVER, path);
    const slots = createSemaphore(WRITES);
    for (const group of inOrder(puts)) {
      await allDone(
        group.map(({ path, content }) =>
          slots.run(() => writes.put(keys.key(path), content, { path, signal }), signal),
        ),
      );
    }
  }

  async function copy(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
    checkObjectPath(DRIVER, source);
    checkObjectPath(DRIVER, target);
    const key = keys.key(source);
    const head = await reads.head(key, { path: source, signal });
    if (head === undefined) throw new StoreError('not-found', DRIVER, source);
    if (source !== target) await copies.copy({ key, size: head.size }, keys.key(target), { path: source, signal });
  }

  /** Whoever finds a session's record aborts what stands in it before the record goes. */
  async function endSessions(found: readonly string[], path: string): Promise<void> {
    for (const key of found.filter(isSessionState)) {
      // Not without it: what it names could never be found again.
      const state = await sessions.recorded(key, { path });
      if (state !== undefined) await sessions.abandon(state, { path });
    }
  }

  /** What other registries have under way below a key, and did not record. */
  async function endForeign(key: string, options: ReadOptions): Promise<void> {
    const found = await Promise.all(
      [`${key}/`, `${key}/${SESSION}`, key].map((place) => multiparts.underWay(place, options)),
    );
    const uploads = new Map(found.flat().map((upload) => [upload.id, upload]));
    for (const upload of uploads.values()) await multiparts.abort(upload, options);
  }

  return {
    name: DRIVER,
    ownSessions: true,

    async stat(path, options) {
      checkPath(DRIVER, path);
      const call = { path, signal: options?.signal };
      const head = path === '/' ? undefined : await reads.head(keys.key(path), call);
      if (head !== undefined) return { path, size: head.size, modified: head.modified, isDirectory: false };
      const below = await listings.keys(keys.below(path), { ...options, limit: 1 });
      const isThere = below.found.length > 0 || path === '/';
      return isThere ? { path, size: 0, modified: below.found[0]?.modified ?? 0, isDirectory: true } : undefined;
    },

    async read(path, options) {
      checkObjectPath(DRIVER, path);
      return (await reads.read(keys.key(path), { path, signal: options?.signal }))?.bytes;
    },

    async open(path, range, options) {
      checkObjectPath(DRIVER, path);
      checkRange(DRIVER, path, range);
      return await reads.open(keys.key(path), range, { path, signal: options?.signal });
    },

    put: (path, content, options) => putAll([{ path, content }], options?.signal),
    putAll: (puts, options) => putAll(puts, options?.signal),

    async swap(path, expected, content, options) {
      checkObjectPath(DRIVER, path);
      const call = { path, signal: options?.signal };
      const there = expected === undefined ? undefined : await reads.read(keys.key(path), call);
      if (expected !== undefined && there?.bytes.equals(expected) !== true) return false;
      const key = keys.key(path);
      const isDone = (await writes.putOver(key, there?.etag, content, call)) !== undefined;
      if (isDone) await writes.tryConditions(key, content, call);
      return isDone;
    },

    async list(path, options) {
      checkPath(DRIVER, path);
      options?.signal?.throwIfAborted();
      return await listings.list(path, options);
    },

    async walk(path, options) {
      checkPath(DRIVER, path);
      return await listings.walk(path, options);
    },

    async move(source, target, options) {
      await copy(source, target, options?.signal);
      if (source !== target) await deletes.objects([keys.key(source)], { path: source, signal: options?.signal });
    },

    copy: (source, target, options) => copy(source, target, options?.signal),

    async delete(path, options) {
      checkObjectPath(DRIVER, path);
      const key = keys.key(path);
      const call = { path, signal: options?.signal };
      if (options?.uploads === true) await endForeign(key, call);
      return await deletes.tree(key, { ...call, before: (found) => endSessions(found, path) });
    },

    async redirectUrl(path, method) {
      checkObjectPath(DRIVER, path);
      const input = { Bucket: config.bucket, Key: keys.key(path) };
      const signing = { expiresIn: URL_SECONDS };
      try {
        return method === 'HEAD'
          ? await getSignedUrl(signer, new HeadObjectCommand(input), signing)
          : await getSignedUrl(signer, new GetObjectCommand(input), signing);
      } catch (error) {
        throw calls.fault(path, error);
      }
    },

    async beginUpload(path, options) {
      checkObjectPath(DRIVER, path);
      const call = { path, signal: options?.signal };
      const own = sessionKeys(keys, path);
      if (options?.beside !== undefined) {
        await putAll([options.beside], options.signal);
        sessions.noteBegun(own);
        return createS3Upload(uploads, path);
      }
      const before = await sessions.load(own, call);
      if (before !== undefined) {
        await sessions.abandon(before.state, call);
        await deletes.objects(objectsOf(before.state), call);
      }
      await sessions.begin(own, call);
      return createS3Upload(uploads, path);
    },

    resumeUpload(path) {
      checkObjectPath(DRIVER, path);
      return createS3Upload(uploads, path);
    },

    async close() {
      client.destroy();
      if (signer !== client) signer.destroy();
    },
  };
}
