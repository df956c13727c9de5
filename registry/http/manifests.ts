/** Manifests by tag or digest: end-3, 7a, 7b and 9 of the distribution specification. */
import { fault } from '../oci/error.ts';
import { isManifestMediaType, mediaTypes } from '../oci/manifest.ts';
import { parseTag, type Tag } from '../oci/name.ts';
import { maxManifestSize } from '../service/limits.ts';
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
  const { manifests } = services;

  return {
    async get(call) {
      const name = nameParam(call.params.name);
      const manifest = await manifests.get(name, referenceParam(call.params.reference, false), call);
      if (manifest === undefined) throw fault('MANIFEST_UNKNOWN', undefined, { reference: call.params.reference });
      const { digest, mediaType, bytes } = manifest;
      if (!accepts(call, mediaType)) {
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
      const mediaType = contentType(call);
      if (!isManifestMediaType(mediaType)) {
        throw fault('MANIFEST_INVALID', `unknown manifest type ${mediaType || '(no Content-Type)'}`);
      }
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

/** Without its parameters ("Pushing Manifests": they should be ignored). */
const contentType = (call: Call): string =>
  (call.raw.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

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

/**
 * Negotiation is not specified. As Distribution, an OCI image is withheld from a client that names manifest types and not
 * this one, since old clients misread it; unlike Distribution, a missing header, a wildcard or unrelated types accept anything.
 */
function accepts(call: Call, mediaType: string): boolean {
  const header = call.raw.headers.accept;
  if (header === undefined || mediaType !== mediaTypes.ociManifest || header.includes(mediaType)) return true;
  const types = header.split(',').map((part) => part.split(';', 1)[0]?.trim() ?? '');
  return types.includes('*/*') || types.includes('application/*') || !types.some(isManifestMediaType);
}
