/** Multipart uploads: begun, filled by bytes or by server-side copies, completed, aborted, looked up. */
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { Calls } from './s3-calls.ts';
import { attemptsOf, isAbsent, isUploadGone } from './s3-errors.ts';
import { DRIVER } from './s3-keys.ts';
import type { ReadOptions, Reads } from './s3-read.ts';
import type { Attributes } from './s3-write.ts';
import { createSemaphore } from './semaphore.ts';
import { StoreError } from './store.ts';

/** What S3 takes as a part that is not the last one, at least. */
export const LEAST_PART = 5 * 1024 * 1024;
/** The highest number of a part. */
export const LAST_PART = 10_000;

/** Names a multipart upload. */
export interface Multipart {
  readonly key: string;
  readonly id: string;
}

export interface Part {
  readonly number: number;
  readonly etag: string;
}

export interface ListedPart extends Part {
  readonly size: number;
}

/** A window of an object to be copied. */
export interface Source {
  readonly key: string;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface Multiparts {
  begin(key: string, options: ReadOptions): Promise<Multipart>;
  /** The buffer must not change until it resolves or rejects. */
  send(upload: Multipart, number: number, bytes: Buffer, options: ReadOptions): Promise<Part>;
  copy(upload: Multipart, number: number, source: Source, options: ReadOptions): Promise<Part>;
  /** Copies a whole object by several parts at once, numbered from `first` on. */
  copyAll(
    upload: Multipart,
    first: number,
    source: Omit<Source, 'start' | 'end'> & { readonly size: number },
    options: ReadOptions,
  ): Promise<readonly Part[]>;
  /**
   * A completion whose answer was lost is known by what lies there: so many bytes, with the ETag of these parts. Where the
   * server makes its ETags otherwise, `isOurs` has to tell that nobody else may have written there; without it, only an
   * attempt before this one counts.
   */
  complete(
    upload: Multipart,
    parts: readonly Part[],
    size: number,
    options: ReadOptions & { readonly isOurs?: (() => Promise<boolean>) | undefined },
  ): Promise<void>;
  /** Harmless if it is gone already. */
  abort(upload: Multipart, options: ReadOptions): Promise<void>;
  /** Those under way for exactly this key, or below it, if it ends with a slash. Servers differ in what they list there. */
  underWay(key: string, options: ReadOptions): Promise<readonly Multipart[]>;
  parts(upload: Multipart, options: ReadOptions): Promise<readonly ListedPart[]>;
}

export interface MultipartsParts {
  readonly calls: Calls;
  readonly reads: Reads;
  readonly attributes: Attributes;
  /** Bytes of a part of a copy, and how many are under way at once for one copy. */
  readonly copyChunk: number;
  readonly copyConcurrency: number;
}

export function createMultiparts(options: MultipartsParts): Multiparts {
  const { calls, reads, attributes, copyChunk, copyConcurrency } = options;
  const { client, bucket } = calls;
  const named = ({ key, id }: Multipart) => ({ Bucket: bucket, Key: key, UploadId: id });

  async function copy(
    upload: Multipart,
    number: number,
    { key, start, end }: Source,
    options: ReadOptions,
  ): Promise<Part> {
    const command = new UploadPartCopyCommand({
      ...named(upload),
      PartNumber: number,
      CopySource: copySource(bucket, key),
      CopySourceRange: `bytes=${start}-${end - 1}`,
    });
    const { CopyPartResult } = await calls.run((http) => client.send(command, http), { ...options, transfers: true });
    return { number, etag: need(CopyPartResult?.ETag, options.path) };
  }

  /** After an upload was found gone: whether its object is there. */
  async function isThere(
    error: unknown,
    key: string,
    parts: readonly Part[],
    size: number,
    { isOurs, ...options }: ReadOptions & { readonly isOurs?: (() => Promise<boolean>) | undefined },
  ): Promise<boolean> {
    const head = await reads.head(key, options);
    if (head?.size !== size) return false;
    if (head.etag !== undefined && head.etag.replaceAll('"', '') === etagOf(parts)) return true;
    return isOurs === undefined ? attemptsOf(error) > 1 : await isOurs();
  }

  return {
    copy,

    async begin(key, options) {
      const command = new CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ...attributes });
      const { UploadId } = await calls.run((http) => client.send(command, http), options);
      return { key, id: need(UploadId, options.path) };
    },

    async send(upload, number, bytes, options) {
      const command = new UploadPartCommand({ ...named(upload), PartNumber: number, Body: bytes });
      const { ETag } = await calls.run((http) => client.send(command, http), { ...options, transfers: true });
      return { number, etag: need(ETag, options.path) };
    },

    async copyAll(upload, first, { key, size }, options) {
      const slots = createSemaphore(copyConcurrency);
      // Evenly, and rather fewer, so that none is smaller than a part may be: others may follow the last one.
      const most = Math.min(LAST_PART + 1 - first, Math.floor(size / LEAST_PART));
      const count = Math.max(1, Math.min(Math.ceil(size / copyChunk), most));
      const bound = (at: number): number => Math.floor((at * size) / count);
      return await Promise.all(
        Array.from({ length: count }, (_, at) => {
          const window = { key, start: bound(at), end: bound(at + 1) };
          return slots.run(() => copy(upload, first + at, window, options), options.signal);
        }),
      );
    },

    async complete(upload, parts, size, options) {
      const sorted = [...parts].sort((a, b) => a.number - b.number);
      const Parts = sorted.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }));
      const command = new CompleteMultipartUploadCommand({ ...named(upload), MultipartUpload: { Parts } });
      try {
        await calls.attempt((http) => client.send(command, http), { ...options, transfers: true });
      } catch (error) {
        if (options.signal?.aborted === true) throw options.signal.reason;
        if (!isUploadGone(error) || !(await isThere(error, upload.key, sorted, size, options)))
          throw calls.fault(options.path, error);
      }
    },

    async abort(upload, options) {
      const command = new AbortMultipartUploadCommand(named(upload));
      try {
        await calls.attempt((http) => client.send(command, http), options);
      } catch (error) {
        if (!isAbsent(error))
          throw options.signal?.aborted === true ? options.signal.reason : calls.fault(options.path, error);
      }
    },

    async underWay(key, options) {
      const found: Multipart[] = [];
      let marker: { KeyMarker: string; UploadIdMarker: string } | undefined;
      do {
        const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key, ...marker });
        const answer = await calls.run((http) => client.send(command, http), options);
        for (const { Key, UploadId } of answer.Uploads ?? []) {
          const isMeant = Key === key || (key.endsWith('/') && Key?.startsWith(key) === true);
          if (isMeant && Key !== undefined && UploadId !== undefined) found.push({ key: Key, id: UploadId });
        }
        const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = answer;
        // Behind a key itself there is nothing of it.
        const isOver = IsTruncated !== true || (NextKeyMarker !== key && !key.endsWith('/'));
        marker =
          isOver || NextKeyMarker === undefined || NextUploadIdMarker === undefined
            ? undefined
            : { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker };
      } while (marker !== undefined);
      return found;
    },

    async parts(upload, options) {
      const found: ListedPart[] = [];
      let marker: string | undefined;
      do {
        const command = new ListPartsCommand({
          ...named(upload),
          ...(marker !== undefined && { PartNumberMarker: marker }),
        });
        const answer = await calls.run((http) => client.send(command, http), options);
        for (const { PartNumber, ETag, Size } of answer.Parts ?? []) {
          found.push({ number: PartNumber ?? 0, etag: need(ETag, options.path), size: Size ?? 0 });
        }
        marker = answer.IsTruncated === true ? answer.NextPartNumberMarker : undefined;
      } while (marker !== undefined);
      return found.sort((a, b) => a.number - b.number);
    },
  };
}

/** The header that names a copy's source. */
export const copySource = (bucket: string, key: string): string =>
  `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;

/** The ETag that Amazon and most others give an object of these parts; `undefined` if theirs are not MD5 sums. */
function etagOf(parts: readonly Part[]): string | undefined {
  const hash = createHash('md5');
  for (const { etag } of parts) {
    const sum = /^"?([0-9a-f]{32})"?$/.exec(etag)?.[1];
    if (sum === undefined) return undefined;
    hash.update(sum, 'hex');
  }
  return `${hash.digest('hex')}-${parts.length}`;
}

function need(value: string | undefined, path: string): string {
  if (value !== undefined && value !== '') return value;
  throw new StoreError('failed', DRIVER, path, new Error('the store left an ETag or an upload id out of its answer'));
}
