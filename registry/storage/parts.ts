/**
 * Pushed bytes on their way to a bucket: cut into parts that are sent side by side, each from memory, so that it can be sent
 * again. How large parts get, and how many are under way, follows from this upload's share of the process's memory.
 */
import type { MemoryShare, Seat } from './memory-share.ts';
import { leavable } from './source.ts';

/** Parts are multiples of this, but for the last one: what every backend takes. */
export const GRAIN = 256 * 1024;
/** Milliseconds that what has arrived may still take to be sent when its client has left. */
const AFTERWARDS = 30_000;

export interface PartsOptions {
  readonly onChunk: ((chunk: Uint8Array) => void) | undefined;
  /** Ends the reading of the source; what has arrived is sent all the same. */
  readonly signal: AbortSignal | undefined;
  /** Bytes that have to come; reading ends with the first one too many. */
  readonly length: number | undefined;
  readonly memory: MemoryShare;
  /** Bytes of a part at most; a multiple of `GRAIN`. */
  readonly largest: number;
  /** Parts under way at once, at most. */
  readonly parallel: number;
  /** Parts that the upload has already: they get larger with the number, so that backends' limits are never met. */
  readonly before: number;
  /** Sends a part. The signal fires when it is of no use any more. Its buffer belongs to the sender. */
  readonly send: (part: Buffer, index: number, signal: AbortSignal) => Promise<void>;
}

export interface Sent {
  /** Bytes that arrived and were sent. */
  readonly bytes: number;
  /** Why reading ended before the source did: what it, `onChunk` or the signal threw. */
  readonly broken: { readonly error: unknown } | undefined;
}

/** Sends the whole source, or what came of it. Rejects only when sending fails; then some parts may lie there, others not. */
export async function sendInParts(source: AsyncIterable<Uint8Array>, options: PartsOptions): Promise<Sent> {
  const { onChunk, signal, length, memory } = options;
  const seat = memory.join();
  const sender = createSender(options, seat);
  let bytes = 0;
  let broken: Sent['broken'];
  try {
    try {
      for await (const chunk of leavable(source, signal)) {
        onChunk?.(chunk);
        bytes += chunk.length;
        if (length !== undefined && bytes > length) break;
        await sender.add(chunk);
      }
    } catch (error) {
      sender.throwIfFailed();
      broken = { error };
      sender.hurry();
    }
    await sender.finish();
    return { bytes, broken };
  } finally {
    sender.close();
    seat.leave();
  }
}

function createSender({ largest, parallel, before, send }: PartsOptions, seat: Seat) {
  const under = new Map<Promise<void>, number>();
  const ending = new AbortController();
  let hurry: NodeJS.Timeout | undefined;
  let failed: { readonly error: unknown } | undefined;
  let index = 0;
  let part: Buffer | undefined;
  let filled = 0;

  /** A quarter of the share, so that some can be under way while one is filled. */
  function partSize(): number {
    const least = GRAIN * (1 + Math.floor((before + index) / 1000));
    const quarter = Math.floor(seat.allowance() / 4 / GRAIN) * GRAIN;
    return Math.min(Math.max(least, quarter), Math.max(least, largest));
  }

  function throwIfFailed(): void {
    if (failed !== undefined) throw failed.error;
  }

  async function room(size: number): Promise<void> {
    const held = () => [...under.values()].reduce((sum, bytes) => sum + bytes, size);
    while (under.size > 0 && (under.size >= parallel || held() > seat.allowance())) await Promise.race(under.keys());
    throwIfFailed();
  }

  async function launch(bytes: Buffer): Promise<void> {
    await room(bytes.length);
    const sending = send(bytes, index++, ending.signal).then(
      () => void under.delete(sending),
      (error: unknown) => {
        failed ??= { error };
        under.delete(sending);
        // The others are of no use without it.
        ending.abort(error);
      },
    );
    under.set(sending, bytes.length);
  }

  return {
    throwIfFailed,

    async add(chunk: Uint8Array): Promise<void> {
      throwIfFailed();
      for (let at = 0; at < chunk.length; ) {
        part ??= Buffer.allocUnsafeSlow(partSize());
        const step = chunk.subarray(at, at + part.length - filled);
        part.set(step, filled);
        filled += step.length;
        at += step.length;
        if (filled < part.length) continue;
        const full = part;
        part = undefined;
        filled = 0;
        await launch(full);
      }
    },

    /** From now on only so long. */
    hurry(): void {
      const late = () => ending.abort(new Error('took too long after the client had left'));
      hurry = setTimeout(late, AFTERWARDS).unref();
    },

    async finish(): Promise<void> {
      if (part !== undefined && filled > 0) await launch(part.subarray(0, filled));
      part = undefined;
      while (under.size > 0) await Promise.race(under.keys());
      throwIfFailed();
    },

    close(): void {
      clearTimeout(hurry);
      // After a failure: whatever is still under way is left alone.
      if (under.size > 0) ending.abort(new Error('the upload has failed'));
    },
  };
}
