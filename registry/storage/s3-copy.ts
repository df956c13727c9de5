/** Copies made by the server: in one call, or in parts above a threshold. */
import { CopyObjectCommand } from '@aws-sdk/client-s3';
import type { Calls } from './s3-calls.ts';
import { isAbsent } from './s3-errors.ts';
import { DRIVER } from './s3-keys.ts';
import { copySource, type Multipart, type Multiparts } from './s3-multipart.ts';
import type { ReadOptions } from './s3-read.ts';
import type { Attributes } from './s3-write.ts';
import { StoreError } from './store.ts';

export interface CopySource {
  readonly key: string;
  readonly size: number;
}

export interface Copies {
  /**
   * Replaces `target`. `record` hears of the multipart upload before its first part, so that it can be aborted by whoever
   * finds what is left of this process.
   */
  copy(source: CopySource, target: string, options: ReadOptions & { readonly record?: Record }): Promise<void>;
}

export type Record = (upload: Multipart) => Promise<void>;

export interface CopiesParts {
  readonly calls: Calls;
  readonly multiparts: Multiparts;
  readonly attributes: Attributes;
  /** Bytes above which a copy is made in parts. */
  readonly threshold: number;
}

export function createCopies({ calls, multiparts, attributes, threshold }: CopiesParts): Copies {
  const { client, bucket } = calls;

  async function inOne(source: string, target: string, options: ReadOptions): Promise<void> {
    const { ContentType, ...others } = attributes;
    const command = new CopyObjectCommand({
      Bucket: bucket,
      Key: target,
      CopySource: copySource(bucket, source),
      MetadataDirective: 'REPLACE',
      ...(ContentType !== undefined && { ContentType }),
      ...others,
    });
    try {
      await calls.attempt((http) => client.send(command, http), { ...options, transfers: true });
    } catch (error) {
      if (isAbsent(error)) throw new StoreError('not-found', DRIVER, options.path);
      throw options.signal?.aborted === true ? options.signal.reason : calls.fault(options.path, error);
    }
  }

  return {
    async copy(source, target, options) {
      if (source.size <= threshold) return await inOne(source.key, target, options);
      const upload = await multiparts.begin(target, options);
      try {
        await options.record?.(upload);
        const parts = await multiparts.copyAll(upload, 1, source, options);
        await multiparts.complete(upload, parts, source.size, options);
      } catch (error) {
        // Whoever left may have left already; what was begun is still ended.
        await multiparts.abort(upload, { path: options.path }).catch(() => {});
        throw error;
      }
    },
  };
}
