/**
 * Sets of digests that stay small: 10^6 take about 50 MiB, where a `Set` of strings takes several hundred. Elements keep the
 * place at which they were added, so that what belongs to them can lie in a plain array beside.
 */
import { type Algorithm, algorithmOf, type Digest, encodedOf } from '../oci/digest.ts';

export interface DigestSet {
  readonly size: number;
  /** Whether it was not there yet. */
  add(digest: Digest): boolean;
  has(digest: Digest): boolean;
  /** Its place in order of addition, -1 without one. */
  indexOf(digest: Digest): number;
  at(index: number): Digest;
  values(): Iterable<Digest>;
}

const algorithms: readonly Algorithm[] = ['sha256', 'sha384', 'sha512'];
const longest = 64;
const usual = 32;
/** Bytes of one element: its algorithm, then its digest, or the place of one that is longer. */
const width = 1 + usual;
/** Elements held together. Memory grows by such pieces and not by doubling: what is left behind would wait for the collector. */
const together = 16_384;
const few = 16;

/** One digest in binary; only ever used between two awaits. */
const scratch = Buffer.from(new ArrayBuffer(longest));
const words = new Int32Array(scratch.buffer);

/** Writes the digest into `scratch`; gives its bytes. */
function load(digest: Digest): number {
  return scratch.write(encodedOf(digest), 0, 'hex');
}

/** `seed`: any number that clients cannot know, so that none can make up digests that all fall on one place. */
export function createDigestSet(seed: number): DigestSet {
  /** The first grows to its full size, since most sets are small; the others have it at once. */
  const pieces = [Buffer.alloc(few * width)];
  /** Those of longer digests. */
  const longer: Buffer[] = [];
  let slots = new Int32Array(2 * few);
  let size = 0;

  const pieceOf = (index: number): Buffer => pieces[Math.floor(index / together)] as Buffer;
  const startOf = (index: number): number => (index % together) * width;

  function hash(length: number): number {
    let mixed = seed | 0;
    for (let at = 0; at < length >> 2; at++) {
      mixed = Math.imul(mixed ^ (words[at] as number), 0x9e3779b1);
      mixed ^= mixed >>> 15;
    }
    return mixed;
  }

  const longAt = (piece: Buffer, start: number): Buffer => longer[piece.readInt32LE(start + 1)] as Buffer;

  function isAt(index: number, code: number, length: number): boolean {
    const piece = pieceOf(index);
    const start = startOf(index);
    if (piece[start] !== code) return false;
    if (length === usual) return scratch.compare(piece, start + 1, start + width, 0, length) === 0;
    return scratch.compare(longAt(piece, start), 0, length, 0, length) === 0;
  }

  /** The slot of what is loaded: where it is, or where it would go. */
  function find(code: number, length: number): number {
    const mask = slots.length - 1;
    for (let slot = hash(length) & mask; ; slot = (slot + 1) & mask) {
      const index = (slots[slot] as number) - 1;
      if (index < 0 || isAt(index, code, length)) return slot;
    }
  }

  /** Loads an element; gives its bytes. */
  function reload(index: number): number {
    const piece = pieceOf(index);
    const start = startOf(index);
    if (piece[start] === 0) return piece.copy(scratch, 0, start + 1, start + width);
    return longAt(piece, start).copy(scratch);
  }

  function widen(): void {
    slots = new Int32Array(slots.length * 2);
    const mask = slots.length - 1;
    for (let index = 0; index < size; index++) {
      let slot = hash(reload(index)) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
  }

  function makeRoom(): void {
    const [first] = pieces;
    if (size % together === 0 && size > 0) pieces.push(Buffer.alloc(together * width));
    else if (pieces.length === 1 && first !== undefined && size * width === first.length) {
      const larger = Buffer.alloc(Math.min(2 * first.length, together * width));
      first.copy(larger);
      pieces[0] = larger;
    }
  }

  function append(code: number, length: number): void {
    makeRoom();
    const piece = pieceOf(size);
    const start = startOf(size);
    piece[start] = code;
    if (length === usual) scratch.copy(piece, start + 1, 0, length);
    else {
      piece.writeInt32LE(longer.length, start + 1);
      longer.push(Buffer.from(scratch.subarray(0, length)));
    }
    size++;
  }

  function indexOf(digest: Digest): number {
    return (slots[find(algorithms.indexOf(algorithmOf(digest)), load(digest))] as number) - 1;
  }

  function at(index: number): Digest {
    const algorithm = algorithms[pieceOf(index)[startOf(index)] as number];
    const length = reload(index);
    return `${algorithm}:${scratch.toString('hex', 0, length)}` as Digest;
  }

  return {
    get size() {
      return size;
    },
    add(digest) {
      const code = algorithms.indexOf(algorithmOf(digest));
      const length = load(digest);
      const slot = find(code, length);
      if (slots[slot] !== 0) return false;
      append(code, length);
      slots[slot] = size;
      if (size * 2 >= slots.length) widen();
      return true;
    },
    has: (digest) => indexOf(digest) >= 0,
    indexOf,
    at,
    *values() {
      for (let index = 0; index < size; index++) yield at(index);
    },
  };
}
