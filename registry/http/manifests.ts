/** Manifests by tag or digest: end-3, 7a, 7b and 9 of the distribution specification. */
import { fault } from '../oci/error.ts';
import { isManifestMediaType, type ManifestMediaType, mediaTypes } from '../oci/manifest.ts';
import { parseTag, type Tag } from '../oci/name.ts';
import { schema1PushTypes } from '../oci/schema1.ts';
import { maxManifestSize } from '../service/limits.ts';
import { parseAccept } from './accept.ts';
import { readBody } from './body.ts';
import type { Call, Handler, HttpDependencies } from './call.ts';
import { etag, precondition } from './conditional.ts';
import { nameParam, referenceParam } from './params.ts';

/** Tags in one push by digest; the specification asks for at least 10. */
const maxTags = 100;

export interface ManifestHandlers {
  readonly get: Handler;
  readonly put: Handler;
  readonly remove: Handler;
}

export function createManifestHandlers({ services, baseUrl, deleteEnabled }: HttpDependencies): ManifestHandlers {
  const { manifests, convert } = services;

  return {
    async get(call) {
      const name = nameParam(call.params.name);
      const reference = referenceParam(call.params.reference, false);
      const accepted = parseAccept(call.raw.headers.accept);
      const found = await manifests.get(name, reference, call);
      const manifest =
        found !== undefined && 'tag' in reference ? await convert(name, reference.tag, found, accepted, call) : found;
      if (manifest === undefined) throw fault('MANIFEST_UNKNOWN', undefined, { reference: call.params.reference });
      const { digest, mediaType, bytes } = manifest;
      if (!accepted.admits(mediaType)) {
        throw fault('MANIFEST_UNKNOWN', 'OCI manifest found, but the Accept header does not name its type', {
          mediaType,
        });
      }
      const headers = { 'docker-content-digest': digest, etag: etag(digest) };
      const refused = precondition(call.raw.headers, digest);
      if (refused !== undefined) return { status: refused, headers };
      return { status: 200, headers: { ...headers, 'content-type': mediaType }, body: bytes };
    },

    async put(call) {
      const name = nameParam(call.params.name);
      const reference = referenceParam(call.params.reference, true);
      const tags = 'digest' in reference ? tagParams(call) : [];
      const mediaType = pushedType(call);
      const bytes = await readBody(call.raw, maxManifestSize);
      const { digest, subject } = await manifests.put(name, { reference, tags, mediaType, bytes }, call);
      return {
        status: 201,
        headers: {
          location: `${baseUrl(call.raw)}/v2/${name}/manifests/${digest}`,
          'docker-content-digest': digest,
          ...(subject === undefined ? {} : { 'oci-subject': subject }),
          ...(tags.length === 0 ? {} : { 'oci-tag': tags.join(', ') }),
        },
      };
    },

    async remove(call) {
      const name = nameParam(call.params.name);
      const reference = referenceParam(call.params.reference, false);
      if (!deleteEnabled) throw fault('UNSUPPORTED', 'deleting is switched off (storage.delete.enabled)');
      if (!(await manifests.remove(name, reference, call))) {
        throw fault('MANIFEST_UNKNOWN', undefined, { reference: call.params.reference });
      }
      return { status: 202, headers: {} };
    },
  };
}

/** Of the Content-Type without its parameters ("Pushing Manifests": they should be ignored). */
function pushedType(call: Call): ManifestMediaType {
  const given = (call.raw.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (schema1PushTypes.has(given)) return mediaTypes.schema1;
  if (!isManifestMediaType(given)) throw fault('MANIFEST_INVALID', `unknown manifest type ${given.slice(0, 200)}`);
  return given;
}

/** `?tag=` beside a digest. All are good, or none is set. */
function tagParams(call: Call): readonly Tag[] {
  const given = [call.query['tag'] ?? []].flat();
  if (given.length > maxTags) throw fault('TAGS_TOO_MANY', `at most ${maxTags} tags in one request`, given.length);
  const tags = given.map((text) => {
    const tag = parseTag(text);
    if (tag === undefined) throw fault('TAG_INVALID', undefined, text.slice(0, 200));
    return tag;
  });
  return [...new Set(tags)];
}
