/** Signed URLs that need the service's help: where that fails, clients are served without them, and the log says why. */
import type { Logger } from '../log.ts';
import { untilAborted } from './abort.ts';

/** Milliseconds between two lines of the log. */
const PAUSE = 60_000;

export interface SignedOptions {
  readonly driver: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** A failure in one line, with its remedy. */
  readonly sentence: (error: unknown) => string;
}

/** `sign`, which gives `undefined` instead of failing. Throws the signal's reason alone. */
export function createSigned(
  sign: (key: string) => Promise<string | undefined>,
  { driver, log, clock, sentence }: SignedOptions,
): (key: string, signal: AbortSignal | undefined) => Promise<string | undefined> {
  let told = Number.NEGATIVE_INFINITY;
  return async (key, signal) => {
    signal?.throwIfAborted();
    try {
      return await untilAborted(sign(key), signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (clock() - told >= PAUSE) {
        told = clock();
        log.warn({ driver }, `blobs cannot be redirected to the store, so they are sent from here: ${sentence(error)}`);
      }
      return undefined;
    }
  };
}
