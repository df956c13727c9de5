/**
 * The first half of a run: which content is reached from what must stay. Roots are all manifests of a repository, or, with
 * `untagged`, those that a tag points to now; from there go configuration, layers, children, signatures, and manifests whose
 * subject stays. Nothing is deleted here.
 *
 * A doubt always keeps: a manifest that cannot be understood keeps all content of its repository, a damaged tag everything
 * that it ever pointed to.
 */
import { algorithmOf, canonical, type Digest, parseDigest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import type { DigestSet } from './digests.ts';
import { aliasTargets, layerFolders, readLink, signatureTargets, tagTargets } from './links.ts';
import type { ManifestReader } from './reader.ts';
import type { References } from './references.ts';
import { dangling, gone, loadRevisions, type Revisions, unvisited, visited } from './revisions.ts';

export interface MarkerDependencies extends Cancellable {
  readonly store: Store;
  readonly read: ManifestReader;
  /** Filled here. */
  readonly marked: DigestSet;
  /** Whether manifests without a tag are to go. */
  readonly untagged: boolean;
  /** Milliseconds since the epoch, by the store's clock: what was written from then on stays. */
  readonly cutoff: number;
  readonly seed: number;
  readonly told: MarkObserver;
  /** What a link that this run took away stood for, by its folder below `_layers/`. */
  readonly formerly: (name: RepositoryName, folder: string) => Digest | undefined;
}

/** Told while it goes on, of each reference however often it is met; for output and counts. */
export interface MarkObserver {
  /** `isNew`: it was not marked yet. */
  manifest(name: RepositoryName, digest: Digest, isNew: boolean): void;
  blob(name: RepositoryName, digest: Digest, isNew: boolean): void;
  /** Something keeps all content of a repository, or of a tag. */
  kept(name: RepositoryName, fields: object, reason: string): void;
}

export interface Marker {
  repository(name: RepositoryName): Promise<Revisions>;
  /** Marks what hangs on those manifests of `revisions` that were marked by another repository. Whether there were any. */
  adopt(revisions: Revisions): Promise<boolean>;
  /** Manifests of a repository that stay from now on, and all that hangs on them. */
  keep(revisions: Revisions, digests: Iterable<Digest>): Promise<void>;
}

export function createMarker(dependencies: MarkerDependencies): Marker {
  const { store, read, marked, untagged, cutoff, seed, told, formerly, signal } = dependencies;
  const options = { signal };

  /** Gives the reason why not everything that it points to could be told, if there is one. */
  async function mark(name: RepositoryName, digest: Digest, references: References): Promise<string | undefined> {
    told.manifest(name, digest, marked.add(digest));
    let trouble: string | undefined;
    for (const text of references.digests) {
      const found = parseDigest(text);
      if (found !== undefined) markBlob(name, found);
      if (found !== undefined && algorithmOf(found) === canonical) continue;
      const { targets, damaged } = await aliasTargets(store, name, text, formerly, options);
      for (const target of targets) markBlob(name, target);
      for (const path of damaged) {
        trouble = `${path} is damaged`;
        told.kept(
          name,
          { repository: name, digest, path },
          'the link to a layer is damaged, so its repository keeps all its content; push the layer again or delete the manifest',
        );
      }
    }
    if (!references.isSchema1) return trouble;
    for (const target of await signatureTargets(store, name, digest, options)) markBlob(name, target);
    return trouble;
  }

  function markBlob(name: RepositoryName, digest: Digest): void {
    told.blob(name, digest, marked.add(digest));
  }

  /** Marks one manifest and gives the digests that it names, and the reason why not all of them can be told. */
  async function reach(revisions: Revisions, place: number): Promise<Reached> {
    const { name, digests, flags } = revisions;
    flags[place] = visited;
    const digest = digests.at(place);
    const [link, manifest] = await Promise.all([
      store.stat(keys.revisionLink(name, digest), options),
      read(digest, options),
    ]);
    if (link === undefined) flags[place] = gone;
    else if (manifest.state === 'absent') flags[place] = visited | dangling;
    else if (manifest.state === 'read') {
      const trouble = await mark(name, digest, manifest.references);
      return { digests: manifest.references.digests, trouble };
    } else {
      await keepUnreadable(name, digest, manifest.reason);
      return { digests: [], trouble: manifest.reason };
    }
    return { digests: [], trouble: undefined };
  }

  /** Keeps these and the children that are manifests here. Gives a reason to keep the whole repository, if there is one. */
  async function visit(revisions: Revisions, roots: Iterable<number>): Promise<string | undefined> {
    const { digests, flags } = revisions;
    const isReached = (place: number): boolean => ((flags[place] ?? 0) & visited) !== 0;
    let trouble: string | undefined;
    let level = [...roots];
    while (level.length > 0) {
      const next: number[] = [];
      await eachLimited(level, async (place) => {
        if (isReached(place)) return;
        const found = await reach(revisions, place);
        trouble = found.trouble ?? trouble;
        next.push(...placesOf(digests, found.digests));
      });
      level = next;
    }
    return trouble;
  }

  async function keepUnreadable(name: RepositoryName, digest: Digest, reason: string): Promise<void> {
    marked.add(digest);
    for (const target of await signatureTargets(store, name, digest, options)) markBlob(name, target);
    told.kept(
      name,
      { repository: name, digest, reason },
      'a manifest cannot be understood, so its repository keeps all its content; delete the manifest or push it again',
    );
  }

  /** Looks at what no tag reaches: what was written since the start, and who has whom for a subject. */
  async function survey(revisions: Revisions): Promise<readonly number[]> {
    const { name, digests, flags, subjects } = revisions;
    const fresh: number[] = [];
    await eachLimited([...unvisited(revisions)], async (place) => {
      const digest = digests.at(place);
      const [link, manifest] = await Promise.all([
        store.stat(keys.revisionLink(name, digest), options),
        read(digest, options),
      ]);
      if (link === undefined) flags[place] = gone;
      else if (link.modified >= cutoff) fresh.push(place);
      else if (manifest.state === 'absent') flags[place] = dangling;
      else if (manifest.state === 'read') {
        const subject = parseDigest(manifest.references.subject ?? '');
        if (subject !== undefined) subjects[place] = digests.indexOf(subject);
      }
    });
    return fresh;
  }

  /** A signature of what stays, stays; so does a signature of the signature. */
  async function followSubjects(revisions: Revisions): Promise<string | undefined> {
    const { flags, subjects } = revisions;
    let trouble: string | undefined;
    for (;;) {
      const found = [...unvisited(revisions)].filter((place) => {
        const subject = subjects[place] ?? -1;
        return subject >= 0 && ((flags[subject] ?? 0) & visited) !== 0;
      });
      if (found.length === 0) return trouble;
      trouble ??= await visit(revisions, found);
    }
  }

  async function keepAll(revisions: Revisions): Promise<void> {
    const { name } = revisions;
    await visit(revisions, unvisited(revisions));
    for await (const page of layerFolders(store, name, options)) {
      await eachLimited(page, async ({ folder, digest }) => {
        if (digest !== undefined) markBlob(name, digest);
        if (digest !== undefined && algorithmOf(digest) === canonical) return;
        const target = await readLink(store, `${keys.layers(name)}/${folder}/link`, options);
        if (target !== 'absent' && target !== 'damaged') markBlob(name, target);
      });
    }
  }

  async function tagged(name: RepositoryName, digests: DigestSet): Promise<readonly number[]> {
    const targets = await tagTargets(store, name, options);
    for (const tag of targets.damaged) {
      told.kept(
        name,
        { repository: name, tag },
        'the link of a tag is damaged, so all that it ever pointed to is kept; push the tag again or delete it',
      );
    }
    return [...targets.digests].map((digest) => digests.indexOf(digest)).filter((place) => place >= 0);
  }

  return {
    async repository(name) {
      const revisions = await loadRevisions(store, name, seed, options);
      const roots = untagged ? await tagged(name, revisions.digests) : unvisited(revisions);
      let trouble = await visit(revisions, roots);
      if (untagged) {
        trouble ??= await visit(revisions, await survey(revisions));
        trouble ??= await followSubjects(revisions);
      }
      for (const folder of revisions.foreign) {
        trouble = `${keys.revisionsRoot(name)}/${folder} is no algorithm's folder`;
        told.kept(
          name,
          { repository: name, folder },
          'an unknown folder lies among the manifests of a repository, so it keeps all its content; move the folder away',
        );
      }
      if (trouble !== undefined) await keepAll(revisions);
      return revisions;
    },

    async adopt(revisions) {
      const found = [...unvisited(revisions)].filter((place) => marked.has(revisions.digests.at(place)));
      if (found.length === 0) return false;
      const trouble = (await visit(revisions, found)) ?? (await followSubjects(revisions));
      if (trouble !== undefined) await keepAll(revisions);
      return true;
    },

    async keep(revisions, digests) {
      const found = [...digests].map((digest) => revisions.digests.indexOf(digest)).filter((place) => place >= 0);
      const trouble = (await visit(revisions, found)) ?? (await followSubjects(revisions));
      if (trouble !== undefined) await keepAll(revisions);
    },
  };
}

interface Reached {
  readonly digests: readonly string[];
  readonly trouble: string | undefined;
}

/** Places of those that are manifests of the repository. */
const placesOf = (digests: DigestSet, texts: readonly string[]): readonly number[] =>
  texts
    .map((text) => parseDigest(text))
    .map((digest) => (digest === undefined ? -1 : digests.indexOf(digest)))
    .filter((place) => place >= 0);
