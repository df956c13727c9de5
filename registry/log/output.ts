/**
 * Where log lines end: a file descriptor behind a bounded buffer. Lines are gathered and written together, off the
 * request's path. A reader that is slow costs lines, not memory; a reader that is gone costs nothing at all.
 *
 * pino's own destination is not used: its `flushSync` never returns once the reader is gone, and its writes wait in the
 * thread pool for a reader that sleeps, where they take the threads of the disk and hold up the end of the process.
 */
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

export interface Output {
  /** One or more whole lines, each with its line feed. Never throws, never waits. */
  write(lines: string): void;
  /** Writes what is gathered before returning; gives up on a reader that doesn't read. Never throws. */
  flushSync(): void;
}

interface OutputOptions {
  /** How much may be gathered while the reader is slow, in UTF-16 units; further lines are dropped. */
  readonly limit?: number;
  /** Longest time that a line waits for others, in milliseconds. */
  readonly delay?: number;
}

/** So much is worth a write of its own without waiting for more. */
const BATCH = 32 * 1024;
const RETRY_MS = 5;
const LAST_RETRIES = 300;

/** Opens a descriptor (1: standard output, 2: standard error). Flushes by itself when the process exits. */
export function openOutput(fd: number, options: OutputOptions = {}): Output {
  const { limit = 8 * 1024 * 1024, delay = 20 } = options;
  withoutBlocking(fd);
  let gathered = '';
  /** The part of a batch that the reader has no room for yet. */
  let rest: Buffer | undefined;
  let broken = false;
  let scheduled = false;

  const schedule = (ms: number): void => {
    if (scheduled) return;
    scheduled = true;
    setTimeout(later, ms).unref();
  };

  const later = (): void => {
    scheduled = false;
    flush();
  };

  const flush = (): void => {
    if (!pump()) schedule(RETRY_MS);
  };

  /** Writes as much as the reader takes; `true` when nothing is left. */
  const pump = (): boolean => {
    while (!broken && (rest !== undefined || gathered !== '')) {
      if (rest === undefined) {
        rest = Buffer.from(gathered);
        gathered = '';
      }
      try {
        const written = writeSync(fd, rest);
        rest = written < rest.length ? rest.subarray(written) : undefined;
      } catch (error) {
        if (isBusy(error)) return false;
        giveUp();
      }
    }
    return true;
  };

  /** The reader is gone (EPIPE) or the descriptor is: from here on everything is swallowed. */
  const giveUp = (): void => {
    broken = true;
    gathered = '';
    rest = undefined;
  };

  const output: Output = {
    write(lines) {
      if (broken || gathered.length + lines.length > limit) return;
      gathered += lines;
      if (gathered.length >= BATCH && rest === undefined) flush();
      else schedule(delay);
    },
    flushSync() {
      for (let tries = 0; !pump() && tries < LAST_RETRIES; tries += 1) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    },
  };
  process.once('exit', output.flushSync);
  return output;
}

/**
 * A pipe or socket answers EAGAIN instead of waiting for its reader, once libuv has taken it over. Node undoes that for
 * the standard streams at its end. Files and terminals need nothing.
 */
function withoutBlocking(fd: number): void {
  try {
    const stat = fstatSync(fd);
    if (!stat.isFIFO() && !stat.isSocket()) return;
    // Made for that effect alone, and never destroyed: that would close the descriptor.
    new Socket({ fd, readable: false, writable: true }).on('error', () => {}).unref();
  } catch {
    // No descriptor at all: the first write will say so.
  }
}

const isBusy = (error: unknown): boolean => {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === 'EAGAIN' || code === 'EBUSY';
};
