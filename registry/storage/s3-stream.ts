/**
 * A stream of an object that survives its connection: when that breaks off, falls silent or ends early, the rest is asked
 * for, of the same version, a bounded number of times without progress. So a reader gets every byte or an error, whatever
 * the length was said to be.
 */
import { Readable, type Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendThrough } from './early.ts';
import { directOf } from './s3-http.ts';
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

/** Takes one body after another. `done` asks for the next chunk, and tells that nobody looks at this one any more. */
interface Sink {
  chunk(bytes: Buffer, done: () => void): void;
  end(): void;
  fail(error: Error): void;
}

export function resumable(first: Opened, options: StreamOptions): ObjectStream {
  const { start, signal, silence, path } = options;
  const end = start + first.length;
  const gone = new AbortController();
  let position = start;
  let body = first.body;
  let failures = 0;
  /** Asks for the chunk behind the one that was pushed last. */
  let next: (() => void) | undefined;
  let begun = false;

  const stream: Readable = new Readable({
    highWaterMark: AHEAD,
    read() {
      const go = next;
      next = undefined;
      go?.();
      if (begun) return;
      begun = true;
      flow({
        chunk(bytes, done) {
          // Lent memory is used again.
          if (stream.push(directOf(body) === undefined ? bytes : Buffer.from(bytes))) done();
          else next = done;
        },
        end: () => void stream.push(null),
        fail: (error) => void stream.destroy(error),
      });
    },
    destroy(error, done) {
      signal?.removeEventListener('abort', leave);
      gone.abort();
      giveUp(body);
      done(error);
    },
  });
  const leave = (): void => void stream.destroy(signal?.reason as Error);

  /** Hands over everything up to the end, or fails. */
  function flow(sink: Sink): void {
    take(body, silence, {
      chunk(bytes, done) {
        if (stream.destroyed) return;
        position += bytes.length;
        failures = 0;
        if (position <= end) return sink.chunk(bytes, done);
        sink.fail(options.fault(asFault(new Error('more bytes came than were announced'), path)) as Error);
      },
      over(error) {
        if (stream.destroyed) return;
        if (position === end && error === undefined) return sink.end();
        again(error ?? new Error('fewer bytes came than were announced')).then(
          () => flow(sink),
          (failure: unknown) => sink.fail(failure as Error),
        );
      },
    });
  }

  /** The rest, in a new body. */
  async function again(error: Error): Promise<void> {
    giveUp(body);
    if (position >= end || ++failures > TRIES) throw options.fault(asFault(error, path));
    if (failures > 1) await sleep(PAUSE * 2 ** failures, undefined, { signal: gone.signal });
    const opened = await options.reopen(position, end).catch((failure: unknown) => {
      throw options.fault(failure);
    });
    body = opened.body;
    if (stream.destroyed || opened.length !== end - position) giveUp(body);
    if (opened.length !== end - position) throw changed(path);
  }

  async function sendTo(target: Writable): Promise<void> {
    begun = true;
    await sendThrough(stream, target, (early) =>
      early.orElse<void>((done) =>
        flow({
          chunk: (bytes, more) => void target.write(bytes, (error) => (error ? done(error) : more())),
          end: () => done(null),
          fail: done,
        }),
      ),
    );
  }

  if (signal?.aborted === true) leave();
  else signal?.addEventListener('abort', leave, { once: true });
  return Object.assign(stream, { sendTo });
}

interface Taker {
  chunk(bytes: Buffer, done: () => void): void;
  /** Once; never beside a chunk that is not done. */
  over(error?: Error): void;
}

function take(body: Readable, silence: number, taker: Taker): void {
  const direct = directOf(body);
  if (direct !== undefined) direct.flow(taker);
  else takeStream(body, silence, taker);
}

/** The same of an ordinary stream. */
function takeStream(body: Readable, silence: number, { chunk, over }: Taker): void {
  let busy = false;
  let outcome: { readonly error: Error | undefined } | undefined;
  const ended = (error: Error | undefined): void => {
    if (outcome !== undefined) return;
    outcome = { error };
    if (!busy) over(error);
  };
  const { socket } = body as Readable & { socket?: { setTimeout?(ms: number): void } | null };
  body.on('data', (bytes: Buffer) => {
    busy = true;
    let isHere = true;
    chunk(bytes, () => {
      busy = false;
      if (isHere) return;
      if (outcome !== undefined) return over(outcome.error);
      // Anew, since it may have run out while nobody wanted anything.
      socket?.setTimeout?.(silence);
      body.resume();
    });
    isHere = false;
    if (busy) body.pause();
  });
  body.once('end', () => ended(undefined));
  body.once('error', ended);
  body.once('close', () => ended(new Error('the connection broke off')));
  (body as Readable & { setTimeout?(ms: number, then: () => void): void }).setTimeout?.(silence, () => {
    if (!busy) ended(Object.assign(new Error('silence'), { name: 'TimeoutError' }));
  });
  if (body.destroyed) ended(new Error('the connection broke off'));
}

function giveUp(body: Readable): void {
  directOf(body)?.destroy();
  body.destroy();
}

const changed = (path: string): StoreError =>
  new StoreError('failed', DRIVER, path, new Error('the object changed while it was read'));

/** A connection's own error as it is; what this file found out by itself as a failure of the store. */
function asFault(error: Error, path: string): unknown {
  return !('code' in error) && error.name === 'Error' ? new StoreError('failed', DRIVER, path, error) : error;
}
