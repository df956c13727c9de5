/**
 * The second half of a run: takes out what was not marked. The order is such that a process that dies at any point has
 * deleted nothing that is pointed to, and that the next run finds the rest: a tag's history before the manifest, the
 * manifest before its content, links before bytes. Nothing need be durable: what comes back after a power loss is found again.
 */
import { algorithmOf, canonical, type Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import { type Announce, goingTogether } from '../service/going.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { secondsOf } from './content.ts';
import type { DigestSet } from './digests.ts';
import { layerFolders, readLink } from './links.ts';
import { type Revisions, unreached } from './revisions.ts';
import { algorithmsIn, digestsIn, pages } from './walk.ts';

export interface SweeperDependencies extends Cancellable {
  readonly store: Store;
  /** Grows when something turns out to have come since the start. */
  readonly marked: DigestSet;
  /** Milliseconds since the epoch, by the store's clock: what was written from then on stays. */
  readonly cutoff: number;
  readonly dryRun: boolean;
  /** Names what goes to those who push. */
  readonly announce: Announce;
  readonly told: SweepObserver;
}

/** Told before each deletion, and also when nothing is deleted. */
export interface SweepObserver {
  layer(name: RepositoryName, folder: string): void;
  damagedLayer(path: string): void;
  /** What follows is never told in a dry run. */
  manifestGone(name: RepositoryName, digest: Digest): Promise<void>;
  /** `digest`: what the folder is called by, if that names content; `target`: what the link in it stood for. */
  layerGone(name: RepositoryName, folder: string, digest: Digest | undefined, target: Digest): Promise<void>;
  contentGone(digest: Digest, path: string): Promise<void>;
}

export interface Sweeper {
  /** Manifests that nothing reaches: those that went, and those that were pushed anew meanwhile and have to stay. */
  manifests(
    revisions: Revisions,
    tags: readonly string[],
  ): Promise<{ went: readonly Digest[]; stay: readonly Digest[] }>;
  /** Links to layers that were not marked. */
  layers(name: RepositoryName): Promise<void>;
  /** Marks what the links to layers stand for that are there still, or there again. */
  linked(name: RepositoryName): Promise<void>;
  /**
   * Whether it was deleted: what was marked or written anew meanwhile stays. `written`: when it was, in seconds, as it was
   * looked at. Another date is of new bytes, even one before the start: a bucket dates large objects by when they were begun.
   */
  blob(digest: Digest, written: number | undefined): Promise<boolean>;
}

const itself = (digest: Digest): Digest => digest;
const quick = { durable: false } as const;

export function createSweeper(dependencies: SweeperDependencies): Sweeper {
  const { store, marked, cutoff, dryRun, announce, told, signal } = dependencies;
  const options = { signal };

  /** Works on each, in groups that are named meanwhile. */
  async function eachNamed<T>(
    items: readonly T[],
    digestOf: (item: T) => Digest | undefined,
    work: (item: T) => Promise<void>,
  ): Promise<void> {
    for (let start = 0; start < items.length; start += goingTogether) {
      const group = items.slice(start, start + goingTogether);
      const digests = group.map(digestOf).filter((digest) => digest !== undefined);
      await announce(digests, () => eachLimited(group, work));
    }
  }

  /** What came since the start is looked for last, right before it would go. */
  async function isOld(path: string): Promise<boolean> {
    const stat = await store.stat(path, options);
    return stat !== undefined && stat.modified < cutoff;
  }

  async function history(name: RepositoryName, tag: string, going: ReadonlySet<Digest>): Promise<void> {
    const root = keys.tagHistory(name, tag);
    for (const algorithm of (await algorithmsIn(store, root, options)).known) {
      for await (const page of digestsIn(store, root, algorithm, options)) {
        await eachLimited(
          page.filter((digest) => going.has(digest)),
          async (digest) => {
            if (!marked.has(digest)) await store.delete(`${root}/${digest.replace(':', '/')}`, quick);
          },
        );
      }
    }
  }

  /** What a link stands for that goes; `undefined`: it stays. */
  async function targetGoing(
    name: RepositoryName,
    folder: string,
    digest: Digest | undefined,
  ): Promise<Digest | undefined> {
    if (digest !== undefined && marked.has(digest)) return undefined;
    const path = `${keys.layers(name)}/${folder}/link`;
    const target = await readLink(store, path, options);
    if (target === 'absent') return undefined;
    if (target === 'damaged') {
      // A canonical one says by its place what it stood for; another one nobody can tell.
      if (digest !== undefined && algorithmOf(digest) === canonical) return (await isOld(path)) ? digest : undefined;
      told.damagedLayer(path);
      return undefined;
    }
    if (marked.has(target)) return undefined;
    if (await isOld(path)) return target;
    marked.add(target);
    return undefined;
  }

  return {
    async manifests(revisions, tags) {
      const { name } = revisions;
      const going = new Set([...unreached(revisions, true), ...unreached(revisions, false)]);
      const went: Digest[] = [];
      const stay: Digest[] = [];
      if (going.size === 0 || dryRun) return { went, stay };
      for (const tag of tags) await history(name, tag, going);
      const named = [...going].filter((digest) => !marked.has(digest));
      await eachNamed(named, itself, async (digest) => {
        if (await isOld(keys.revisionLink(name, digest))) {
          await store.delete(keys.revision(name, digest), quick);
          went.push(digest);
          await told.manifestGone(name, digest);
        } else stay.push(digest);
      });
      return { went, stay };
    },

    async layers(name) {
      for await (const page of layerFolders(store, name, options)) {
        await eachNamed(
          page.filter(({ digest }) => digest === undefined || !marked.has(digest)),
          ({ digest }) => digest,
          async ({ folder, digest }) => {
            const target = await targetGoing(name, folder, digest);
            if (target === undefined) return;
            told.layer(name, folder);
            if (dryRun) return;
            await store.delete(`${keys.layers(name)}/${folder}`, quick);
            await told.layerGone(name, folder, digest, target);
          },
        );
      }
    },

    async linked(name) {
      for await (const page of layerFolders(store, name, options)) {
        await eachLimited(
          page.filter(({ digest }) => digest === undefined || !marked.has(digest)),
          async ({ folder }) => {
            const target = await readLink(store, `${keys.layers(name)}/${folder}/link`, options);
            if (target !== 'absent' && target !== 'damaged') marked.add(target);
          },
        );
      }
    },

    async blob(digest, written) {
      if (marked.has(digest)) return false;
      const data = await store.stat(keys.blobData(digest), options);
      if (data === undefined || data.modified >= cutoff || secondsOf(data) !== written) return false;
      await store.delete(keys.blob(digest), quick);
      await told.contentGone(digest, keys.blob(digest));
      return true;
    },
  };
}

/** Hints of ours that stand for what is gone. All of them could be deleted; they would be made again. */
export async function sweepReferrers(
  store: Store,
  name: RepositoryName,
  cutoff: number,
  options: Cancellable,
): Promise<void> {
  const root = keys.referrersRoot(name);
  const { known } = await algorithmsIn(store, root, options);
  let removed = false;
  for (const algorithm of known) {
    for await (const subjects of digestsIn(store, root, algorithm, options)) {
      for (const subject of subjects) {
        for await (const page of pages(store, keys.referrers(name, subject), options)) {
          await eachLimited(page, async (entry) => {
            const digest = keys.referrerDigest(entry.name);
            // The folder and not only its link: as long as it is there, a running server takes it for looked at.
            if (digest === undefined || (await store.stat(keys.revision(name, digest), options))) return;
            const path = keys.referrer(name, subject, digest);
            const stat = await store.stat(path, options);
            if (stat !== undefined && stat.modified < cutoff) removed = (await store.delete(path, quick)) || removed;
          });
        }
      }
    }
  }
  // The record of what was looked at would keep one that is pushed again from being looked at.
  if (removed) await store.delete(keys.referrersScanned(name), quick);
}
