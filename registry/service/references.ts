/**
 * What a manifest points to must be there before the manifest is (distribution specification, "Pushing manifests": a registry
 * may refuse, and then says MANIFEST_BLOB_UNKNOWN for each), and the URLs that it names must be admitted. `subject` is never
 * looked at.
 */
import { parseDigest } from '../oci/digest.ts';
import type { Fault } from '../oci/error.ts';
import type { Descriptor, Manifest } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/name.ts';
import { createUrlRules, type UrlRules } from '../oci/urls.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import * as keys from './keys.ts';
import type { Links } from './links.ts';
import type { BlobLookup } from './lookup.ts';
import { eachLimited } from './parallel.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** `validation.manifests`. */
export interface ReferencesPolicy {
  /** `none` admits everything that is not there. */
  readonly references: 'all' | 'none';
  /** Valid RE2 patterns; none at all: URLs are not looked at. */
  readonly urls: { readonly allow: readonly string[]; readonly deny: readonly string[] };
  /** Names of platforms count as written. A list without any means all. */
  readonly indexes: { readonly platforms: 'all' | 'none' | 'list'; readonly platformlist: readonly Platform[] };
}

export interface References {
  /** A MANIFEST_INVALID for each URL that is not admitted, a MANIFEST_BLOB_UNKNOWN, its digest as detail, for each missing reference. */
  faults(name: RepositoryName, manifest: Manifest, options: Cancellable): Promise<readonly Fault[]>;
}

export interface ReferencesDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly lookup: BlobLookup;
  readonly policy: ReferencesPolicy;
}

/** Layers whose bytes their owner does not want in registries, Docker's and OCI's. */
const mayStayAway = /\.rootfs\.foreign\.diff\.tar|\.layer\.nondistributable\./;
const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

export function createReferences({ store, links, lookup, policy }: ReferencesDependencies): References {
  const rules = createUrlRules(policy.urls.allow, policy.urls.deny);
  const { platforms, platformlist } = policy.indexes;

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

  const isWantedChild = ({ platform }: Descriptor): boolean =>
    platforms === 'all' ||
    (platforms === 'list' &&
      (platformlist.length === 0 ||
        platformlist.some(({ os, architecture }) => os === platform?.os && architecture === platform?.architecture)));

  /**
   * The registry never fetches by URL: its clients do. Without rules every layer with URLs may stay away; with them only those
   * types that are meant to, as in Distribution.
   */
  const isWantedLayer = ({ urls, mediaType }: Descriptor): boolean =>
    urls.length === 0 || (rules !== undefined && !mayStayAway.test(mediaType));

  /** A bounded number at a time, blobs and manifests side by side. */
  async function missing(name: RepositoryName, manifest: Manifest, options: Cancellable): Promise<readonly string[]> {
    const layers = manifest.layers.filter(isWantedLayer);
    const blobs = new Set((manifest.config ? [manifest.config, ...layers] : layers).map(({ digest }) => digest));
    const children = new Set(manifest.children.filter(isWantedChild).map(({ digest }) => digest));
    const wanted = [
      ...[...blobs].map((digest) => ({ digest, has: hasBlob })),
      ...[...children].map((digest) => ({ digest, has: hasManifest })),
    ];
    const absent = new Set<string>();
    await eachLimited(wanted, async ({ digest, has }) => {
      if (!(await has(name, digest, options))) absent.add(digest);
    });
    // As the manifest names them, whichever answer came first.
    return wanted.map(({ digest }) => digest).filter((digest) => absent.has(digest));
  }

  return {
    async faults(name, manifest, options) {
      const refused = rules === undefined ? [] : refusals(rules, manifest);
      const absent = policy.references === 'none' ? [] : await missing(name, manifest, options);
      return [...refused, ...absent.map((digest): Fault => ({ code: 'MANIFEST_BLOB_UNKNOWN', detail: digest }))];
    },
  };
}

/** Of every descriptor, whatever its type: clients fetch where they find a URL. */
function refusals(rules: UrlRules, { config, layers, children }: Manifest): readonly Fault[] {
  const descriptors = [...(config === undefined ? [] : [config]), ...layers, ...children];
  return descriptors.flatMap(({ digest, urls, mediaType }): readonly Fault[] => {
    if (urls.length === 0 && mediaType === foreign) {
      return [{ code: 'MANIFEST_INVALID', message: 'missing URL on layer', detail: { digest } }];
    }
    const why = urls.map((url) => ({ url, reason: rules.refusal(url) })).find(({ reason }) => reason !== undefined);
    if (why === undefined) return [];
    const detail = { digest, url: why.url.slice(0, 500) };
    return [{ code: 'MANIFEST_INVALID', message: `invalid URL on layer: ${why.reason}`, detail }];
  });
}
