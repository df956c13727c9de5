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
/** Bytes of one element: its algorithm, then its digest. */
const usual = 1 + 32;

/** One digest in binary; only ever used between two awaits. */
const scratch = Buffer.from(new ArrayBuffer(longest));
const words = new Int32Array(scratch.buffer);

/** Writes the digest into `scratch`; gives its bytes. */
function load(digest: Digest): number {
  return scratch.write(encodedOf(digest), 0, 'hex');
}

/** `seed`: any number that clients cannot know, so that none can make up digests that all fall on one place. */
export function createDigestSet(seed: number): DigestSet {
  let arena = Buffer.allocUnsafe(16 * usual);
  let offsets = new Uint32Array(17);
  let slots = new Int32Array(32);
  let size = 0;

  function hash(length: number): number {
    let mixed = seed | 0;
    for (let at = 0; at < length >> 2; at++) {
      mixed = Math.imul(mixed ^ (words[at] as number), 0x9e3779b1);
      mixed ^= mixed >>> 15;
    }
    return mixed;
  }

  /** The slot of what is loaded: where it is, or where it would go. */
  function find(code: number, length: number): number {
    const mask = slots.length - 1;
    for (let slot = hash(length) & mask; ; slot = (slot + 1) & mask) {
      const index = (slots[slot] as number) - 1;
      if (index < 0) return slot;
      const start = offsets[index] as number;
      const end = offsets[index + 1] as number;
      if (end - start !== length + 1 || arena[start] !== code) continue;
      if (scratch.compare(arena, start + 1, end, 0, length) === 0) return slot;
    }
  }

  function widen(): void {
    slots = new Int32Array(slots.length * 2);
    const wider = new Uint32Array(slots.length / 2 + 1);
    wider.set(offsets.subarray(0, size + 1));
    offsets = wider;
    const mask = slots.length - 1;
    for (let index = 0; index < size; index++) {
      const start = offsets[index] as number;
      const length = (offsets[index + 1] as number) - start - 1;
      arena.copy(scratch, 0, start + 1, start + 1 + length);
      let slot = hash(length) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
  }

  function append(code: number, length: number): void {
    const start = offsets[size] as number;
    const end = start + 1 + length;
    if (end > arena.length) {
      const wider = Buffer.allocUnsafe(Math.max(end, arena.length * 2));
      arena.copy(wider, 0, 0, start);
      arena = wider;
    }
    arena[start] = code;
    scratch.copy(arena, start + 1, 0, length);
    offsets[size + 1] = end;
    size++;
  }

  function indexOf(digest: Digest): number {
    return (slots[find(algorithms.indexOf(algorithmOf(digest)), load(digest))] as number) - 1;
  }

  function at(index: number): Digest {
    const start = offsets[index] as number;
    const algorithm = algorithms[arena[start] as number];
    return `${algorithm}:${arena.toString('hex', start + 1, offsets[index + 1])}` as Digest;
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
