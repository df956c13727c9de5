/**
 * The one look at the disk with which every cached answer is confirmed. `fs.stat` with a callback and doubles costs 2 to
 * 3 us of CPU when several run at once (with BigInts a quarter more, the promise API twice as much).
 *
 * A double holds a time of our days to a quarter of a microsecond. Two states of a file are told apart as long as the
 * clock of the file system moved between them, which is why what is too young is not trusted (see `isSettled`).
 */
import fs from 'node:fs';
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

export interface StatCall {
  /** Stat through symbolic links; `undefined` if nothing is there. Rejects with the signal's reason when it fires. */
  (location: string, signal: AbortSignal | undefined): Promise<fs.Stats | undefined>;
}

/** Makes the call, and what stops its timer. */
export function createStatCall(): { readonly stat: StatCall; close(): void } {
  const aborts = createAbortWatch(SWEEP_MS);
  return {
    stat: (location, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason);
          return;
        }
        const release = signal === undefined ? undefined : aborts.watch(signal, reject);
        fs.stat(location, (error, stats) => {
          release?.();
          if (error === null) resolve(stats);
          else if (isAbsence(error)) resolve(undefined);
          else reject(error);
        });
      }),
    close: aborts.close,
  };
}
