/** Reading objects: whole ones, windows, and streams that go on where a connection broke off. */

import { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, HeadObjectCommand } from '@aws-sdk/client-s3';
import type { Calls } from './s3-calls.ts';
import { isAbsentAt, statusOf } from './s3-errors.ts';
import { direct } from './s3-http.ts';
import { DRIVER } from './s3-keys.ts';
import { type Opened, resumable } from './s3-stream.ts';
import { type ByteRange, type Cancellable, type ObjectStream, StoreError } from './store.ts';

export interface Head {
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly etag: string | undefined;
}

export interface ReadOptions extends Cancellable {
  /** The store path, for errors. */
  readonly path: string;
}

interface OpenOptions extends ReadOptions {
  /** The bytes are handed on as they come, at their reader's pace. */
  readonly streams?: boolean;
}

export interface Content {
  readonly bytes: Buffer;
  readonly etag: string | undefined;
}

export interface Reads {
  /** `undefined` if there is no such object. */
  head(key: string, options: ReadOptions): Promise<Head | undefined>;
  read(key: string, options: ReadOptions): Promise<Content | undefined>;
  open(key: string, range: ByteRange | undefined, options: ReadOptions): Promise<ObjectStream | undefined>;
}

export function createReads(calls: Calls): Reads {
  const { client, bucket } = calls;

  function translate(error: unknown, { path, signal }: ReadOptions): unknown {
    return signal?.aborted === true ? signal.reason : calls.fault(path, error);
  }

  async function head(key: string, options: ReadOptions): Promise<Head | undefined> {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
    try {
      const answer = await calls.attempt((http) => client.send(command, http), options);
      const { ContentLength: size = 0, LastModified, ETag: etag } = answer;
      return { size, modified: LastModified?.getTime() ?? 0, etag };
    } catch (error) {
      if (isAbsentAt(key, error)) return undefined;
      throw translate(error, options);
    }
  }

  async function get(
    key: string,
    start: number,
    end: number | undefined,
    etag: string | undefined,
    options: OpenOptions,
  ): Promise<GetObjectCommandOutput> {
    const isWhole = start === 0 && end === undefined;
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(!isWhole && { Range: `bytes=${start}-${end === undefined ? '' : end - 1}` }),
      ...(etag !== undefined && { IfMatch: etag }),
    });
    const how = options.streams ? direct : {};
    return await calls.attempt((http) => client.send(command, { ...http, ...how }), options);
  }

  async function opened(
    key: string,
    start: number,
    end: number | undefined,
    etag: string | undefined,
    options: OpenOptions,
  ): Promise<Opened> {
    const answer = await get(key, start, end, etag, options);
    const body = answer.Body as Readable;
    // Told to whoever reads it, which nobody does yet.
    body.on('error', () => {});
    if (answer.ContentLength === undefined || !isAsAsked(answer, start, end)) {
      body.destroy();
      const why = new Error('the store answered with other bytes than asked for');
      throw new StoreError('failed', DRIVER, options.path, why);
    }
    return { body, length: answer.ContentLength, etag: answer.ETag };
  }

  function streamOf(key: string, first: Opened, start: number, options: OpenOptions): ObjectStream {
    const { path, signal } = options;
    return resumable(first, {
      path,
      start,
      signal,
      silence: calls.silence,
      fault: (error) => translate(error, options),
      reopen: (position, end) => opened(key, position, end, first.etag, options),
    });
  }

  return {
    head,

    async open(key, range, options) {
      const start = range?.start ?? 0;
      const end = range?.end;
      if (end !== undefined && end <= start) return (await head(key, options)) === undefined ? undefined : nothing();
      try {
        const streams = { ...options, streams: true };
        return streamOf(key, await opened(key, start, end, undefined, streams), start, streams);
      } catch (error) {
        if (isAbsentAt(key, error)) return undefined;
        // The object is there, and the window begins at its end or behind it.
        if (statusOf(error) === 416) return nothing();
        throw translate(error, options);
      }
    },

    async read(key, options) {
      try {
        const first = await opened(key, 0, undefined, undefined, options);
        const chunks = await streamOf(key, first, 0, options).toArray();
        return { bytes: Buffer.concat(chunks, first.length), etag: first.etag };
      } catch (error) {
        if (isAbsentAt(key, error)) return undefined;
        throw translate(error, options);
      }
    },
  };
}

const nothing = (): ObjectStream => Readable.from([], { objectMode: false });

/** Whether the answer is the window: its bounds, and as many bytes as they say. */
function isAsAsked({ ContentRange, ContentLength }: GetObjectCommandOutput, start: number, end: number | undefined) {
  if (start === 0 && end === undefined) return true;
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange ?? '') ?? [];
  const behind = Math.min(end ?? Number(total), Number(total));
  return Number(first) === start && Number(last) + 1 === behind && ContentLength === behind - start;
}
