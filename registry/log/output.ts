/**
 * Where log lines end: a file descriptor behind a bounded buffer. Lines are gathered and written together, off the
 * request's path. A reader that is slow costs lines, not memory; a reader that is gone costs nothing at all.
 *
 * pino's own destination is not used, since its `flushSync` never returns once the reader is gone.
 */
import { write, writeSync } from 'node:fs';

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
const RETRY_MS = 20;
const SYNC_RETRIES = 25;

/** Opens a descriptor (1: standard output, 2: standard error). Flushes by itself when the process exits. */
export function openOutput(fd: number, options: OutputOptions = {}): Output {
  const { limit = 8 * 1024 * 1024, delay = 20 } = options;
  let gathered = '';
  let writing = false;
  let broken = false;
  let scheduled = false;

  const start = (): void => {
    scheduled = false;
    if (writing || broken || gathered === '') return;
    const bytes = Buffer.from(gathered);
    gathered = '';
    writing = true;
    writeAll(bytes);
  };

  const writeAll = (bytes: Buffer): void => {
    write(fd, bytes, (error, written) => {
      if (error !== null) {
        if (isBusy(error)) setTimeout(writeAll, RETRY_MS, bytes).unref();
        else giveUp();
        return;
      }
      if (written < bytes.length) {
        writeAll(bytes.subarray(written));
        return;
      }
      writing = false;
      start();
    });
  };

  /** The reader is gone (EPIPE) or the descriptor is: from here on everything is swallowed. */
  const giveUp = (): void => {
    broken = true;
    gathered = '';
  };

  const output: Output = {
    write(lines) {
      if (broken || gathered.length + lines.length > limit) return;
      gathered += lines;
      if (writing) return;
      if (gathered.length >= BATCH) start();
      else if (!scheduled) {
        scheduled = true;
        setTimeout(start, delay).unref();
      }
    },
    flushSync() {
      if (broken || gathered === '') return;
      let bytes: Buffer = Buffer.from(gathered);
      gathered = '';
      for (let tries = 0; bytes.length > 0 && tries < SYNC_RETRIES; ) {
        try {
          bytes = bytes.subarray(writeSync(fd, bytes));
        } catch (error) {
          if (!isBusy(error)) return giveUp();
          tries += 1;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
        }
      }
    },
  };
  process.once('exit', output.flushSync);
  return output;
}

const isBusy = (error: unknown): boolean => {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === 'EAGAIN' || code === 'EBUSY';
};
