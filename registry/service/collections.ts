/**
 * Pushes beside a garbage collection. A collection takes its lease, gives every registry process `notice` to learn of it, and
 * only then looks at anything; a process that pushes looks at the lease, but believes a look for `lookLife`, which is shorter.
 * So a push that sees no collection, neither before its first look at the store nor behind its last write, is over before one
 * begins, and pays nothing for it. One that does meet a collection looks again behind its writes whether what it builds on
 * is still there, and is not answered 201 if not.
 *
 * That a process pushes at all is told by a mark in the store, so that nobody waits where no registry could be running. It is
 * written before the first look: either the collection finds it, or the look finds the lease. A process that cannot write its
 * mark gets no notice; so it takes a collection to be at work all the time, which is safe, and costs it a second look.
 */
import type { Logger } from '../log.ts';
import type { Digest } from '../oci/digest.ts';
import { type Cancellable, type Store, StoreError } from '../storage/store.ts';
import { untilSettled } from './going.ts';
import * as keys from './keys.ts';
import { collectionLease, dead, parseHeld } from './lease-record.ts';

/** What was known when a push began. */
export interface Moment {
  /** A collection is at work, or may be. */
  readonly running: boolean;
  /** What stood in the lease: another one at each collection. */
  readonly content: string;
}

export interface Collections {
  /** To be asked before a push looks at the store for what it will build on. */
  now(options: Cancellable): Promise<Moment>;
  /**
   * To be asked when all is written: whether a collection may have deleted something since `before`. If so, it waits until
   * nothing of `own`, which was written, is just being deleted.
   */
  met(before: Moment, own: readonly Digest[], options: Cancellable): Promise<boolean>;
  /** Takes the mark away. No push may be answered afterwards. */
  close(): Promise<void>;
}

/** Milliseconds between a collection's lease and its first look, where marks say that registries push. */
export const notice = 5_000;
/** Milliseconds for which a look at the lease counts. The rest of `notice` is for clocks that do not run alike. */
export const lookLife = 3_000;
/** Milliseconds, by the store's clock, after which a mark counts for nothing; and how often a process that pushes writes its own. */
export const markLife = 24 * 3_600_000;
const markAnew = markLife / 4;
/** Milliseconds that a look may take. */
const patience = 60_000;

export interface CollectionsDependencies {
  readonly store: Store;
  /** Tells this process from others, for people, and for a collector on the same machine. */
  readonly holder: string;
  /** A fresh UUID. */
  readonly newId: () => string;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  readonly log: Logger;
}

interface Look extends Moment {
  /** Before it was begun. */
  readonly at: number;
}

export function createCollections({ store, holder, newId, clock, log }: CollectionsDependencies): Collections {
  const mark = keys.pusher(newId());
  let markedAt: number | undefined;
  /** The mark could not be written, which has been told. */
  let isUnmarked = false;
  let last: Look | undefined;
  let looking: Promise<Look> | undefined;
  /** Since when a lease has stood still. */
  let still: { readonly content: string; readonly since: number } | undefined;

  /** Whether a collection that begins from now on will know of this process. */
  async function announce(options: Cancellable): Promise<boolean> {
    const at = clock();
    if (markedAt !== undefined && at - markedAt < markAnew) return true;
    const isFirst = markedAt === undefined;
    try {
      await store.put(mark, Buffer.from(holder, 'latin1'), { ...options, durable: false });
    } catch (error) {
      // A store that fails altogether fails the push by itself; a full one has an answer of its own.
      if (!(error instanceof StoreError) || error.code !== 'failed') throw error;
      if (!isUnmarked)
        log.warn(
          { err: error, folder: keys.pushersRoot },
          'this folder of the storage cannot be written: each push is checked twice and mounts nothing; give the folder to the user of this process',
        );
      isUnmarked = true;
      return false;
    }
    markedAt = at;
    isUnmarked = false;
    if (isFirst) await forgetOthers(options).catch(() => undefined);
    return true;
  }

  /** Marks of processes that were killed. */
  async function forgetOthers(options: Cancellable): Promise<void> {
    const now = (await store.stat(mark, options))?.modified ?? 0;
    for (const { name } of (await store.list(keys.pushersRoot, options))?.entries ?? []) {
      const stat = await store.stat(keys.pusher(name), options);
      if (stat !== undefined && now - stat.modified > 2 * markLife) await store.delete(keys.pusher(name), options);
    }
  }

  async function look(): Promise<Look> {
    const options = { signal: AbortSignal.timeout(patience) };
    const isMarked = await announce(options);
    const at = clock();
    const found = await store.read(keys.lease(collectionLease), options);
    const content = found?.toString('latin1') ?? '';
    const held = parseHeld(found);
    if (still?.content !== content) still = { content, since: at };
    // Nobody trusts another machine's clock: by ours, the holder has shown no life for too long to be alive.
    const running = !isMarked || (held !== undefined && at - still.since < held.ttl * dead);
    last = { at, content, running };
    return last;
  }

  /** One look for all that ask at the same time; it is not broken off when one of them leaves. */
  function lookOnce(): Promise<Look> {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  /** A look that was begun less than `lookLife` before the call. */
  async function recent({ signal }: Cancellable): Promise<Look> {
    signal?.throwIfAborted();
    const asked = clock();
    const counts = (found: Look | undefined): found is Look => found !== undefined && asked - found.at < lookLife;
    if (counts(last)) {
      // In good time, so that where many push none of them waits.
      if (asked - last.at > lookLife / 2) lookOnce().catch(() => undefined);
      return last;
    }
    // The first may have been under way for long; the second is begun behind the call.
    const found = await lookOnce();
    return counts(found) ? found : lookOnce();
  }

  return {
    now: recent,
    async met(before, own, options) {
      const { running, content } = await recent(options);
      if (running) await untilSettled(store, own, { ...options, clock });
      return before.running || running || content !== before.content;
    },
    async close() {
      await looking?.catch(() => undefined);
      // One that stays costs the next collection a few seconds.
      if (markedAt !== undefined) await store.delete(mark, { durable: false }).catch(() => undefined);
    },
  };
}

/** For a store that no other process shares, or a test without a collector. */
export const noCollections: Collections = {
  now: async () => ({ running: false, content: '' }),
  met: async () => false,
  close: async () => undefined,
};
