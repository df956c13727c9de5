/** Services over a store in memory, for tests that stand between the two. */

import { silent } from '../../../registry/log.ts';
import type { Digest } from '../../../registry/oci/digest.ts';
import { digestBytes } from '../../../registry/oci/digest.ts';
import { type ManifestMediaType, mediaTypes } from '../../../registry/oci/manifest.ts';
import type { RepositoryName, Tag } from '../../../registry/oci/name.ts';
import { deriveSigningKey } from '../../../registry/oci/schema1-key.ts';
import * as keys from '../../../registry/service/keys.ts';
import { link } from '../../../registry/service/links.ts';
import type { PushedManifest } from '../../../registry/service/manifests.ts';
import { createServices, type Services, type ServicesDependencies } from '../../../registry/service/services.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import type { Store } from '../../../registry/storage/store.ts';

export const name = 'library/app' as RepositoryName;
export const tag = (text: string): Tag => text as Tag;

/** Services of one replica. */
export const replica = (store: Store, more: Partial<ServicesDependencies> = {}): Services =>
  createServices({
    store,
    log: silent,
    policy: { references: 'all', urls: { allow: [], deny: [] }, indexes: { platforms: 'all', platformlist: [] } },
    schema1: { enabled: true, key: deriveSigningKey('secret') },
    classes: [],
    tagLookups: 4,
    contentLimits: { total: 1024 * 1024, largest: 64 * 1024 },
    newId: () => crypto.randomUUID(),
    now: () => new Date(),
    clock: () => performance.now(),
    ...more,
  });

export const memory = (): Store => createMemoryStore();

export interface Placed {
  readonly digest: Digest;
  readonly size: number;
}

/** Makes bytes a blob of the repository, past the upload. */
export async function place(store: Store, bytes: Buffer, repository = name): Promise<Placed> {
  const digest = digestBytes('sha256', bytes);
  await store.putAll([
    { path: keys.blobData(digest), content: bytes },
    link(keys.layerLink(repository, digest), digest),
  ]);
  return { digest, size: bytes.length };
}

/** An image of these layers. */
export const image = (config: Placed, layers: readonly object[], more: object = {}): object => ({
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
  layers,
  ...more,
});

/** Pushes a manifest under a tag, or by digest without one. */
export function put(services: Services, manifest: object, tagged?: string): Promise<PushedManifest> {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const reference = tagged === undefined ? { digest: digestBytes('sha256', bytes) } : { tag: tag(tagged) };
  const { mediaType } = manifest as { mediaType: ManifestMediaType };
  return services.manifests.put(name, { reference, tags: [], mediaType, bytes }, {});
}

/** The store with some of its methods replaced. */
export const around = (store: Store, methods: Partial<Store>): Store => ({ ...store, ...methods });
