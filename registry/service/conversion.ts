/**
 * What a client that knows nothing newer is given instead of what a tag points to (`compatibility.schema1.enabled`): for a
 * manifest list its image for linux/amd64, for an image of Docker's schema 2 the same in schema 1.
 */

import { parseDigest } from '../oci/digest.ts';
import { mediaTypes, parseManifest } from '../oci/manifest.ts';
import type { RepositoryName, Tag } from '../oci/name.ts';
import type { Cancellable } from '../storage/store.ts';
import type { Manifests, StoredManifest } from './manifests.ts';
import type { Schema1Manifests } from './schema1.ts';

/** What the client can read. */
export interface Reader {
  readonly lists: boolean;
  readonly schema2: boolean;
  /** Any of those that came after schema 1. */
  readonly newer: boolean;
}

/** `undefined` if the list's image for linux/amd64 is not there. */
export type Convert = (
  name: RepositoryName,
  tag: Tag,
  found: StoredManifest,
  reader: Reader,
  options: Cancellable,
) => Promise<StoredManifest | undefined>;

export function createConversion(manifests: Manifests, schema1: Schema1Manifests): Convert {
  async function defaultImage(name: RepositoryName, list: StoredManifest, options: Cancellable) {
    const { children } = parseManifest(list.bytes, mediaTypes.dockerList);
    const child = children.find(({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64');
    const digest = parseDigest(child?.digest ?? '');
    return digest && manifests.get(name, { digest }, options);
  }

  return async (name, tag, found, reader, options) => {
    if (!schema1.enabled) return found;
    const isList = found.mediaType === mediaTypes.dockerList;
    const wantsImage = isList && !reader.lists && (reader.schema2 || !reader.newer);
    const image = wantsImage ? await defaultImage(name, found, options) : found;
    if (image?.mediaType !== mediaTypes.dockerManifest || reader.newer) return image;
    return schema1.convert(name, tag, parseManifest(image.bytes, mediaTypes.dockerManifest), options);
  };
}
