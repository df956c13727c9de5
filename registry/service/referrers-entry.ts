/** Entries of the index of referrers: one small file for each manifest with a subject, holding its descriptor. */
import { type Digest, parseDigest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Put } from '../storage/store.ts';
import * as keys from './keys.ts';

/** As it stands in the answer's `manifests` list (image specification, "Content Descriptors"). */
export interface ReferrerDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, unknown>> | undefined;
}

/** What a push has to write for a manifest; empty without a subject. */
export function referrerEntry(name: RepositoryName, digest: Digest, manifest: Manifest, size: number): readonly Put[] {
  const subject = parseDigest(manifest.subject?.digest ?? '');
  if (subject === undefined) return [];
  const descriptor: ReferrerDescriptor = {
    mediaType: manifest.mediaType,
    digest,
    size,
    artifactType: manifest.artifactType ?? manifest.config?.mediaType,
    annotations: manifest.annotations,
  };
  return [{ path: keys.referrer(name, subject, digest), content: Buffer.from(JSON.stringify(descriptor)) }];
}
