/** UUID version 7 (RFC 9562 section 5.7): sorts by time, as Distribution's upload ids do since 3.1. */
import { randomFillSync } from 'node:crypto';

/** `now`: milliseconds since the epoch. `fill`: overwrites a buffer with random bytes. */
export function createUuids(
  now: () => number = Date.now,
  fill: (bytes: Buffer) => unknown = (bytes) => randomFillSync(bytes),
): () => string {
  const pool = Buffer.alloc(16 * pooled);
  let at = pool.length;
  return () => {
    // One call for many: each costs as much as the rest of a small request's bookkeeping.
    if (at === pool.length) {
      fill(pool);
      at = 0;
    }
    const bytes = pool.subarray(at, at + 16);
    at += 16;
    bytes.writeUIntBE(now(), 0, 6);
    bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
    bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}

/** Identifiers made from one call for random bytes. */
const pooled = 256;
