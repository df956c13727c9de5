/** Sending by callbacks: a stream or a target that ends early may never call back, so its end has to be heard. */
import type { Readable, Writable } from 'node:stream';

export type Done<T> = (error: Error | null | undefined, value?: T) => void;

export interface Early {
  /** The outcome of a callback, or the early end of stream or target, whichever comes first. */
  orElse<T>(work: (done: Done<T>) => void): Promise<T>;
  release(): void;
}

/** A response whose connection is gone may never call back: its `close` has to be heard. */
export function leaveEarly(stream: Readable, target: Writable): Early {
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
