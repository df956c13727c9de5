/** Uploads over HTTP: end-4a, 4b, 4c, 5, 6, 11, 13 and 14 of the distribution specification. */
import { algorithmOf, isAlgorithm, parseDigest } from '../oci/digest.ts';
import { fault, RegistryError } from '../oci/error.ts';
import { parseName, type RepositoryName } from '../oci/name.ts';
import type { Piece, UploadStatus } from '../service/uploads.ts';
import type { Answer } from './answer.ts';
import { streamBody } from './body.ts';
import type { Call, Handler, HttpDependencies } from './call.ts';
import { errorAnswer } from './errors.ts';
import { digestParam, nameParam, single } from './params.ts';
import { parseContentRange } from './range.ts';

export interface UploadHandlers {
  readonly begin: Handler;
  readonly status: Handler;
  readonly append: Handler;
  readonly finish: Handler;
  readonly cancel: Handler;
}

/** What may name an upload in a URL; ours are UUIDs, other programs' must still be found. */
const idGrammar = /^(?!\.)[A-Za-z0-9._-]{1,128}$/;

export function createUploadHandlers({ services, baseUrl, states }: HttpDependencies): UploadHandlers {
  const { blobs, uploads } = services;

  const blobUrl = (call: Call, name: string, digest: string): string =>
    `${baseUrl(call.raw)}/v2/${name}/blobs/${digest}`;

  const progress = (call: Call, name: string, { id, size }: UploadStatus) => ({
    location: `${baseUrl(call.raw)}/v2/${name}/blobs/uploads/${id}?_state=${states.seal({ name, id, offset: size })}`,
    // An empty upload also says 0-0: clients have learnt that from Distribution.
    range: `0-${Math.max(0, size - 1)}`,
    'docker-upload-uuid': id,
  });

  const created = (call: Call, name: string, digest: string): Answer => ({
    status: 201,
    headers: { location: blobUrl(call, name, digest), 'docker-content-digest': digest },
  });

  /** The upload that a URL names, after its state was checked; `offset` is what that state believes to be stored. */
  function target(call: Call): { name: RepositoryName; id: string; offset: number | undefined } {
    const name = nameParam(call.params.name);
    const { id } = call.params;
    if (!idGrammar.test(id)) throw fault('BLOB_UPLOAD_UNKNOWN', undefined, { uuid: id.slice(0, 128) });
    // Some clients drop the query of a Location; the store knows the offset as well.
    const token = single(call.query['_state']);
    return { name, id, offset: token === undefined ? undefined : states.open(token, name, id).offset };
  }

  /** After a piece in the wrong place the client is told where to go on. */
  async function orWhereToGoOn(call: Call, name: string, id: string, work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') throw error;
      const { offset } = (error.faults[0].detail ?? {}) as { offset?: number };
      if (offset === undefined) throw error;
      return errorAnswer(error, progress(call, name, { id, size: offset }));
    }
  }

  async function mounted(call: Call, name: RepositoryName): Promise<Answer | undefined> {
    const digest = parseDigest(single(call.query['mount']) ?? '');
    if (digest === undefined) return undefined;
    const from = single(call.query['from']);
    const source = from === undefined ? undefined : parseName(from);
    if (from !== undefined && source === undefined) return undefined;
    // A mount that cannot be done is an ordinary upload, whatever the reason ("Mounting a blob from another repository").
    return (await blobs.mount(name, digest, source, call)) === undefined ? undefined : created(call, name, digest);
  }

  return {
    async begin(call) {
      const name = nameParam(call.params.name);
      const digest = call.query['digest'] === undefined ? undefined : digestParam(single(call.query['digest']) ?? '');
      const hint = single(call.query['digest-algorithm']);
      if (hint !== undefined && !isAlgorithm(hint)) {
        throw fault('DIGEST_INVALID', 'digest-algorithm must be sha256, sha384 or sha512', hint.slice(0, 100));
      }
      const mount = call.query['mount'] === undefined ? undefined : await mounted(call, name);
      if (mount !== undefined) return mount;
      if (digest === undefined || call.query['mount'] !== undefined) {
        return { status: 202, headers: progress(call, name, await uploads.begin(name, hint, call)) };
      }
      const piece = pieceOf(call, undefined);
      const { id } = await uploads.begin(name, algorithmOf(digest), call);
      try {
        await uploads.finish(name, id, digest, piece, call);
      } catch (error) {
        // Its client was never told of this upload and could not go on with it.
        await uploads.cancel(name, id, {}).catch(() => undefined);
        throw error;
      }
      return created(call, name, digest);
    },

    async status(call) {
      const { name, id } = target(call);
      return { status: 204, headers: progress(call, name, await uploads.status(name, id, call)) };
    },

    append(call) {
      const { name, id, offset } = target(call);
      return orWhereToGoOn(call, name, id, async () => {
        const status = await uploads.append(name, id, pieceOf(call, offset), call);
        return { status: 202, headers: progress(call, name, status) };
      });
    },

    finish(call) {
      const { name, id, offset } = target(call);
      const digest = digestParam(single(call.query['digest']) ?? '');
      return orWhereToGoOn(call, name, id, async () => {
        await uploads.finish(name, id, digest, pieceOf(call, offset), call);
        return created(call, name, digest);
      });
    },

    async cancel(call) {
      const { name, id } = target(call);
      await uploads.cancel(name, id, call);
      return { status: 204, headers: { 'docker-upload-uuid': id } };
    },
  };
}

/** What a request says of the bytes it carries, checked as far as that goes before the first of them is taken. */
function pieceOf({ raw }: Call, stateOffset: number | undefined): Piece {
  const { headers } = raw;
  if (/^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(headers['content-type'] ?? '')) {
    throw fault('CONTENT_TYPE_INVALID');
  }
  const span = parseContentRange(headers['content-range']);
  const announced = span === undefined ? undefined : span.last - span.first + 1;
  const length = headers['content-length'];
  if (announced !== undefined && length !== undefined && Number(length) !== announced) {
    throw fault('SIZE_INVALID', `Content-Range spans ${announced} bytes and Content-Length is ${length}`);
  }
  return {
    expectedOffsets: [stateOffset, span?.first].filter((offset) => offset !== undefined),
    expectedLength: announced,
    source: length === '0' ? undefined : streamBody(raw),
  };
}
