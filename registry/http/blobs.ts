/** GET, HEAD and DELETE of a blob (end-2, end-10 of the distribution specification). */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { fault } from '../oci/error.ts';
import type { Blob, Blobs } from '../service/blobs.ts';
import type { ObjectStream } from '../service/services.ts';
import type { Answer } from './answer.ts';
import type { Call, Handler, HttpDependencies } from './call.ts';
import { etag, precondition, rangeApplies } from './conditional.ts';
import { errorAnswer } from './errors.ts';
import { digestParam, nameParam } from './params.ts';
import { parseRange, type Span } from './range.ts';

const octets = 'application/octet-stream';

export function createBlobHandlers({ services, deleteEnabled }: HttpDependencies): { get: Handler; remove: Handler } {
  const { blobs } = services;

  return {
    async get(call) {
      const name = nameParam(call.params.name);
      const digest = digestParam(call.params.digest);
      const blob = await blobs.stat(name, digest, call);
      if (blob === undefined) throw fault('BLOB_UNKNOWN', undefined, digest);
      const headers = { etag: etag(digest), 'docker-content-digest': digest, 'cache-control': 'max-age=31536000' };
      const { headers: asked } = call.raw;
      const refused = precondition(asked, digest);
      if (refused !== undefined) return { status: refused, headers };
      const spans = rangeApplies(asked, digest) ? parseRange(asked.range, blob.size) : undefined;
      const served = { ...headers, 'content-type': octets, 'accept-ranges': 'bytes' };
      if (spans === undefined || call.raw.method === 'HEAD') return whole(blobs, call, blob, served);
      const [only, ...others] = spans;
      if (only === undefined) {
        return errorAnswer(fault('RANGE_INVALID', `the blob has ${blob.size} bytes`), {
          'content-range': `bytes */${blob.size}`,
        });
      }
      return others.length === 0 ? part(blobs, call, blob, only, served) : parts(blobs, call, blob, spans, served);
    },

    async remove(call) {
      const name = nameParam(call.params.name);
      const digest = digestParam(call.params.digest);
      if (!deleteEnabled) throw fault('UNSUPPORTED', 'deleting is switched off (storage.delete.enabled)');
      if (!(await blobs.remove(name, digest, call))) throw fault('BLOB_UNKNOWN', undefined, digest);
      return { status: 202, headers: {} };
    },
  };
}

type Headers = Readonly<Record<string, string>>;

async function whole(blobs: Blobs, call: Call, blob: Blob, headers: Headers): Promise<Answer> {
  const sized = { ...headers, 'content-length': blob.size };
  if (call.raw.method === 'HEAD' || blob.size === 0) return { status: 200, headers: sized };
  const small = await blobs.small(blob, call);
  if (small !== undefined) return { status: 200, headers, body: small };
  return { status: 200, headers: sized, body: await opened(blobs, call, blob, { first: 0, last: blob.size - 1 }) };
}

async function part(blobs: Blobs, call: Call, blob: Blob, span: Span, headers: Headers): Promise<Answer> {
  return {
    status: 206,
    headers: {
      ...headers,
      'content-length': span.last - span.first + 1,
      'content-range': `bytes ${span.first}-${span.last}/${blob.size}`,
    },
    body: await opened(blobs, call, blob, span),
  };
}

/** Several spans: RFC 9110 section 14.6, `multipart/byteranges`. */
function parts(blobs: Blobs, call: Call, blob: Blob, spans: readonly Span[], headers: Headers): Answer {
  const boundary = randomBytes(24).toString('hex');
  const heads = spans.map(
    ({ first, last }) =>
      `--${boundary}\r\nContent-Type: ${octets}\r\nContent-Range: bytes ${first}-${last}/${blob.size}\r\n\r\n`,
  );
  const tail = `--${boundary}--\r\n`;
  const length = spans.reduce(
    (sum, { first, last }, at) => sum + (heads[at]?.length ?? 0) + last - first + 3,
    tail.length,
  );
  async function* body(): AsyncGenerator<Buffer | string> {
    for (const [at, span] of spans.entries()) {
      yield heads[at] ?? '';
      yield* await opened(blobs, call, blob, span);
      yield '\r\n';
    }
    yield tail;
  }
  return {
    status: 206,
    headers: { ...headers, 'content-type': `multipart/byteranges; boundary=${boundary}`, 'content-length': length },
    body: Readable.from(body(), { objectMode: false }),
  };
}

async function opened(blobs: Blobs, call: Call, blob: Blob, { first, last }: Span): Promise<ObjectStream> {
  const stream = await blobs.open(blob, { start: first, end: last + 1 }, call);
  if (stream === undefined) throw fault('BLOB_UNKNOWN', undefined, blob.digest);
  return stream;
}
