/**
 * Descriptors in Redis (`storage.cache.blobdescriptor: redis`), shared by all replicas, under the keys of Distribution 2.x and
 * 3.x, so that both programs may use one Redis side by side:
 *
 *     blobs::DIGEST                    hash: digest, size, mediatype, and ours: checked
 *     repository::NAME::blobs          set of the digests that the repository has
 *     repository::NAME::blobs::DIGEST  hash: mediatype
 *
 * `checked` says when the store last confirmed the bytes, in milliseconds since the epoch. An entry without it is
 * Distribution's and may be of any age, so the store is asked once. Sets are written for Distribution alone, which believes
 * them; this registry reads the link itself each time.
 */
import { LRUCache } from 'lru-cache';
import type { Logger } from '../log.ts';
import type { DescriptorCacheMetrics } from '../metrics.ts';
import { algorithmOf, canonical, type Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import { type Descriptors, type Forgotten, revalidateAfter } from '../service/descriptors.ts';
import type { Cancellable } from '../service/services.ts';
import type { RedisSession } from './redis-session.ts';

export interface RedisDescriptorsOptions {
  /** Called once; `onUp` has to be called with each new connection. */
  readonly connect: (onUp: () => void) => RedisSession;
  /** Asks the store whether the repository's link to the blob is there. */
  readonly isMember: (name: RepositoryName, digest: Digest, options: Cancellable) => Promise<boolean>;
  readonly metrics: DescriptorCacheMetrics;
  readonly log: Logger;
  /** Milliseconds since the epoch, alike on all replicas. */
  readonly now: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

/** Keys to clear that are remembered while Redis cannot be reached. */
const mostPending = 10_000;
/** Keys cleared at once. */
const width = 64;
/** Milliseconds for the question whether a link is still there. */
const linkDeadline = 30_000;
const mediaType = 'application/octet-stream';

const blobKey = (digest: Digest): string => `blobs::${digest}`;
const setKey = (name: RepositoryName): string => `repository::${name}::blobs`;
const memberKey = (name: RepositoryName, digest: Digest): string => `${setKey(name)}::${digest}`;

export function createRedisDescriptors(options: RedisDescriptorsOptions): Descriptors {
  const { connect, isMember, metrics, log, now, clock } = options;
  /** What could not be cleared yet, by name and digest. */
  const pending = new Map<string, Forgotten>();
  /** Memberships that Redis was told of. */
  const told = new LRUCache<string, true>({ max: 10_000 });
  let isOverflowTold = false;

  const session = connect(() => {
    told.clear();
    void clear([...pending.values()]);
  });

  async function run(operation: string, key: string, ...rest: readonly [string, ...string[]]) {
    const [command, ...values] = rest;
    const { isUp } = session;
    const start = clock();
    const reply = await session.run(key, [command, key, ...values]);
    if (isUp) metrics.observeRedis(operation, (clock() - start) / 1000);
    if (reply === undefined) metrics.failed();
    return reply;
  }

  function sizeIn(reply: unknown, stored: Digest): number | undefined {
    const [digest, size, checked] = Array.isArray(reply) ? reply : [];
    if (digest !== stored || typeof size !== 'string' || !/^\d{1,15}$/.test(size)) return undefined;
    // The distance, since the replica that wrote it may have a clock that is ahead of ours.
    const age = Math.abs(now() - Number(checked ?? Number.NaN));
    return age < revalidateAfter ? Number(size) : undefined;
  }

  async function tell(
    name: RepositoryName,
    { digest, stored, size }: { digest: Digest; stored: Digest; size: number },
  ) {
    const fields = ['digest', stored, 'size', String(size), 'checked', String(now())];
    const key = blobKey(stored);
    const [isSet] = await Promise.all([
      run('SetDescriptor', key, 'HSET', ...fields),
      run('SetDescriptor', key, 'HSETNX', 'mediatype', mediaType),
    ]);
    if (isSet === undefined) return;
    if (digest === stored && algorithmOf(digest) === canonical) await tellMembership(name, digest);
  }

  async function tellMembership(name: RepositoryName, digest: Digest): Promise<void> {
    const membership = `${name} ${digest}`;
    if (told.has(membership)) return;
    told.set(membership, true);
    const replies = await Promise.all([
      run('RepoSetDescriptor', setKey(name), 'SADD', digest),
      run('RepoSetDescriptor', memberKey(name, digest), 'HSET', 'mediatype', mediaType),
    ]);
    // A DELETE may have come in between, and its clearing before our writing; or ours was late and comes after all.
    const isSure =
      replies.every((reply) => reply !== undefined) &&
      (await isMember(name, digest, { signal: AbortSignal.timeout(linkDeadline) }).catch(() => false));
    if (!isSure) await clear([{ name, digest }]);
  }

  async function clearOne({ name, digest }: Forgotten): Promise<boolean> {
    const replies =
      name === undefined
        ? [await run('Clear', blobKey(digest), 'HDEL', 'digest', 'size', 'mediatype', 'checked')]
        : await Promise.all([run('Clear', setKey(name), 'SREM', digest), run('Clear', memberKey(name, digest), 'DEL')]);
    return replies.every((reply) => reply !== undefined);
  }

  async function clear(forgotten: readonly Forgotten[]): Promise<boolean> {
    let isDone = true;
    const rest = forgotten.values();
    const worker = async (): Promise<void> => {
      for (const one of rest) {
        const key = `${one.name ?? ''} ${one.digest}`;
        told.delete(key);
        // Beforehand, so that one that is being told of meanwhile is not lost between the two.
        remember(key, one);
        if (await clearOne(one)) pending.delete(key);
        else isDone = false;
      }
    };
    await Promise.all(Array.from({ length: Math.min(width, forgotten.length) }, worker));
    return isDone;
  }

  function remember(key: string, one: Forgotten): void {
    if (pending.size < mostPending) {
      pending.set(key, one);
    } else if (!isOverflowTold) {
      isOverflowTold = true;
      const message =
        'redis: more was deleted than can be remembered until Redis is back; ' +
        'if Distribution uses it too, empty it (FLUSHDB)';
      log.warn({ remembered: mostPending }, message);
    }
  }

  return {
    async find(stored) {
      metrics.requested();
      const reply = await run('Stat', blobKey(stored), 'HMGET', 'digest', 'size', 'checked');
      const size = reply === undefined ? undefined : sizeIn(reply.value, stored);
      if (size !== undefined) metrics.hit();
      return size;
    },
    note(name, blob) {
      if (session.isUp) void tell(name, blob);
    },
    clear,
    async close({ wait = 0 } = {}) {
      if (pending.size > 0 && (await session.comesUp(wait))) await clear([...pending.values()]);
      await session.close();
      return pending.size;
    },
  };
}
