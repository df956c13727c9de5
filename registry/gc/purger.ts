/**
 * The purge inside the server: the first within an hour, then one in each interval. Of all replicas that share a store, one
 * does it: under a lease, and not if another one has done it within the interval.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { MaintenanceMetrics } from '../metrics/maintenance.ts';
import { leaseTime } from '../service/lease-record.ts';
import type { Store } from '../storage/store.ts';
import type { Leases } from './lease.ts';
import { purgeUploads } from './purge.ts';

export interface PurgerOptions {
  /** Milliseconds. */
  readonly age: number;
  /** Milliseconds, more than 0. */
  readonly interval: number;
  readonly dryrun: boolean;
}

export interface PurgerDependencies {
  readonly store: Store;
  readonly leases: Leases;
  readonly log: Logger;
  readonly metrics: Pick<MaintenanceMetrics, 'purgeEnded'>;
  /** From 0 to less than 1. */
  readonly random: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after so many milliseconds, or rejects when the signal fires. */
  readonly wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
}

export interface Purger {
  start(): void;
  /** Stops what is under way. Resolves when it has ended. */
  stop(): Promise<void>;
}

export const purgeLease = 'upload-purge';

const minute = 60_000;
/** Longest wait that a timer takes: behind 2^31 milliseconds it would end at once. */
const longestTimer = 24 * 60 * minute;
/** Replicas' clocks and runs differ a little: a run that began this share of an interval ago was the one before. */
const slack = 0.9;
/** Milliseconds: longer than a lease stands still before its holder counts as dead. */
const patience = leaseTime * 1.5;

export function createPurger(options: PurgerOptions, dependencies: PurgerDependencies): Purger {
  const { age, interval, dryrun } = options;
  const { store, leases, log, metrics, random, now, wait = longSleep } = dependencies;
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    const began = now();
    const ended = (run: Parameters<MaintenanceMetrics['purgeEnded']>[0]): void => metrics.purgeEnded(run);
    const seconds = (): number => (now() - began) / 1000;
    try {
      const lease = await leases.take(purgeLease, patience, { signal });
      if ('holder' in lease) {
        log.info({ holder: lease.holder }, 'upload purge: another replica is at it');
        return ended({ result: 'skipped', purged: 0, errors: 0, seconds: 0 });
      }
      let note = lease.note;
      try {
        const last = Date.parse(note);
        if (last <= began && began - last < interval * slack) {
          log.info({ last: note }, 'upload purge: done by another replica within the interval');
          return ended({ result: 'skipped', purged: 0, errors: 0, seconds: 0 });
        }
        const result = await purgeUploads(
          { olderThan: began - age, dryRun: dryrun, signal: AbortSignal.any([signal, lease.lost]) },
          { store, log },
        );
        note = new Date(began).toISOString();
        ended({ result: 'done', ...result, seconds: seconds() });
      } finally {
        await lease.release(note);
      }
    } catch (error) {
      if (signal.aborted) return;
      log.error({ err: error }, 'upload purge failed; it is tried again after the interval');
      ended({ result: 'failed', purged: 0, errors: 1, seconds: seconds() });
    }
  }

  async function live(): Promise<void> {
    // Spread, as the replicas of a deployment start together; but a short interval means soon.
    let pause = Math.min(Math.floor(random() * 60) * minute, interval);
    log.info({}, `Starting upload purge in ${goDuration(pause)}`);
    for (;;) {
      await wait(pause, signal);
      const began = now();
      await run();
      signal.throwIfAborted();
      log.info({}, `Starting upload purge in ${goDuration(interval)}`);
      // From start to start, as a ticker has it.
      pause = Math.max(0, Math.min(interval, interval - (now() - began)));
    }
  }

  return {
    start() {
      running = live().catch((error: unknown) => {
        if (!signal.aborted) log.error({ err: error }, 'upload purge ended');
      });
    },
    async stop() {
      stopping.abort(new Error('the server is stopping'));
      await running;
    },
  };
}

async function longSleep(ms: number, signal: AbortSignal): Promise<void> {
  for (let rest = ms; rest > 0; rest -= longestTimer) {
    await sleep(Math.min(rest, longestTimer), undefined, { signal, ref: false });
  }
}

/** As Go prints it: `0s`, `12m0s`, `24h0m0s`, `1.5s`. Milliseconds. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / (60 * minute));
  const minutes = Math.floor((ms % (60 * minute)) / minute);
  const seconds = (ms % minute) / 1000;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
