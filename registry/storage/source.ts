/** Where pushed bytes come from: a client that may hang, break off or leave. */
import { Readable } from 'node:stream';

/**
 * The source's chunks, until the signal fires: a source that hangs does not hold us. One promise per chunk instead of a
 * race against a lasting one, which would gather a reaction for every chunk of a long upload. A readable stream is left as it
 * is, not destroyed, so that its owner can still answer.
 */
export async function* leavable(
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
