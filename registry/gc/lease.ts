/**
 * Leases in the store: of all processes that share it, one at a time does a piece of maintenance. Built on `swap`, so it
 * needs no server. A lease says who holds it and how long it may take until the next sign of life.
 *
 * No clock of another machine is trusted: whoever waits for a dead holder measures by its own clock how long the lease has
 * stood still. And no holder trusts itself: one that could not renew in time takes its lease for lost, well before anybody
 * else may.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import * as keys from '../service/keys.ts';
import { dead, free, heldBy, noteIn, parseHeld } from '../service/lease-record.ts';
import type { Cancellable, Store } from '../storage/store.ts';

export interface Lease {
  /** Fires when the lease was taken over or could not be renewed: stop at once. Also when `release` was called. */
  readonly lost: AbortSignal;
  /** Milliseconds since the epoch by the store's clock, at which it was taken. */
  readonly since: number;
  /** What the holder before left, if it let go in good order; else empty. */
  readonly note: string;
  /** Lets others have it. `note`: what the next holder may want to know. One line. */
  release(note?: string): Promise<void>;
}

export interface Leases {
  /**
   * The lease, or who holds it. Waits until the holder shows life, or has shown none for so long that it must be dead, but
   * at most `patience` milliseconds; more than 4/3 of `ttl` are needed to replace a dead one.
   */
  take(name: string, patience: number, options: TakeOptions): Promise<Lease | { readonly holder: string }>;
}

export interface TakeOptions extends Cancellable {
  /** Told once, if somebody else has it. */
  readonly onWait?: ((holder: string) => void) | undefined;
}

export interface LeasesDependencies {
  readonly store: Store;
  /** Tells this process from all others, for people: host and process id. Without spaces. */
  readonly holder: string;
  /** Whether a holder is known to have ended, so that nobody need wait for its lease to run out. Default: nobody knows. */
  readonly isDead?: ((holder: string) => boolean) | undefined;
  /** A fresh UUID. */
  readonly newId: () => string;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  /** Milliseconds for which a lease holds without a sign of life. */
  readonly ttl: number;
}

/** Of a lease's time: a holder that could not renew gives up at 2/3, well before others believe it dead. */
const renewals = 6;
const giveUp = 2 / 3;

const once = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });

export function createLeases(dependencies: LeasesDependencies): Leases {
  const { store, holder, isDead = () => false, newId, clock, ttl } = dependencies;
  function begin(path: string, content: Buffer, since: number, note: string): Lease {
    const controller = new AbortController();
    const over = new AbortController();
    const time = Math.floor(ttl * giveUp);
    let current = content;
    /** Signs of life of which nobody knows whether they were written; the newest may still come to be. */
    let doubtful: Buffer[] = [];
    let watchdog: NodeJS.Timeout | undefined;

    function lose(): void {
      over.abort();
      controller.abort(new Error('the lease was lost: another process took it over, or the store did not answer'));
    }

    /** Counts from before the sign of life was given. */
    function watch(from: number): void {
      clearTimeout(watchdog);
      watchdog = setTimeout(lose, Math.max(0, time - (clock() - from)));
      watchdog.unref();
    }

    async function renew(): Promise<void> {
      const next = heldBy({ holder, beat: newId(), ttl });
      const from = clock();
      const options = { signal: AbortSignal.timeout(time) };
      doubtful.push(next);
      const isDone = await store.swap(path, current, next, options);
      // An answer may have been lost on its way: then what stands there is one of those that were to be written.
      const found = isDone ? next : await store.read(path, options);
      const mine = found === undefined ? undefined : [current, ...doubtful].find((one) => one.equals(found));
      if (mine !== undefined) current = mine;
      if (isDone) doubtful = [];
      if (over.signal.aborted) return;
      if (mine?.equals(next)) watch(from);
      else if (mine === undefined) lose();
    }

    async function letGo(last: Buffer, options: Cancellable): Promise<void> {
      for (const mine of [current, ...doubtful]) if (await store.swap(path, mine, last, options)) return;
    }

    async function live(): Promise<void> {
      for (;;) {
        await sleep(ttl / renewals, undefined, { signal: over.signal, ref: false });
        // A store that does not answer is asked again, until it is too late.
        await renew().catch(() => undefined);
      }
    }
    watch(clock());
    const living = live().catch(() => undefined);

    return {
      lost: controller.signal,
      since,
      note,
      async release(left = '') {
        over.abort();
        const patience = AbortSignal.timeout(time);
        // A sign of life that is under way comes first.
        await Promise.race([living, once(patience)]);
        clearTimeout(watchdog);
        if (controller.signal.aborted) return;
        controller.abort(new Error('the lease was released'));
        // If it fails, the lease runs out.
        await Promise.race([letGo(free(left, newId()), { signal: patience }), once(patience)]).catch(() => undefined);
      },
    };
  }

  const hasStood = (seen: { content: Buffer; at: number } | undefined, content: Buffer, time: number): boolean =>
    seen?.content.equals(content) === true && clock() - seen.at >= time * dead;

  return {
    async take(name, patience, { signal, onWait }) {
      const path = keys.lease(name);
      const started = clock();
      let seen: { readonly content: Buffer; readonly at: number } | undefined;
      for (;;) {
        const content = await store.read(path, { signal });
        const held = parseHeld(content);
        if (content === undefined || held === undefined || isDead(held.holder) || hasStood(seen, content, held.ttl)) {
          const mine = heldBy({ holder, beat: newId(), ttl });
          if (await store.swap(path, content, mine, { signal })) {
            const stat = await store.stat(path, { signal });
            return begin(path, mine, stat?.modified ?? 0, noteIn(content));
          }
        } else {
          // Another sign of life than a moment ago, or too little time to tell.
          const isAlive = seen !== undefined && !seen.content.equals(content);
          if (isAlive || clock() - started >= patience) return { holder: held.holder };
          if (seen === undefined) onWait?.(held.holder);
          seen ??= { content, at: clock() };
        }
        signal?.throwIfAborted();
        await sleep(Math.max(1, Math.min(1000, ttl / 20)), undefined, { ...(signal && { signal }) });
      }
    },
  };
}
