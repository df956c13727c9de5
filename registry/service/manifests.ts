/**
 * Manifests of a repository (distribution specification, "Pulling manifests", "Pushing manifests", "Deleting manifests").
 *
 * Order of a push: bytes, revision link, tag history and side indexes, all durable; then the tags, last. So a tag that is
 * seen always has its manifest, and a crash leaves at most content that nothing points to.
 */
import { LRUCache } from 'lru-cache';
import type { Logger } from '../log.ts';
import { algorithmOf, canonical, type Digest, digestBytes } from '../oci/digest.ts';
import { fault } from '../oci/error.ts';
import { type Manifest, type ManifestMediaType, parseManifest } from '../oci/manifest.ts';
import type { RepositoryName, Tag } from '../oci/name.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import type { Catalog } from './catalog.ts';
import type { Content } from './content.ts';
import type { Descriptors } from './descriptors.ts';
import * as keys from './keys.ts';
import { maxManifestSize } from './limits.ts';
import { type Links, link } from './links.ts';
import type { Locks } from './locks.ts';
import type { References } from './references.ts';
import type { Referrers } from './referrers.ts';
import type { Tags } from './tags.ts';

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: ManifestMediaType;
  readonly bytes: Buffer;
}

export type Reference = { readonly digest: Digest } | { readonly tag: Tag };

export interface PushedManifest {
  readonly digest: Digest;
  /** The subject's digest as the manifest wrote it. */
  readonly subject: string | undefined;
}

export interface Push {
  readonly reference: Reference;
  /** Tags named beside a digest. */
  readonly tags: readonly Tag[];
  readonly mediaType: ManifestMediaType;
  readonly bytes: Buffer;
}

export interface Manifests {
  get(name: RepositoryName, reference: Reference, options: Cancellable): Promise<StoredManifest | undefined>;
  /** Whether the repository has, or had, any. */
  exist(name: RepositoryName, options: Cancellable): Promise<boolean>;
  put(name: RepositoryName, push: Push, options: Cancellable): Promise<PushedManifest>;
  /** A digest goes with every tag on it; a tag goes alone. `false` if there was nothing. */
  remove(name: RepositoryName, reference: Reference, options: Cancellable): Promise<boolean>;
}

export interface ManifestsDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly content: Content;
  readonly descriptors: Descriptors;
  readonly locks: Locks;
  readonly tags: Tags;
  readonly references: References;
  readonly referrers: Referrers;
  readonly catalog: Catalog;
  readonly log: Logger;
}

/** Bytes from which a manifest counts as large, and how many such pushes are worked on at once. */
const largeSize = 256 * 1024;
const largeAtOnce = 4;

export function createManifests(dependencies: ManifestsDependencies): Manifests {
  const { store, links, content, descriptors, locks, tags, references, referrers, catalog, log } = dependencies;
  const types = new LRUCache<Digest, ManifestMediaType>({ max: 50_000 });
  /** Where a tag pointed last: lets both links be looked at in one go. Never believed without them. */
  const guesses = new LRUCache<string, Digest>({ max: 50_000 });

  let largePushes = 0;

  const isRevision = async (name: RepositoryName, digest: Digest, options: Cancellable) =>
    (await links.resolve(keys.revisionLink(name, digest), options)) === digest;

  async function find(name: RepositoryName, reference: Reference, options: Cancellable): Promise<Digest | undefined> {
    if ('digest' in reference) {
      return (await isRevision(name, reference.digest, options)) ? reference.digest : undefined;
    }
    const key = `${name} ${reference.tag}`;
    const guess = guesses.get(key);
    const [digest, guessed] = await Promise.all([
      tags.resolve(name, reference.tag, options),
      guess !== undefined && isRevision(name, guess, options),
    ]);
    if (digest === undefined) return undefined;
    if (digest === guess) return guessed ? digest : undefined;
    guesses.set(key, digest);
    return (await isRevision(name, digest, options)) ? digest : undefined;
  }

  async function get(name: RepositoryName, reference: Reference, options: Cancellable) {
    const digest = await find(name, reference, options);
    if (digest === undefined) return undefined;
    const bytes = await content.read(digest, maxManifestSize, options);
    if (bytes === undefined) return undefined;
    const mediaType = types.get(digest) ?? typeOf(digest, bytes);
    return mediaType === undefined ? undefined : { digest, mediaType, bytes };
  }

  /** Types are stored nowhere: they are found in the bytes, as Distribution does. */
  function typeOf(digest: Digest, bytes: Buffer): ManifestMediaType | undefined {
    try {
      const { mediaType } = parseManifest(bytes);
      types.set(digest, mediaType);
      return mediaType;
    } catch (error) {
      log.warn({ digest, reason: (error as Error).message }, 'stored manifest cannot be read and is treated as absent');
      return undefined;
    }
  }

  async function write(name: RepositoryName, digest: Digest, manifest: Manifest, push: Push, options: Cancellable) {
    const names = 'tag' in push.reference ? [push.reference.tag] : push.tags;
    await store.putAll(
      [
        { path: keys.blobData(digest), content: push.bytes },
        link(keys.revisionLink(name, digest), digest),
        ...tags.history(name, names, digest),
        ...referrers.entry(name, digest, manifest, push.bytes.length),
        ...tags.current(name, names, digest),
      ],
      options,
    );
    return names;
  }

  /** What JSON takes in memory may be many times its bytes: of large manifests only a few are parsed and held at once. */
  function put(name: RepositoryName, push: Push, options: Cancellable): Promise<PushedManifest> {
    const work = (): Promise<PushedManifest> => putParsed(name, push, options);
    if (push.bytes.length < largeSize) return work();
    largePushes = (largePushes + 1) % largeAtOnce;
    return locks.exclusive(`large manifest ${largePushes}`, work);
  }

  async function putParsed(name: RepositoryName, push: Push, options: Cancellable): Promise<PushedManifest> {
    const manifest = parseManifest(push.bytes, push.mediaType);
    const asked = 'digest' in push.reference ? push.reference.digest : undefined;
    const digest = digestBytes(asked === undefined ? canonical : algorithmOf(asked), push.bytes);
    if (asked !== undefined && asked !== digest) {
      throw fault('DIGEST_INVALID', 'the manifest does not match the digest', { digest: asked });
    }
    await references.check(name, manifest, options);
    await locks.shared(name, async () => {
      const names = await write(name, digest, manifest, push, options);
      // Another replica's DELETE of this digest may have come between the two steps; then the push is the later one.
      if (names.length > 0 && !(await isRevision(name, digest, options))) {
        await write(name, digest, manifest, push, options);
      }
      // Or it was emptying the folder of a tag that pointed to what it deletes.
      for (const tag of names) {
        if ((await tags.resolve(name, tag, options)) === undefined)
          await store.putAll(tags.current(name, [tag], digest), options);
      }
    });
    types.set(digest, manifest.mediaType);
    content.keep(digest, push.bytes);
    referrers.noteScanned(name, digest);
    catalog.note(name);
    return { digest, subject: manifest.subject?.digest };
  }

  async function removeTags(name: RepositoryName, digest: Digest, options: Cancellable): Promise<void> {
    for (const tag of await tags.pointingTo(name, digest, options)) {
      // Asked again: a push elsewhere may have moved it meanwhile, and was told 201. Once begun it is not broken off: half a
      // tag would stay.
      if ((await tags.resolve(name, tag, options)) === digest) await tags.remove(name, tag, {});
    }
  }

  async function removeDigest(name: RepositoryName, digest: Digest, options: Cancellable): Promise<boolean> {
    if (!(await isRevision(name, digest, options))) return false;
    await removeTags(name, digest, options);
    // Distribution beside us believes what a shared cache says of manifests too.
    await descriptors.clear([{ name, digest }]);
    const removed = await store
      .delete(keys.revision(name, digest), options)
      .finally(() => descriptors.clear([{ name, digest }]));
    // A push elsewhere may have set a tag on it since.
    await removeTags(name, digest, options);
    return removed;
  }

  return {
    get,
    put,
    exist: async (name, options) => (await store.stat(keys.manifests(name), options))?.isDirectory === true,
    remove: (name, reference, options) =>
      locks.exclusive(name, () =>
        'digest' in reference ? removeDigest(name, reference.digest, options) : tags.remove(name, reference.tag, {}),
      ),
  };
}
