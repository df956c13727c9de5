/**
 * A stream of an object that survives its connection: when that breaks off, falls silent or ends early, the rest is asked
 * for, of the same version, a bounded number of times without progress. So a reader gets every byte or an error, whatever
 * the length was said to be.
 */
import { Readable } from 'node:stream';
import { DRIVER } from './s3-keys.ts';
import { type ObjectStream, StoreError } from './store.ts';

/** An answer whose body has begun. */
export interface Opened {
  readonly body: Readable;
  /** Bytes that were announced. */
  readonly length: number;
  readonly etag: string | undefined;
}

export interface StreamOptions {
  /** The store path, for errors. */
  readonly path: string;
  /** Offset of the first byte. */
  readonly start: number;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds without a byte, while one is wanted, after which a connection is given up. */
  readonly silence: number;
  readonly fault: (error: unknown) => unknown;
  /** Asks for the bytes from `position` up to `end`, exclusive. */
  readonly reopen: (position: number, end: number) => Promise<Opened>;
}

/** How often it goes on without having got a single byte in between, and milliseconds before the second try. */
const TRIES = 5;
const PAUSE = 100;
/** Bytes buffered ahead of the reader. */
const AHEAD = 512 * 1024;

export function resumable(first: Opened, options: StreamOptions): ObjectStream {
  const { start, signal, silence, path } = options;
  const end = start + first.length;
  let position = start;
  let body: Readable | undefined;
  let failures = 0;
  let pause: NodeJS.Timeout | undefined;

  const stream = new Readable({
    highWaterMark: AHEAD,
    read() {
      if (body === undefined) return;
      // Anew, since it may have run out while nobody wanted anything.
      if (body.isPaused()) limit(body);
      body.resume();
    },
    destroy(error, done) {
      signal?.removeEventListener('abort', leave);
      clearTimeout(pause);
      body?.destroy();
      body = undefined;
      done(error);
    },
  });
  const leave = (): void => void stream.destroy(signal?.reason as Error);

  function limit(of: Readable): void {
    const { socket } = of as Readable & { socket?: { setTimeout?(ms: number): void } | null };
    socket?.setTimeout?.(silence);
  }

  function attach(next: Readable): void {
    body = next;
    let over = false;
    const lost = (error: unknown): void => {
      if (over || stream.destroyed) return;
      over = true;
      body = undefined;
      next.destroy();
      again(error);
    };
    next.on('data', (chunk: Buffer) => {
      if (over) return;
      position += chunk.length;
      failures = 0;
      if (position > end) return lost(new Error('more bytes came than were announced'));
      if (!stream.push(chunk)) next.pause();
    });
    next.once('end', () => {
      if (over || position < end) return lost(new Error('fewer bytes came than were announced'));
      over = true;
      body = undefined;
      stream.push(null);
    });
    next.once('error', lost);
    next.once('close', () => lost(new Error('the connection broke off')));
    (next as Readable & { setTimeout?(ms: number, then: () => void): void }).setTimeout?.(silence, () => {
      if (!next.isPaused()) lost(Object.assign(new Error('silence'), { name: 'TimeoutError' }));
    });
    // Not before somebody reads.
    next.pause();
  }

  function again(error: unknown): void {
    failures++;
    if (position >= end || failures > TRIES) {
      stream.destroy(options.fault(asCode(error, path)) as Error);
      return;
    }
    pause = setTimeout(
      () => {
        options.reopen(position, end).then(
          (opened) => {
            if (stream.destroyed) opened.body.destroy();
            else if (opened.length !== end - position) {
              opened.body.destroy();
              stream.destroy(changed(path));
            } else {
              attach(opened.body);
              opened.body.resume();
            }
          },
          (failure: unknown) => void stream.destroy(options.fault(failure) as Error),
        );
      },
      failures === 1 ? 0 : PAUSE * 2 ** failures,
    );
  }

  if (signal?.aborted === true) leave();
  else signal?.addEventListener('abort', leave, { once: true });
  if (first.length === 0 && !stream.destroyed) {
    first.body.resume();
    stream.push(null);
  } else if (!stream.destroyed) attach(first.body);
  else first.body.destroy();
  return stream;
}

const changed = (path: string): StoreError =>
  new StoreError('failed', DRIVER, path, new Error('the object changed while it was read'));

/** A connection's own error as it is; what this file found out by itself as a failure of the store. */
function asCode(error: unknown, path: string): unknown {
  return error instanceof Error && !('code' in error) && error.name === 'Error'
    ? new StoreError('failed', DRIVER, path, error)
    : error;
}
