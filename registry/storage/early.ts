/** Sending by callbacks: a stream or a target that ends early may never call back, so its end has to be heard. */
import type { Readable, Writable } from 'node:stream';

export type Done<T> = (error: Error | null | undefined, value?: T) => void;

export interface Early {
  /** The outcome of a callback, or the early end of stream or target, whichever comes first. */
  orElse<T>(work: (done: Done<T>) => void): Promise<T>;
  release(): void;
}

/**
 * Hands `work`'s bytes to `target` and ends it, and `stream` with it. When one of them closes early, or the work fails, both are
 * destroyed and the error is thrown.
 */
export async function sendThrough(
  stream: Readable,
  target: Writable,
  work: (early: Early) => Promise<void>,
): Promise<void> {
  const early = leaveEarly(stream, target);
  try {
    await work(early);
    await early.orElse<void>((done) => target.end(() => done(null)));
    early.release();
    stream.destroy();
  } catch (error) {
    early.release();
    const reason = error instanceof Error ? error : new Error(String(error));
    // The error is told here; nobody else may be listening.
    for (const side of [stream, target]) side.on('error', () => {}).destroy(reason);
    throw error;
  }
}

/** A response whose connection is gone may never call back: its `close` has to be heard. */
function leaveEarly(stream: Readable, target: Writable): Early {
  let leave: (error: Error) => void = () => {};
  let reason: Error | undefined;
  const heard = (error: Error) => {
    reason ??= error;
    leave(reason);
  };
  const closed = () => heard(Object.assign(new Error('premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }));
  for (const side of [stream, target]) side.on('error', heard).on('close', closed);
  if (stream.destroyed || target.destroyed) closed();

  return {
    orElse: (work) =>
      new Promise((resolve, reject) => {
        leave = reject;
        if (reason !== undefined) reject(reason);
        else work((error, value) => (error ? reject(error) : resolve(value as never)));
      }),
    release() {
      for (const side of [stream, target]) side.off('error', heard).off('close', closed);
    },
  };
}
