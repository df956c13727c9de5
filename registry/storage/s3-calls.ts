/** Calls to S3: each with a deadline, each left at once when the caller leaves, their faults in the contract's words. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Deadlines } from './s3-client.ts';
import { type Place, storeFault } from './s3-errors.ts';

/** What `client.send` takes beside the command. */
export interface HttpOptions {
  readonly abortSignal: AbortSignal;
  readonly requestTimeout: number;
}

export interface CallOptions {
  /** The store path, for errors. */
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
  /** It moves content, so it may take longer. */
  readonly transfers?: boolean | undefined;
}

export interface Calls {
  readonly client: S3Client;
  readonly bucket: string;
  readonly silence: number;
  /** Runs one call. Throws the signal's reason when that fires, a `StoreError` otherwise. */
  run<T>(work: (options: HttpOptions) => Promise<T>, options: CallOptions): Promise<T>;
  /** As `run`, with the SDK's own error, for callers who tell errors apart and throw `fault` of the others. */
  attempt<T>(work: (options: HttpOptions) => Promise<T>, options: CallOptions): Promise<T>;
  fault(path: string, error: unknown): unknown;
}

class Deadline extends Error {
  override readonly name = 'Deadline';
}

export function createCalls(client: S3Client, place: Place, deadlines: S3Deadlines): Calls {
  async function attempt<T>(work: (options: HttpOptions) => Promise<T>, options: CallOptions): Promise<T> {
    const { signal, transfers } = options;
    signal?.throwIfAborted();
    const controller = new AbortController();
    const [whole, once] = transfers
      ? [deadlines.transfer, deadlines.transferAttempt]
      : [deadlines.call, deadlines.attempt];
    const timer = setTimeout(() => controller.abort(new Deadline('deadline')), whole);
    const leave = (): void => controller.abort(signal?.reason);
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await work({ abortSignal: controller.signal, requestTimeout: once });
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', leave);
    }
  }

  const fault = (path: string, error: unknown): unknown => storeFault(path, error, place);

  return {
    client,
    bucket: place.bucket,
    silence: deadlines.silence,
    attempt,
    fault,
    async run(work, options) {
      try {
        return await attempt(work, options);
      } catch (error) {
        throw options.signal?.aborted === true ? options.signal.reason : fault(options.path, error);
      }
    },
  };
}
