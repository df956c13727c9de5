/** The way of pushed bytes from their source to the file. */
import { Readable } from 'node:stream';
import { type BatchCalls, createBatchWriter } from './filesystem-batches.ts';

export interface PourOptions {
  readonly onChunk: ((chunk: Uint8Array) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly calls: BatchCalls;
}

/**
 * Writes the source at `position` and resolves with the position behind its last byte. When the source fails or the
 * signal fires, what came before is written, and then the error is thrown. A readable stream is left as it is, not
 * destroyed, so that its owner can still answer. A slow disk holds the client back after two batches, which bounds the
 * memory that an upload takes.
 */
export async function pour(
  descriptor: number,
  position: number,
  source: AsyncIterable<Uint8Array>,
  { onChunk, signal, calls }: PourOptions,
): Promise<number> {
  const writer = createBatchWriter(descriptor, position, calls);
  try {
    for await (const chunk of leavable(source, signal)) {
      onChunk?.(chunk);
      const full = writer.add(chunk);
      if (full !== undefined) await full;
    }
  } catch (error) {
    // A prefix of what the client meant is kept: it may come back for the rest.
    await writer.finish().catch(() => {});
    throw error;
  }
  return await writer.finish();
}

/**
 * The source's chunks, until the signal fires: a source that hangs does not hold us. One promise per chunk instead of a
 * race against a lasting one, which would gather a reaction for every chunk of a long upload.
 */
async function* leavable(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks: AsyncIterable<Uint8Array> =
    source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source;
  const iterator = chunks[Symbol.asyncIterator]();
  let reject: (reason: unknown) => void = () => {};
  let ended = false;
  const leave = () => reject(signal?.reason);
  signal?.addEventListener('abort', leave, { once: true });
  try {
    while (!ended) {
      signal?.throwIfAborted();
      const { done, value } = await new Promise<IteratorResult<Uint8Array, unknown>>((resolve, fail) => {
        reject = fail;
        iterator.next().then(resolve, fail);
      });
      ended = done === true;
      if (done !== true) yield value;
    }
  } finally {
    signal?.removeEventListener('abort', leave);
    // Not waited for: a source that hangs would not return either.
    if (!ended) iterator.return?.().catch(() => {});
  }
}
