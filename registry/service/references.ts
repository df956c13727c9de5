/**
 * What a manifest points to must be there before the manifest is (distribution specification, "Pushing manifests": a registry
 * may refuse, and then says MANIFEST_BLOB_UNKNOWN for each). `subject` is never looked at.
 */
import { parseDigest } from '../oci/digest.ts';
import { type Fault, RegistryError } from '../oci/error.ts';
import type { Descriptor, Manifest } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import * as keys from './keys.ts';
import type { Links } from './links.ts';
import type { BlobLookup } from './lookup.ts';
import { eachLimited } from './parallel.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

export interface ReferencesPolicy {
  /** `none` admits everything unchecked. */
  readonly references: 'all' | 'none';
  readonly indexes: { readonly platforms: 'all' | 'none' | 'list'; readonly platformlist: readonly Platform[] };
}

export interface References {
  /** Throws one MANIFEST_BLOB_UNKNOWN for each missing reference, the digest as detail. */
  check(name: RepositoryName, manifest: Manifest, options: Cancellable): Promise<void>;
}

export interface ReferencesDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly lookup: BlobLookup;
  readonly policy: ReferencesPolicy;
}

export function createReferences({ store, links, lookup, policy }: ReferencesDependencies): References {
  async function hasBlob(name: RepositoryName, text: string, { signal }: Cancellable): Promise<boolean> {
    const digest = parseDigest(text);
    return digest !== undefined && (await lookup(name, digest, { signal, confirm: true })) !== undefined;
  }

  async function hasManifest(name: RepositoryName, text: string, options: Cancellable): Promise<boolean> {
    const digest = parseDigest(text);
    if (digest === undefined) return false;
    const [target, data] = await Promise.all([
      links.resolve(keys.revisionLink(name, digest), options),
      store.stat(keys.blobData(digest), options),
    ]);
    return target === digest && data !== undefined && !data.isDirectory;
  }

  const isWanted = ({ platform }: Descriptor): boolean =>
    policy.indexes.platforms === 'all' ||
    (policy.indexes.platforms === 'list' &&
      policy.indexes.platformlist.some(
        ({ os, architecture }) => os === platform?.os && architecture === platform?.architecture,
      ));

  return {
    async check(name, manifest, options) {
      if (policy.references === 'none') return;
      const missing: string[] = [];
      const demand = (descriptors: readonly Descriptor[], has: typeof hasBlob) =>
        eachLimited([...new Set(descriptors.map(({ digest }) => digest))], async (digest) => {
          if (!(await has(name, digest, options))) missing.push(digest);
        });
      // Layers with URLs need not be here: the registry never fetches them, their client does.
      const layers = manifest.layers.filter(({ urls }) => urls.length === 0);
      await demand(manifest.config ? [manifest.config, ...layers] : layers, hasBlob);
      await demand(manifest.children.filter(isWanted), hasManifest);
      const faults = missing.map((digest): Fault => ({ code: 'MANIFEST_BLOB_UNKNOWN', detail: digest }));
      const [first, ...more] = faults;
      if (first) throw new RegistryError(first, more);
    },
  };
}
