/** UUID version 7 (RFC 9562 section 5.7): sorts by time, as Distribution's upload ids do since 3.1. */
import { randomFillSync } from 'node:crypto';

/** `now`: milliseconds since the epoch. `fill`: overwrites a buffer with random bytes. */
export function createUuids(
  now: () => number = Date.now,
  fill: (bytes: Buffer) => unknown = (bytes) => randomFillSync(bytes),
): () => string {
  return () => {
    const bytes = Buffer.alloc(16);
    fill(bytes);
    bytes.writeUIntBE(now(), 0, 6);
    bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
    bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
