/**
 * Whether a repository has a blob: a layer link makes content a member, the bytes lie once for all repositories. The link is
 * read from the store on every request, since other processes and garbage collection delete behind our back.
 */
import { algorithmOf, canonical, type Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import type { Blob } from './blobs.ts';
import type { OnDamage } from './damage.ts';
import type { Descriptors } from './descriptors.ts';
import * as keys from './keys.ts';
import type { Links } from './links.ts';

export interface LookupOptions extends Cancellable {
  /** Whether a push will build on the answer: then the bytes are looked at in the store too, whatever is remembered of them. */
  readonly confirm: boolean;
}

/** `undefined`: the repository has no such blob. */
export type BlobLookup = (name: RepositoryName, digest: Digest, options: LookupOptions) => Promise<Blob | undefined>;

export interface LookupDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly descriptors: Descriptors;
  readonly onDamage: OnDamage;
}

interface Found {
  readonly size: number;
  /** Seen in the store by this very call. */
  readonly isFresh: boolean;
}

export function createBlobLookup({ store, links, descriptors, onDamage }: LookupDependencies): BlobLookup {
  async function sizeOf(stored: Digest, options: LookupOptions): Promise<Found | undefined> {
    const known = options.confirm ? undefined : await descriptors.find(stored, options);
    if (known !== undefined) return { size: known, isFresh: false };
    const path = keys.blobData(stored);
    const stat = await store.stat(path, options);
    if (stat !== undefined && !stat.isDirectory) return { size: stat.size, isFresh: true };
    if (stat !== undefined) onDamage('data', path, 'a folder lies where bytes belong');
    // Whoever was told of them by a HEAD would otherwise be told so again, and never push them.
    if (options.confirm) await descriptors.clear([{ digest: stored }]);
    return undefined;
  }

  async function find(name: RepositoryName, digest: Digest, options: LookupOptions) {
    const path = keys.layerLink(name, digest);
    if (algorithmOf(digest) !== canonical) {
      const stored = await links.resolve(path, options);
      return { stored, found: stored === undefined ? undefined : await sizeOf(stored, options) };
    }
    // Both looks at once: a canonical link points to itself unless it is damaged.
    const [target, found] = await Promise.all([links.resolve(path, options), sizeOf(digest, options)]);
    return { stored: target === digest ? target : undefined, found };
  }

  return async (name, digest, options) => {
    const { stored, found } = await find(name, digest, options);
    if (stored === undefined || found === undefined) return undefined;
    const blob = { digest, stored, size: found.size };
    if (found.isFresh) descriptors.note(name, blob);
    return blob;
  };
}

/** Whether the repository's link to the blob is there, for those who remember memberships elsewhere. */
export function createMemberCheck(store: Store) {
  return async (name: RepositoryName, digest: Digest, options: Cancellable): Promise<boolean> =>
    (await store.read(keys.layerLink(name, digest), options))?.toString('latin1').trim() === digest;
}
