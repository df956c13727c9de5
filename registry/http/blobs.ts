/** GET, HEAD and DELETE of a blob (end-2, end-10 of the distribution specification). */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Digest } from '../oci/digest.ts';
import { fault } from '../oci/error.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Blob, Blobs } from '../service/blobs.ts';
import type { ObjectStream } from '../service/services.ts';
import type { Answer } from './answer.ts';
import type { Call, Handler, HttpDependencies } from './call.ts';
import { clientAddress } from './client-address.ts';
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
      const { headers: asked, method } = call.raw;
      const refused = precondition(asked, digest);
      if (refused !== undefined) return { status: refused, headers };
      const location = method === 'HEAD' ? undefined : await redirectUrl(blobs, call, name, blob);
      if (location !== undefined) return redirect(location, digest);
      const source = { blobs, call, name, blob };
      const spans = rangeApplies(asked, digest) ? parseRange(asked.range, blob.size) : undefined;
      const served = { ...headers, 'content-type': octets, 'accept-ranges': 'bytes' };
      if (spans === undefined || method === 'HEAD') return whole(source, served);
      const [only, ...others] = spans;
      if (only === undefined) {
        return errorAnswer(fault('RANGE_INVALID', `the blob has ${blob.size} bytes`), {
          'content-range': `bytes */${blob.size}`,
          'docker-content-digest': digest,
        });
      }
      return others.length === 0 ? part(source, only, served) : parts(source, spans, served);
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

/** Most stores have no URLs, so nothing is looked up before it is asked for. */
const redirectUrl = (blobs: Blobs, call: Call, name: RepositoryName, blob: Blob) =>
  blobs.redirectUrl(name, blob, {
    get signal() {
      return call.signal;
    },
    get client() {
      return clientAddress(call.raw);
    },
  });

/** `Range` is for the store to honour. The URL may be good for minutes only, so the blob's own Cache-Control would be a lie. */
const redirect = (location: string, digest: Digest): Answer => ({
  status: 307,
  headers: { location, 'docker-content-digest': digest, etag: etag(digest), 'cache-control': 'no-store' },
});

/** A blob that the client may have, and the request for it. */
interface Source {
  readonly blobs: Blobs;
  readonly call: Call;
  readonly name: RepositoryName;
  readonly blob: Blob;
}

type Headers = Readonly<Record<string, string>>;

async function whole(source: Source, headers: Headers): Promise<Answer> {
  const { blobs, call, name, blob } = source;
  const sized = { ...headers, 'content-length': blob.size };
  if (call.raw.method === 'HEAD' || blob.size === 0) return { status: 200, headers: sized };
  const small = await blobs.small(name, blob, call);
  if (small !== undefined) return { status: 200, headers, body: small };
  return { status: 200, headers: sized, body: await opened(source, { first: 0, last: blob.size - 1 }) };
}

async function part(source: Source, span: Span, headers: Headers): Promise<Answer> {
  return {
    status: 206,
    headers: {
      ...headers,
      'content-length': span.last - span.first + 1,
      'content-range': `bytes ${span.first}-${span.last}/${source.blob.size}`,
    },
    body: await opened(source, span),
  };
}

/** Several spans: RFC 9110 section 14.6, `multipart/byteranges`. */
function parts(source: Source, spans: readonly Span[], headers: Headers): Answer {
  const { size } = source.blob;
  const boundary = randomBytes(24).toString('hex');
  const heads = spans.map(
    ({ first, last }) =>
      `--${boundary}\r\nContent-Type: ${octets}\r\nContent-Range: bytes ${first}-${last}/${size}\r\n\r\n`,
  );
  const tail = `--${boundary}--\r\n`;
  const length = spans.reduce(
    (sum, { first, last }, at) => sum + (heads[at]?.length ?? 0) + last - first + 3,
    tail.length,
  );
  async function* body(): AsyncGenerator<Buffer | string> {
    for (const [at, span] of spans.entries()) {
      yield heads[at] ?? '';
      yield* await opened(source, span);
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

async function opened({ blobs, call, name, blob }: Source, { first, last }: Span): Promise<ObjectStream> {
  const stream = await blobs.open(name, blob, { start: first, end: last + 1 }, call);
  if (stream === undefined) throw fault('BLOB_UNKNOWN', undefined, blob.digest);
  return stream;
}
