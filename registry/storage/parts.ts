/**
 * Pushed bytes on their way to a bucket: cut into parts that are sent side by side, each from memory, so that it can be sent
 * again. How large parts get, and how many are under way, follows from this upload's share of the process's memory, in which
 * it has a seat only while it holds bytes.
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
  /** One that is never called back, for who cannot send parts of any size; it is left at the end. */
  readonly seat?: Seat;
  /** Bytes of a part at most; a multiple of `GRAIN`. */
  readonly largest: number;
  /** Parts under way at once, at most. */
  readonly parallel: number;
  /** Parts that the upload has already: they get larger with the number, so that backends' limits are never met. */
  readonly before: number;
  /** Sends a part. The signal fires when it is of no use any more. Its buffer belongs to the sender. */
  readonly send: (part: Part, signal: AbortSignal) => Promise<void>;
}

export interface Part {
  readonly bytes: Buffer;
  /** From 0 on. */
  readonly index: number;
  /** Nothing came before it, and nothing follows. */
  readonly isAll: boolean;
}

export interface Sent {
  /** Bytes that arrived and were sent. */
  readonly bytes: number;
  /** Why reading ended before the source did: what it, `onChunk` or the signal threw. */
  readonly broken: { readonly error: unknown } | undefined;
}

/** Sends the whole source, or what came of it. Rejects only when sending fails; then some parts may lie there, others not. */
export async function sendInParts(source: AsyncIterable<Uint8Array>, options: PartsOptions): Promise<Sent> {
  const { onChunk, signal, length } = options;
  const sender = createSender(options);
  let bytes = 0;
  let broken: Sent['broken'];
  try {
    try {
      for await (const chunk of givingWay(leavable(source, signal), sender)) {
        // Before it counts as arrived: who leaves while he waits has not sent it.
        await sender.sit();
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
  }
}

type Sender = ReturnType<typeof createSender>;

/** The chunks. While the next one has not come, the memory goes to whoever waits for it. */
async function* givingWay(chunks: AsyncGenerator<Uint8Array>, sender: Sender): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const arriving = chunks.next();
      if (await sender.isRecalledBefore(arriving)) await sender.giveWay();
      const { done, value } = await arriving;
      if (done === true) return;
      yield value;
    }
  } finally {
    // Not waited for: a source that hangs would not return.
    chunks.return(undefined).catch(() => {});
  }
}

function createSender({ largest, parallel, before, send, memory, signal, seat: firm }: PartsOptions) {
  const under = new Map<Promise<void>, number>();
  const ending = new AbortController();
  let hurry: NodeJS.Timeout | undefined;
  let failed: { readonly error: unknown } | undefined;
  let index = 0;
  let part: Buffer | undefined;
  let filled = 0;
  let seat = firm;
  /** Bytes that the seat was taken for: a part that is sent, and one that is filled meanwhile. */
  let reserved = Number.POSITIVE_INFINITY;

  const leastPart = (): number => GRAIN * (1 + Math.floor((before + index) / 1000));
  const allowance = (): number => seat?.allowance() ?? 0;

  /** A quarter of the share, so that some can be under way while one is filled. */
  function partSize(): number {
    const least = leastPart();
    const quarter = Math.floor(allowance() / 4 / GRAIN) * GRAIN;
    return Math.min(Math.max(least, quarter), Math.max(least, largest));
  }

  function throwIfFailed(): void {
    if (failed !== undefined) throw failed.error;
  }

  /** Until a part of this size can be under way and the next one be filled. */
  async function room(size: number): Promise<void> {
    const held = () => [...under.values()].reduce((sum, bytes) => sum + bytes, size + partSize());
    while (under.size > 0 && (under.size >= parallel || held() > allowance())) await Promise.race(under.keys());
    throwIfFailed();
  }

  async function launch(bytes: Buffer, isEnd: boolean): Promise<void> {
    // The space that it took, all of it.
    const space = bytes.buffer.byteLength;
    await room(space);
    const sending = send({ bytes, index, isAll: isEnd && index === 0 }, ending.signal).then(
      () => void under.delete(sending),
      (error: unknown) => {
        failed ??= { error };
        under.delete(sending);
        // The others are of no use without it.
        ending.abort(error);
      },
    );
    index++;
    under.set(sending, space);
  }

  /** Sends what has been gathered, whatever its size. */
  async function flush(isEnd: boolean): Promise<void> {
    const rest = part?.subarray(0, filled);
    part = undefined;
    filled = 0;
    if (rest !== undefined && rest.length > 0) await launch(rest, isEnd);
    while (under.size > 0) await Promise.race(under.keys());
    throwIfFailed();
  }

  async function giveWay(): Promise<void> {
    await flush(false);
    seat?.leave();
    seat = undefined;
  }

  return {
    throwIfFailed,
    giveWay,

    /** Before bytes are added. */
    async sit(): Promise<void> {
      throwIfFailed();
      const needed = 2 * leastPart();
      if (firm !== undefined || (seat !== undefined && needed <= reserved)) return;
      await giveWay();
      seat = await memory.join(needed, signal);
      reserved = needed;
    },

    async isRecalledBefore(arriving: Promise<unknown>): Promise<boolean> {
      const taken = seat;
      if (taken === undefined || taken === firm) return false;
      const isFirst = await new Promise<boolean>((resolve) => {
        taken.onRecall(() => resolve(true));
        const arrived = () => resolve(false);
        arriving.then(arrived, arrived);
      });
      taken.onRecall(undefined);
      return isFirst;
    },

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
        await launch(full, false);
      }
    },

    /** From now on only so long. */
    hurry(): void {
      const late = () => ending.abort(new Error('took too long after the client had left'));
      hurry = setTimeout(late, AFTERWARDS).unref();
    },

    async finish(): Promise<void> {
      await flush(true);
    },

    close(): void {
      clearTimeout(hurry);
      // After a failure: whatever is still under way is left alone.
      if (under.size > 0) ending.abort(new Error('the upload has failed'));
      seat?.leave();
    },
  };
}
