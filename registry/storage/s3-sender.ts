/** Cuts pushed bytes into parts and sends several at once, each from memory, so that it can be sent again. */

import type { PartBuffer, PartMemory } from './s3-memory.ts';
import type { Part } from './s3-multipart.ts';
import type { Piece } from './s3-session.ts';

/** A part that has arrived at the store. */
export interface SentPart extends Part {
  readonly size: number;
}

export interface SenderOptions {
  /** Bytes of every part. */
  readonly chunk: number;
  readonly memory: PartMemory;
  /** Small bytes from before, which come first. */
  readonly tail: readonly Piece[];
  /** Ends the waiting for memory. */
  readonly signal: AbortSignal | undefined;
  /** The number of the next part; called in the order of the parts, and waited for. */
  readonly number: () => Promise<number>;
  readonly send: (number: number, bytes: Buffer, signal: AbortSignal) => Promise<Part>;
  readonly fill: (target: Buffer, tail: readonly Piece[], signal: AbortSignal) => Promise<void>;
  /** Puts bytes aside, when their buffer is wanted elsewhere. */
  readonly store: (bytes: Buffer) => Promise<Piece>;
}

/** What is left behind the last full part: together with the parts, every byte that was added and the tail before them. */
export interface Rest {
  readonly tail: readonly Piece[];
  /** Valid until `close`. */
  readonly bytes: Buffer;
}

export interface Sender {
  /** Resolves when the next chunk may come. */
  add(chunk: Uint8Array): Promise<void>;
  /** Waits for the parts under way. Rejects if one of them failed. */
  settle(): Promise<void>;
  /** Parts that have arrived, in order, up to the first that has not. */
  readonly sent: () => readonly SentPart[];
  readonly rest: () => Promise<Rest>;
  /** Sends the rest as the last part, however small. */
  finish(): Promise<void>;
  /** Leaves what is still under way, and gives the memory back. */
  close(): Promise<void>;
}

/** Parts of one upload under way at once, beside the one that is filling. */
const IN_FLIGHT = 4;
/** Bytes gathered before a buffer is asked for: most objects of a registry are smaller. */
const STARTER = 64 * 1024;

interface Filling {
  readonly buffer: PartBuffer;
  /** Where the new bytes begin: room is left for the tail before them. */
  readonly start: number;
  used: number;
}

export function createSender(options: SenderOptions): Sender {
  const { chunk: size, memory } = options;
  const stop = new AbortController();
  const underWay = new Set<Promise<void>>();
  const parts: (SentPart | undefined)[] = [];
  let tail: (Piece | Promise<Piece>)[] = [...options.tail];
  let tailBytes = total(options.tail);
  let starter: Uint8Array[] = [];
  let starterBytes = 0;
  let filling: Filling | undefined;
  /** The tail from before, and every byte that was taken since. */
  let taken = tailBytes;
  let failure: { readonly error: unknown } | undefined;

  function fail(error: unknown): void {
    failure ??= { error };
    stop.abort(error);
  }

  function check(): void {
    if (failure !== undefined) throw failure.error;
  }

  /** Others wait for the buffer: what it holds becomes an object of its own. */
  function giveUp(): void {
    const given = filling;
    if (given === undefined) return;
    filling = undefined;
    const { buffer, start, used } = given;
    if (used === start) {
      buffer.end();
      return;
    }
    tailBytes += used - start;
    const piece = options.store(buffer.bytes.subarray(start, used)).finally(buffer.end);
    piece.catch(fail);
    tail.push(piece);
  }

  /** A buffer to fill, with what was gathered before. */
  async function take(): Promise<Filling> {
    const buffer = await memory.lend(giveUp, options.signal);
    const lent: Filling = { buffer, start: tailBytes, used: tailBytes };
    filling = lent;
    const gathered = starter;
    starter = [];
    starterBytes = 0;
    for (const chunk of gathered) put(lent, chunk, 0);
    return lent;
  }

  function put(into: Filling, chunk: Uint8Array, from: number): number {
    const step = chunk.subarray(from, from + size - into.used);
    into.buffer.bytes.set(step, into.used);
    into.used += step.length;
    return from + step.length;
  }

  /** Sends what is filled, with the tail before it. */
  async function ship({ buffer, start, used }: Filling): Promise<void> {
    filling = undefined;
    buffer.seal();
    const before = tail;
    tail = [];
    tailBytes = 0;
    const at = parts.push(undefined) - 1;
    let number: number;
    try {
      while (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
      check();
      number = await options.number();
    } catch (error) {
      buffer.end();
      // What it held, and the tail before it, are in no part: `sent` must not be taken for all there is.
      fail(error);
      throw error;
    }
    const bytes = buffer.bytes.subarray(0, used);
    const send = async (): Promise<void> => {
      if (before.length > 0) await options.fill(bytes.subarray(0, start), await Promise.all(before), stop.signal);
      parts[at] = { ...(await options.send(number, bytes, stop.signal)), size: used };
    };
    const sending = send()
      .catch(fail)
      .finally(() => {
        underWay.delete(sending);
        buffer.end();
      });
    underWay.add(sending);
  }

  /** A tail that fills a part alone: parts were larger when it was left. */
  async function shipTail(): Promise<void> {
    const bytes = Buffer.allocUnsafeSlow(tailBytes);
    await ship({ buffer: { bytes, seal() {}, end() {} }, start: tailBytes, used: tailBytes });
  }

  async function settle(): Promise<void> {
    while (underWay.size > 0) await Promise.race(underWay);
    check();
  }

  function sent(): readonly SentPart[] {
    const gap = parts.indexOf(undefined);
    return (gap === -1 ? parts : parts.slice(0, gap)) as readonly SentPart[];
  }

  return {
    settle,

    async add(chunk) {
      check();
      if (tailBytes >= size) await shipTail();
      const gathered = starterBytes + chunk.length;
      if (filling === undefined && gathered <= STARTER && tailBytes + gathered < size) {
        starter.push(chunk);
        starterBytes = gathered;
        taken += chunk.length;
        return;
      }
      for (let at = 0; at < chunk.length; ) {
        const current = filling ?? (await take());
        const from = at;
        at = put(current, chunk, at);
        taken += at - from;
        if (current.used === size) await ship(current);
      }
    },

    sent,

    async rest() {
      // Before anything is waited for: what is recalled meanwhile would be in neither of the two.
      filling?.buffer.seal();
      const pieces = await Promise.all(tail);
      const bytes =
        filling === undefined
          ? Buffer.concat(starter, starterBytes)
          : filling.buffer.bytes.subarray(filling.start, filling.used);
      // An upload with fewer bytes than came would be worse than one that fails.
      if (total(sent()) + total(pieces) + bytes.length !== taken) throw new Error('bytes of an upload went astray');
      return { tail: pieces, bytes };
    },

    async finish() {
      if (filling === undefined && starterBytes > 0) await take();
      if (filling !== undefined && filling.used > 0) await ship(filling);
      else if (tailBytes > 0) await shipTail();
      await settle();
    },

    async close() {
      stop.abort(new Error('the upload has ended'));
      await Promise.allSettled([...underWay, ...tail]);
      filling?.buffer.end();
      filling = undefined;
    },
  };
}

const total = (pieces: readonly { readonly size: number }[]): number => pieces.reduce((sum, { size }) => sum + size, 0);
