/** The way of pushed bytes from their source to the file. */
import { type BatchCalls, createBatchWriter } from './filesystem-batches.ts';
import { leavable } from './source.ts';

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
