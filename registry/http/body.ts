/** Request bodies: whole and bounded, or thrown away without cutting the client off before it has read the answer. */
import type { IncomingMessage } from 'node:http';
import { fault } from '../oci/error.ts';

/**
 * The whole body. Longer than `limit` bytes: MANIFEST_TOO_LARGE, told by Content-Length or counted while reading, so
 * that no more than `limit` is ever held.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => fault('MANIFEST_TOO_LARGE', `the limit is ${limit} bytes`, { limit });
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of streamBody(request)) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size);
}

/** Bytes of a request's body that were taken in, for the log and the meters. A refused body is not counted. */
export const receivedBytes = new WeakMap<IncomingMessage, number>();

/** The body piece by piece. Leaving the loop early keeps the connection, so that an answer can still be read. */
export function streamBody(request: IncomingMessage): AsyncIterable<Buffer> {
  const pieces: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false });
  let bytes = 0;
  const counted: AsyncIterator<Buffer> = {
    async next() {
      const piece = await pieces.next();
      if (piece.done !== true) {
        bytes += piece.value.length;
        receivedBytes.set(request, bytes);
      }
      return piece;
    },
    return: async (value) => (await pieces.return?.(value)) ?? { done: true, value },
  };
  return { [Symbol.asyncIterator]: () => counted };
}

/** Bytes of a refused body that are read and dropped before the connection is cut. */
const patience = 32 * 1024 * 1024;
/** Milliseconds for the same. */
const patienceMs = 30_000;

/**
 * A client that is still sending while it is refused would see a reset instead of the answer if the connection were closed
 * under it; one that never stops must not be read for ever.
 */
export function discardBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let dropped = 0;
  const cut = (): void => {
    request.socket.destroySoon();
  };
  const timer = setTimeout(cut, patienceMs);
  timer.unref();
  request.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > patience) cut();
  });
  request.once('close', () => clearTimeout(timer));
  request.resume();
}
