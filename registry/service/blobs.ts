/**
 * Blobs of a repository: a layer link makes content a member, the bytes lie once for all repositories. Both are looked at
 * on every request, since other processes and garbage collection delete behind our back.
 */
import { algorithmOf, canonical, type Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { ByteRange, Cancellable, ObjectStream, Store } from '../storage/store.ts';
import type { Content } from './content.ts';
import * as keys from './keys.ts';
import { type Links, link } from './links.ts';
import type { Places } from './places.ts';

export interface Blob {
  /** As it was asked for. */
  readonly digest: Digest;
  /** The digest that names the bytes on disk: SHA-256, unless the content was pushed as a manifest by another. */
  readonly stored: Digest;
  /** Bytes. */
  readonly size: number;
}

export interface Blobs {
  stat(name: RepositoryName, digest: Digest, options: Cancellable): Promise<Blob | undefined>;
  /** Bytes kept in memory, or read into it when the blob is small; `undefined`: stream it. */
  small(blob: Blob, options: Cancellable): Promise<Buffer | undefined>;
  /** `undefined` if the bytes vanished since `stat`. */
  open(blob: Blob, range: ByteRange, options: Cancellable): Promise<ObjectStream | undefined>;
  /** Makes the blob of `from` (or, without it, of any repository known to have it) a member of `name`. */
  mount(
    name: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
    options: Cancellable,
  ): Promise<Blob | undefined>;
  /** Ends the membership; the bytes stay for garbage collection. `false` if there was none. */
  remove(name: RepositoryName, digest: Digest, options: Cancellable): Promise<boolean>;
}

export interface BlobsDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly content: Content;
  readonly places: Places;
}

export function createBlobs({ store, links, content, places }: BlobsDependencies): Blobs {
  async function sizeOf(stored: Digest, options: Cancellable): Promise<number | undefined> {
    const stat = await store.stat(keys.blobData(stored), options);
    return stat === undefined || stat.isDirectory ? undefined : stat.size;
  }

  async function stat(name: RepositoryName, digest: Digest, options: Cancellable): Promise<Blob | undefined> {
    const path = keys.layerLink(name, digest);
    if (algorithmOf(digest) !== canonical) {
      const stored = await links.resolve(path, options);
      const size = stored === undefined ? undefined : await sizeOf(stored, options);
      return stored === undefined || size === undefined ? undefined : { digest, stored, size };
    }
    // Both looks at once: a canonical link points to itself unless it is damaged.
    const [stored, size] = await Promise.all([links.resolve(path, options), sizeOf(digest, options)]);
    return stored !== digest || size === undefined ? undefined : { digest, stored, size };
  }

  async function mountFrom(name: RepositoryName, digest: Digest, from: RepositoryName, options: Cancellable) {
    const blob = await stat(from, digest, options);
    if (blob === undefined) return undefined;
    const targets = blob.stored === digest ? [digest] : [blob.stored, digest];
    await store.putAll(
      targets.map((member) => link(keys.layerLink(name, member), blob.stored)),
      options,
    );
    await places.note(digest, name, options);
    return blob;
  }

  return {
    stat,
    small: async (blob, options) =>
      content.kept(blob.stored) ??
      (blob.size <= content.largest ? content.read(blob.stored, blob.size, options) : undefined),
    open: (blob, range, options) => store.open(keys.blobData(blob.stored), range, options),
    async mount(name, digest, from, options) {
      for (const place of from === undefined ? await places.of(digest, options) : [from]) {
        const blob = await mountFrom(name, digest, place, options);
        if (blob !== undefined) return blob;
      }
      return undefined;
    },
    remove: (name, digest, options) => store.delete(keys.layerLink(name, digest), options),
  };
}
