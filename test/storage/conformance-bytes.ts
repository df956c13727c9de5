/** Content for the cases: streams in, bytes out. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Store, Upload } from '../../registry/storage/store.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;

export async function* chunksOf(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}

/**
 * `size` bytes in the chunks that a socket gives, the same for the same `seed` and different at every offset: cheap to
 * make, so that large cases measure the store and not the generator.
 */
export async function* pattern(size: number, seed: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += 64 * KIB) yield patternAt(at, Math.min(64 * KIB, size - at), seed);
}

/** The bytes of `pattern` from `offset` on; offsets are multiples of 8. */
export function patternAt(offset: number, length: number, seed: number): Buffer {
  const words = new Float64Array(Math.ceil(length / 8));
  for (let i = 0; i < words.length; i++) words[i] = seed + (offset / 8 + i) * 1.000_001;
  return Buffer.from(words.buffer, 0, length);
}

/** All bytes of a stream that must be there. */
export async function bytesOf(opening: Promise<Readable | undefined>): Promise<Buffer> {
  const stream = await opening;
  assert.ok(stream !== undefined, 'the object is absent');
  return Buffer.concat(await stream.toArray());
}

export async function sha256Of(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source) hash.update(chunk);
  return hash.digest('hex');
}

/** Writes an object as a push does: session, bytes, commit. */
export async function pushTo(store: Store, path: string, source: AsyncIterable<Uint8Array>): Promise<Upload> {
  const upload = await store.beginUpload(`/uploads${path}/data`);
  await upload.commit(path, await upload.append(0, source));
  return upload;
}
