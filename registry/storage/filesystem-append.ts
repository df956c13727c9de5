/**
 * The way of pushed bytes to the disk. Chunks as they come from a socket (64 KiB at most) are gathered, without copying,
 * into batches; one batch is being written while the next is being received and hashed. So a slow disk holds the
 * client back after two batches, and memory per upload is bounded by them.
 */
import { Readable } from 'node:stream';
import { writeFully } from './filesystem-calls.ts';

const BATCH_BYTES = 1024 * 1024;
/** Tiny chunks are written before their own weight exceeds that of their bytes; also below the system's IOV_MAX, 1024. */
const BATCH_CHUNKS = 512;

export interface PourOptions {
  readonly onChunk: ((chunk: Uint8Array) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  /** Bounds how many writes run at once; a slow client holds no place while we wait for it. */
  readonly bounded: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * Writes the source at `position` and resolves with the position behind its last byte. When the source fails or the
 * signal fires, what came before is written, and then the error is thrown. After a failed write the source is left as
 * it is, not destroyed, so that its owner can still answer.
 */
export async function pour(
  descriptor: number,
  position: number,
  source: AsyncIterable<Uint8Array>,
  { onChunk, signal, bounded }: PourOptions,
): Promise<number> {
  let end = position;
  let batch: Uint8Array[] = [];
  let batched = 0;
  let failure: { readonly error: unknown } | undefined;
  let writing: Promise<void> | undefined;

  /** Waits for the batch before, then starts to write this one. */
  async function hand(): Promise<void> {
    await writing;
    if (failure !== undefined) throw failure.error;
    if (batched === 0) return;
    const buffers = batch;
    const at = end;
    end += batched;
    batch = [];
    batched = 0;
    writing = bounded(() => writeFully(descriptor, buffers, at)).catch((error: unknown) => {
      failure = { error };
    });
  }

  try {
    for await (const chunk of leavable(source, signal)) {
      if (failure !== undefined) throw failure.error;
      onChunk?.(chunk);
      batch.push(chunk);
      batched += chunk.length;
      if (batched >= BATCH_BYTES || batch.length >= BATCH_CHUNKS) await hand();
    }
  } catch (error) {
    if (failure === undefined) {
      // A prefix of what the client meant: it may come back for the rest.
      await hand().catch(() => {});
      await writing;
    }
    throw error;
  }
  await hand();
  await hand();
  return end;
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
  const leave = () => reject(signal?.reason);
  signal?.addEventListener('abort', leave, { once: true });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await new Promise<IteratorResult<Uint8Array, unknown>>((resolve, fail) => {
        reject = fail;
        iterator.next().then(resolve, fail);
      });
      if (done === true) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener('abort', leave);
  }
}
