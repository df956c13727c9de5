/** Pure: what an Accept header means for manifests. Weights are not looked at, as in Distribution; parameters neither. */
import { LRUCache } from 'lru-cache';
import { isManifestMediaType, type ManifestMediaType, mediaTypes } from '../oci/manifest.ts';
import { schema1AcceptTypes } from '../oci/schema1.ts';

export interface Accepted {
  /** Whether a manifest of this type may be sent; by leniency that means: is not what the client can be known to misread. */
  admits(mediaType: ManifestMediaType): boolean;
  /** Manifest lists, and Docker's schema 2: named, or covered by a wildcard. */
  readonly lists: boolean;
  readonly schema2: boolean;
  /** Any type that came after schema 1. A client that sends no header at all is one of 2015 and knows none. */
  readonly newer: boolean;
}

/** `*` and the subtypes of `application` are all that a manifest can be of. */
const wildcards = ['*/*', 'application/*'];

/** Clients say the same thing every time. */
const kept = new LRUCache<string, Accepted>({ max: 64 });
const keptLength = 1024;

export function parseAccept(header = ''): Accepted {
  const before = kept.get(header);
  if (before !== undefined) return before;
  const accepted = parse(header);
  if (header.length <= keptLength) kept.set(header, accepted);
  return accepted;
}

function parse(header: string): Accepted {
  const types = new Set(header.split(',').map((part) => part.split(';', 1)[0]?.trim().toLowerCase() ?? ''));
  const everything = wildcards.some((type) => types.has(type));
  const named = [...types];
  const knowsManifests = named.some((type) => isManifestMediaType(type) || schema1AcceptTypes.has(type));
  return {
    /**
     * Negotiation is not specified. As Distribution, an OCI image is withheld from a client that names manifest types and not
     * this one, since old clients misread it; unlike Distribution, a missing header, a wildcard or unrelated types accept
     * anything.
     */
    admits: (mediaType) =>
      mediaType !== mediaTypes.ociManifest || everything || !knowsManifests || types.has(mediaType),
    lists: everything || types.has(mediaTypes.dockerList),
    schema2: everything || types.has(mediaTypes.dockerManifest),
    newer: everything || named.some((type) => isManifestMediaType(type) && type !== mediaTypes.schema1),
  };
}
