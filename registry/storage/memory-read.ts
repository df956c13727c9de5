/** Reading what the in-memory driver holds. */
import { Readable } from 'node:stream';
import type { MemoryFile } from './memory-tree.ts';
import { clamp } from './ranges.ts';
import type { ByteRange } from './store.ts';

/** A stream over the bytes that the file has now, whatever happens to it later. */
export function readMemory(file: MemoryFile, range: ByteRange | undefined): Readable {
  const { start, end } = clamp(range, file.size);
  const parts: Buffer[] = [];
  let position = 0;
  for (const chunk of file.chunks) {
    const part = chunk.subarray(Math.max(0, start - position), Math.max(0, end - position));
    if (part.length > 0) parts.push(part);
    position += chunk.length;
  }
  return Readable.from(parts, { objectMode: false });
}
