/**
 * The one look at the disk with which every cached answer is confirmed: with doubles, since BigInts cost a quarter more, and
 * with a callback, since the promise API costs twice as much.
 *
 * A double holds a time of our days to a quarter of a microsecond. Two states of a file are told apart as long as the
 * clock of the file system moved between them, which is why what is too young is not trusted (see `isSettled`).
 */
import fs from 'node:fs';
import { LRUCache } from 'lru-cache';
import { createAbortWatch } from './abort.ts';
import { isAbsence } from './filesystem-calls.ts';

/** The fields of a stat that change when a file is written, replaced or re-made. */
export interface Identity {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** File systems stamp files with a coarse clock, up to 10 ms old: what changed within this time may change again unseen. */
const COARSE_MS = 20;
/** Old file systems keep whole seconds, FAT two of them. */
const COARSEST_MS = 2500;
/** How late a caller may hear that its signal fired while the disk hangs. */
const SWEEP_MS = 100;

export function isSame(a: Identity, b: Identity): boolean {
  return a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino && a.size === b.size;
}

/** Whether every change after `now`, the time just before the identity was taken, is bound to give another identity. */
export function isSettled({ mtimeMs, ctimeMs }: Identity, now: number): boolean {
  const whole = mtimeMs % 1000 === 0 && ctimeMs % 1000 === 0;
  return now - Math.max(mtimeMs, ctimeMs) >= (whole ? COARSEST_MS : COARSE_MS);
}

/** Stat through symbolic links; `undefined` if nothing is there. Rejects with the signal's reason when it fires. */
export type StatCall = (location: string, signal: AbortSignal | undefined) => Promise<fs.Stats | undefined>;

/** Direct looks between two turns of the event loop; a long walk must let others have theirs. */
const TURN = 128;
/** Places remembered as looked at; some 200 bytes each. */
const FAMILIAR = 20_000;

/**
 * Makes the call, and what stops its timer. Handing a stat to another thread and back costs four times the stat itself.
 * So on a local file system a place that was found before, whose entry the kernel therefore has in memory, is looked at
 * directly (2 to 3 us); everything else, and everything on a file system that may wait for a network, goes to a thread.
 */
export function createStatCall(isLocal: () => boolean): { readonly stat: StatCall; close(): void } {
  const aborts = createAbortWatch(SWEEP_MS);
  const familiar = new LRUCache<string, true>({ max: FAMILIAR });
  let looks = 0;

  function mayLook(): boolean {
    if (looks === 0) {
      setImmediate(() => {
        looks = 0;
      });
    }
    return ++looks <= TURN;
  }

  function direct(location: string): fs.Stats | undefined {
    const stats = fs.statSync(location, { throwIfNoEntry: false });
    if (stats === undefined) familiar.delete(location);
    return stats;
  }

  function elsewhere(location: string, signal: AbortSignal | undefined): Promise<fs.Stats | undefined> {
    return new Promise((resolve, reject) => {
      const release = signal === undefined ? undefined : aborts.watch(signal, reject);
      fs.stat(location, (error, stats) => {
        release?.();
        if (error === null) {
          familiar.set(location, true);
          resolve(stats);
        } else if (isAbsence(error)) resolve(undefined);
        else reject(error);
      });
    });
  }

  return {
    async stat(location, signal) {
      signal?.throwIfAborted();
      return isLocal() && familiar.has(location) && mayLook() ? direct(location) : await elsewhere(location, signal);
    },
    close: aborts.close,
  };
}
