/**
 * Manifests of a repository (distribution specification, "Pulling manifests", "Pushing manifests", "Deleting manifests").
 *
 * Order of a push: bytes, revision link, tag history and side indexes, all durable; then the tags, last. So a tag that is
 * seen always has its manifest, and a crash leaves at most content that nothing points to.
 */
import { LRUCache } from 'lru-cache';
import { classRefusal } from '../oci/classes.ts';
import { algorithmOf, canonical, type Digest, digestBytes } from '../oci/digest.ts';
import { fault, RegistryError } from '../oci/error.ts';
import { type ManifestMediaType, mediaTypes, parseManifest } from '../oci/manifest.ts';
import type { RepositoryName, Tag } from '../oci/name.ts';
import type { Cancellable, Put, Store } from '../storage/store.ts';
import type { Catalog } from './catalog.ts';
import type { Collections, Moment } from './collections.ts';
import type { Content } from './content.ts';
import type { OnDamage } from './damage.ts';
import * as keys from './keys.ts';
import { maxManifestSize } from './limits.ts';
import { type Links, link } from './links.ts';
import type { Locks } from './locks.ts';
import type { References } from './references.ts';
import type { Referrers } from './referrers.ts';
import type { Removal } from './removal.ts';
import type { Schema1Manifests } from './schema1.ts';
import type { Tags } from './tags.ts';
import type { Untagging } from './untagging.ts';

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: ManifestMediaType;
  /** What is served. Of schema 1 that is more than what the digest names: the signatures stand in it too. */
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
  /** As the client sent it; of schema 1 with the signatures. */
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
  readonly locks: Locks;
  readonly tags: Tags;
  readonly references: References;
  readonly referrers: Referrers;
  readonly catalog: Catalog;
  readonly schema1: Schema1Manifests;
  readonly removal: Removal;
  readonly untagging: Untagging;
  readonly collections: Collections;
  /** Classes that may be pushed (`policy.repository.classes`); none: all. */
  readonly classes: readonly string[];
  readonly onDamage: OnDamage;
}

interface Writing {
  readonly puts: readonly Put[];
  readonly digest: Digest;
  readonly before: Moment;
  /** Throws if something that the manifest points to is not there. */
  readonly check: () => Promise<void>;
}

/** Bytes from which a manifest counts as large, and how many such pushes are worked on at once. */
const largeSize = 256 * 1024;
const largeAtOnce = 4;

/** How often a push is written that meets deletions by other replicas. */
const maxAttempts = 20;

export function createManifests(dependencies: ManifestsDependencies): Manifests {
  const { store, links, content, locks, tags, references, referrers, catalog } = dependencies;
  const { schema1, removal, untagging, collections, classes, onDamage } = dependencies;
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
    if (mediaType === undefined) return undefined;
    const body = mediaType === mediaTypes.schema1 ? await schema1.sign(name, digest, bytes, options) : bytes;
    return { digest, mediaType, bytes: body };
  }

  /** Types are stored nowhere: they are found in the bytes, as Distribution does. */
  function typeOf(digest: Digest, bytes: Buffer): ManifestMediaType | undefined {
    try {
      const { mediaType } = parseManifest(bytes);
      types.set(digest, mediaType);
      return mediaType;
    } catch (error) {
      onDamage('manifest', keys.blobData(digest), `the manifest cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Writes everything; `false` if somebody elsewhere was deleting meanwhile, so that it has to be done again. */
  async function write(name: RepositoryName, names: readonly Tag[], writing: Writing, options: Cancellable) {
    const { puts, digest, before, check } = writing;
    const isThere = async (): Promise<boolean> =>
      (await isRevision(name, digest, options)) && (await store.stat(keys.blobData(digest), options)) !== undefined;
    if (before.running) {
      // A collection that does not see the manifest in time may take what it points to: no tag before that is looked at.
      await store.putAll(
        puts.filter(({ last }) => last !== true),
        options,
      );
      await check();
    }
    await store.putAll(before.running ? puts.filter(({ last }) => last === true) : puts, options);
    const isMet = await collections.met(before, [digest], options);
    if (isMet && !before.running) await check();
    if (names.length === 0) return !isMet || (await isThere());
    // Marks first: a deletion that ends between a look at the tag and a look for its mark would be seen by neither.
    if (await untagging.met(name, names, options)) return false;
    const [isKept, ...targets] = await Promise.all([
      isMet ? isThere() : isRevision(name, digest, options),
      ...names.map((tag) => tags.resolve(name, tag, options)),
    ]);
    // Where a tag points elsewhere, another push was later.
    return isKept && targets.every((target) => target !== undefined);
  }

  /** What JSON takes in memory may be many times its bytes: of large manifests only a few are parsed and held at once. */
  function put(name: RepositoryName, push: Push, options: Cancellable): Promise<PushedManifest> {
    const work = (): Promise<PushedManifest> => putParsed(name, push, options);
    if (push.bytes.length < largeSize) return work();
    largePushes = (largePushes + 1) % largeAtOnce;
    return locks.exclusive(`large manifest ${largePushes}`, work);
  }

  async function putParsed(name: RepositoryName, push: Push, options: Cancellable): Promise<PushedManifest> {
    const isSchema1 = push.mediaType === mediaTypes.schema1;
    const { payload: bytes, faults } = isSchema1 ? schema1.admit(push.bytes) : { payload: push.bytes, faults: [] };
    const manifest = parseManifest(bytes, push.mediaType);
    const asked = 'digest' in push.reference ? push.reference.digest : undefined;
    const digest = digestBytes(asked === undefined ? canonical : algorithmOf(asked), bytes);
    if (asked !== undefined && asked !== digest) {
      throw fault('DIGEST_INVALID', 'the manifest does not match the digest', { digest: asked });
    }
    const refusal = classRefusal(manifest, classes);
    if (refusal !== undefined) throw fault('DENIED', refusal);
    const before = await collections.now(options);
    const check = async (): Promise<void> => {
      const [first, ...more] = [...faults, ...(await references.faults(name, manifest, options))];
      if (first !== undefined) throw new RegistryError(first, more);
    };
    await check();
    const names = 'tag' in push.reference ? [push.reference.tag] : push.tags;
    const puts = [
      { path: keys.blobData(digest), content: bytes },
      link(keys.revisionLink(name, digest), digest),
      ...tags.history(name, names, digest),
      ...referrers.entry(name, digest, manifest, bytes.length),
      ...tags.current(name, names, digest),
    ];
    const writing = { puts, digest, before, check };
    await locks.shared(name, async () => {
      for (let attempt = 1; !(await write(name, names, writing, options)); attempt++) {
        if (attempt === maxAttempts) throw fault('UNAVAILABLE', 'the manifest is just being deleted; push it again');
      }
    });
    types.set(digest, manifest.mediaType);
    content.keep(digest, bytes);
    referrers.noteScanned(name, digest);
    catalog.note(name);
    return { digest, subject: manifest.subject?.digest };
  }

  return {
    get,
    put,
    exist: async (name, options) => (await store.stat(keys.manifests(name), options))?.isDirectory === true,
    remove: (name, reference, options) =>
      locks.exclusive(name, () =>
        'digest' in reference
          ? removal.digest(name, reference.digest, options)
          : removal.tag(name, reference.tag, options),
      ),
  };
}
