/** The tail of a session: bytes that are too few for a part, kept beside it until enough have come. */
import { allDone } from './abort.ts';
import type { SessionKeys } from './s3-keys.ts';
import { DRIVER } from './s3-keys.ts';
import type { ReadOptions, Reads } from './s3-read.ts';
import type { Piece } from './s3-session.ts';
import type { Writes } from './s3-write.ts';
import { StoreError } from './store.ts';

export interface Tails {
  /** Puts bytes aside as an object of their own. */
  store(keys: SessionKeys, bytes: Buffer, options: ReadOptions): Promise<Piece>;
  /** The tail with bytes more: a few go into the record, more become an object. */
  append(keys: SessionKeys, tail: readonly Piece[], bytes: Buffer, options: ReadOptions): Promise<readonly Piece[]>;
  /** Reads all pieces into a buffer of exactly their size. */
  fill(target: Buffer, tail: readonly Piece[], options: ReadOptions): Promise<void>;
}

/** Bytes that go into a session's record and save an object: configurations of images, mostly. */
const INLINE = 64 * 1024;

export function createTails(reads: Reads, writes: Writes): Tails {
  async function store(keys: SessionKeys, bytes: Buffer, options: ReadOptions): Promise<Piece> {
    const key = keys.piece();
    await writes.put(key, bytes, options);
    return { key, size: bytes.length };
  }

  return {
    store,

    async append(keys, tail, bytes, options) {
      if (bytes.length === 0) return tail;
      const few = tail.slice(tail.findLastIndex((piece) => 'key' in piece) + 1).map(inline);
      const kept = tail.slice(0, tail.length - few.length);
      const together = Buffer.concat([...few, bytes]);
      if (together.length > INLINE) return [...kept, await store(keys, together, options)];
      return [...kept, { text: together.toString('base64'), size: together.length }];
    },

    async fill(target, tail, options) {
      let at = 0;
      const work = tail.map(async (piece) => {
        const window = target.subarray(at, at + piece.size);
        at += piece.size;
        const bytes = 'key' in piece ? (await reads.read(piece.key, options))?.bytes : inline(piece);
        // Whoever went on with the session or dropped it has deleted the piece.
        if (bytes?.length !== piece.size) throw new StoreError('conflict', DRIVER, options.path);
        window.set(bytes);
      });
      // None may write into the buffer when it is somebody else's again.
      await allDone(work);
    },
  };
}

const inline = (piece: Piece): Buffer => Buffer.from('text' in piece ? piece.text : '', 'base64');

/** Keys of the pieces that are objects. */
export const keysOf = (tail: readonly Piece[]): readonly string[] =>
  tail.flatMap((piece) => ('key' in piece ? [piece.key] : []));
