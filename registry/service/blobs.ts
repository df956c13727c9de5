/** Blobs of a repository: found by `lookup.ts`, read, mounted, and taken out of the repository again. */
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { ByteRange, Cancellable, ObjectStream, RedirectOptions, Store } from '../storage/store.ts';
import type { Collections, Moment } from './collections.ts';
import type { Content } from './content.ts';
import type { Descriptors } from './descriptors.ts';
import * as keys from './keys.ts';
import { link } from './links.ts';
import type { BlobLookup } from './lookup.ts';
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
  small(name: RepositoryName, blob: Blob, options: Cancellable): Promise<Buffer | undefined>;
  /** `undefined` if the bytes vanished since `stat`. */
  open(name: RepositoryName, blob: Blob, range: ByteRange, options: Cancellable): Promise<ObjectStream | undefined>;
  /** Where the client may fetch the bytes itself; `undefined`: nowhere but here. */
  redirectUrl(name: RepositoryName, blob: Blob, options: RedirectOptions): Promise<string | undefined>;
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

interface MountOptions extends Cancellable {
  readonly before: Moment;
}

export interface BlobsDependencies {
  readonly store: Store;
  readonly lookup: BlobLookup;
  readonly descriptors: Descriptors;
  readonly content: Content;
  readonly places: Places;
  readonly collections: Collections;
  /** Whether clients may be sent to the store (`storage.redirect.disable`). */
  readonly redirects: boolean;
}

export function createBlobs(dependencies: BlobsDependencies): Blobs {
  const { store, lookup, descriptors, content, places, collections, redirects } = dependencies;

  async function mountFrom(name: RepositoryName, digest: Digest, from: RepositoryName, options: MountOptions) {
    const { before, signal } = options;
    const blob = await lookup(from, digest, { signal, confirm: true });
    if (blob === undefined) return undefined;
    const targets = blob.stored === digest ? [digest] : [blob.stored, digest];
    await store.putAll(
      targets.map((member) => link(keys.layerLink(name, member), blob.stored)),
      { signal },
    );
    // Of a source that may be gone: the client is to push it.
    if (await collections.met(before, [], { signal })) return undefined;
    descriptors.note(name, blob);
    await places.note(digest, name, { signal });
    return blob;
  }

  return {
    stat: (name, digest, { signal }) => lookup(name, digest, { signal, confirm: false }),
    small: async (_name, blob, options) =>
      content.kept(blob.stored) ??
      (blob.size <= content.largest ? content.read(blob.stored, blob.size, options) : undefined),
    async open(_name, blob, range, options) {
      const stream = await store.open(keys.blobData(blob.stored), range, options);
      if (stream === undefined) await descriptors.clear([{ digest: blob.stored }]);
      return stream;
    },
    redirectUrl: async (_name, blob, options) =>
      redirects ? store.redirectUrl(keys.blobData(blob.stored), 'GET', options) : undefined,
    async mount(name, digest, from, options) {
      const before = await collections.now(options);
      // What is old may be about to go, whoever has a link to it; what the client pushes is new.
      if (before.running) return undefined;
      for (const place of from === undefined ? await places.of(digest, options) : [from]) {
        const blob = await mountFrom(name, digest, place, { ...options, before });
        if (blob !== undefined) return blob;
      }
      return undefined;
    },
    async remove(name, digest, options) {
      const forgotten = [{ name, digest }];
      await descriptors.clear(forgotten);
      try {
        return await store.delete(keys.layerLink(name, digest), options);
      } finally {
        // Again: a replica that read the link just before may have told of the membership since.
        await descriptors.clear(forgotten);
      }
    },
  };
}
