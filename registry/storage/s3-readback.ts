/** The bytes of a session in their order, piece by piece: none of them waits in memory for the others. */
import { clamp } from './ranges.ts';
import { DRIVER } from './s3-keys.ts';
import type { ReadOptions, Reads } from './s3-read.ts';
import type { Piece } from './s3-session.ts';
import { type ByteRange, StoreError } from './store.ts';

/** Bytes in memory that is lent; `undefined` once it was given back. */
export interface Lent {
  readonly size: number;
  readonly bytes: () => Buffer | undefined;
}

/** Bytes of lent memory that are copied at once. */
const STEP = 256 * 1024;

/** A window of the pieces one behind the other. Throws `conflict` when the session was continued or dropped meanwhile. */
export async function* readBack(
  reads: Reads,
  pieces: readonly (Piece | Lent)[],
  range: ByteRange | undefined,
  options: ReadOptions,
): AsyncGenerator<Buffer> {
  const whole = pieces.reduce((sum, { size }) => sum + size, 0);
  const { start, end } = clamp(range, whole);
  let at = 0;
  for (const piece of pieces) {
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, piece.size);
    at += piece.size;
    if (from >= to) continue;
    let came = 0;
    for await (const chunk of windowOf(reads, piece, from, to, options)) {
      came += chunk.length;
      yield chunk;
    }
    if (came !== to - from) throw new StoreError('conflict', DRIVER, options.path);
  }
}

async function* windowOf(
  reads: Reads,
  piece: Piece | Lent,
  start: number,
  end: number,
  options: ReadOptions,
): AsyncGenerator<Buffer> {
  if ('key' in piece) yield* (await reads.open(piece.key, { start, end }, options)) ?? [];
  else if ('text' in piece) yield Buffer.from(piece.text, 'base64').subarray(start, end);
  else {
    for (let at = start; at < end; at += STEP) {
      const bytes = piece.bytes();
      // A copy: whoever reads may take its time.
      if (bytes === undefined) return;
      yield Buffer.from(bytes.subarray(at, Math.min(end, at + STEP)));
    }
  }
}
