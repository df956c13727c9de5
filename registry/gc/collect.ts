/**
 * Garbage collection: mark and sweep over a whole store, as `registry garbage-collect` does it. What is deleted is what
 * Distribution deletes, less its faults; the order is one in which nothing that is pointed to is ever without its content,
 * wherever the process is stopped. Whoever pushes beside it has been given notice (`service/collections`) before it begins.
 *
 *  1. mark, repository by repository; then what was marked from another repository, until nothing more is found
 *  2. look for content that is unmarked
 *  3. manifests without a tag (with `untagged`), links to unmarked layers, hints of ours that stand for what is gone
 *  4. a second look at repositories that changed meanwhile, and at the links that are left
 *  5. content
 */
import type { Logger } from '../log.ts';
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import { type Announce, createAnnounce, goingTogether } from '../service/going.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { lookAgain, type Seen } from './again.ts';
import { findUnmarked, sweepPlaces } from './content.ts';
import { createDigestSet } from './digests.ts';
import { tagTargets } from './links.ts';
import { createMarker } from './mark.ts';
import type { CollectOutput } from './output.ts';
import { createManifestReader } from './reader.ts';
import { dangling, gone, printOf, type Revisions, sumOf, unreached } from './revisions.ts';
import { createSweeper, sweepReferrers } from './sweep.ts';
import { createTaken } from './taken.ts';
import { eachOf, repositories } from './walk.ts';

export interface CollectOptions extends Cancellable {
  /** Tells what would be deleted, and writes nothing. */
  readonly dryRun: boolean;
  /** Manifests that no tag points to go as well. */
  readonly untagged: boolean;
  /** Milliseconds since the epoch, by the store's clock: what was written from then on stays. */
  readonly cutoff: number;
  /** Any number that clients cannot know. */
  readonly seed: number;
}

export interface CollectDependencies {
  readonly store: Store;
  readonly log: Logger;
  readonly output: CollectOutput;
  /** Told of each membership, and (without a name) of each content, that was deleted: caches that others share. */
  readonly forget: (name: RepositoryName | undefined, digest: Digest) => Promise<void>;
}

/** Counts of one run. */
export interface Summary {
  repositories: number;
  manifests: number;
  /** Digests that are kept, whether their content is here or not. */
  marked: number;
  eligible: { blobs: number; bytes: number; manifests: number; manifestLinks: number; layerLinks: number };
  deleted: { blobs: number; manifests: number };
  /** Content that was unmarked but written since the start. */
  spared: number;
  /** Repositories of which everything is kept, since something in them could not be understood. */
  kept: string[];
}

/** Repositories worked on at once. */
const width = 4;
const keptNamed = 1000;

export async function collect(options: CollectOptions, dependencies: CollectDependencies): Promise<Summary> {
  const { dryRun, untagged, cutoff, seed, signal } = options;
  const { store, log, output, forget } = dependencies;
  const marked = createDigestSet(seed);
  const taken = createTaken(seed);
  const seen = new Map<RepositoryName, Seen>();
  const pending = new Map<RepositoryName, Revisions>();
  let isSecondLook = false;
  const summary: Summary = {
    repositories: 0,
    manifests: 0,
    marked: 0,
    eligible: { blobs: 0, bytes: 0, manifests: 0, manifestLinks: 0, layerLinks: 0 },
    deleted: { blobs: 0, manifests: 0 },
    spared: 0,
    kept: [],
  };

  const marker = createMarker({
    store,
    read: createManifestReader(store),
    marked,
    untagged,
    cutoff,
    seed,
    signal,
    formerly: taken.formerly,
    told: {
      manifest(name, digest, isNew) {
        if (isSecondLook && !isNew) return;
        summary.manifests++;
        output.line(`${name}: marking manifest ${digest} `);
      },
      blob(name, digest, isNew) {
        if (isSecondLook) taken.want(name, digest);
        if (isNew) output.line(`${name}: marking blob ${digest}`);
      },
      kept(name, fields, reason) {
        if (summary.kept.length < keptNamed && !summary.kept.includes(name)) summary.kept.push(name);
        log.warn(fields, reason);
      },
    },
  });

  const announce: Announce = dryRun ? (_digests, work) => work() : await createAnnounce(store, { signal });
  const sweeper = createSweeper({
    store,
    announce,
    marked,
    cutoff,
    dryRun,
    signal,
    told: {
      layer(name, folder) {
        summary.eligible.layerLinks++;
        output.line(`${name}: layer link eligible for deletion: ${folder.replace(/\/([^/]+)$/, ':$1')}`);
      },
      damagedLayer(path) {
        log.warn({ path }, 'a damaged link to a layer stands for nothing that could be told, and is left alone');
      },
      async manifestGone(name, digest) {
        taken.manifest(name, digest);
        await forget(name, digest);
      },
      async layerGone(name, folder, digest, target) {
        taken.layer(name, folder, target);
        if (digest !== undefined) await forget(name, digest);
      },
      async contentGone(digest, path) {
        log.info({}, `Deleting blob: ${path}`);
        await forget(undefined, digest);
      },
    },
  });

  async function mark(): Promise<void> {
    const isThere = async (path: string): Promise<boolean> => (await store.stat(path, { signal })) !== undefined;
    // Half a restore or a wrong mount, rather than a store of which nothing is wanted any more.
    if (!(await isThere(keys.repositoriesRoot)) && (await isThere(keys.blobsRoot))) {
      throw new Error(
        `there is content in ${keys.blobsRoot} and no ${keys.repositoriesRoot}, so all of it would be deleted; ` +
          'look whether the storage is whole, or delete the content by hand',
      );
    }
    await eachOf(repositories(store, { signal }), width, async ({ name, hasManifests }) => {
      if (!hasManifests) return;
      output.line(name);
      const revisions = await marker.repository(name);
      summary.repositories++;
      output.progress(`marking: ${summary.repositories} repositories, ${summary.manifests} manifests`);
      const hadGaps = revisions.flags.some((flag) => (flag & (gone | dangling)) !== 0);
      seen.set(name, { fingerprint: revisions.fingerprint, hadGaps, hasLost: false });
      if (!unreached(revisions, true).next().done || !unreached(revisions, false).next().done) {
        pending.set(name, revisions);
      }
    });
    for (let found = true; found; ) {
      found = false;
      for (const revisions of pending.values()) found = (await marker.adopt(revisions)) || found;
    }
  }

  /** Names what goes of a repository's manifests. */
  async function describe(revisions: Revisions): Promise<readonly string[]> {
    const { names } = await tagTargets(store, revisions.name, { signal });
    const shown = names.length > tagsShown ? [...names.slice(0, tagsShown), '…'] : names;
    for (const digest of unreached(revisions, true)) {
      summary.eligible.manifests++;
      output.line(`manifest eligible for deletion: {${revisions.name} ${digest} [${shown.join(' ')}]}`);
    }
    for (const digest of unreached(revisions, false)) {
      summary.eligible.manifestLinks++;
      output.line(`${revisions.name}: manifest link without content eligible for deletion: ${digest}`);
    }
    return names;
  }

  async function sweepManifests(revisions: Revisions): Promise<void> {
    const { name } = revisions;
    // A tag may have been set since.
    const { digests, names } = await tagTargets(store, name, { signal });
    await marker.keep(revisions, digests);
    const { went, stay } = await sweeper.manifests(revisions, names);
    await marker.keep(revisions, stay);
    summary.deleted.manifests += went.length;
    const before = seen.get(name);
    if (before === undefined) return;
    const fingerprint = went.reduce((sum, digest) => sumOf(sum, -printOf(digest)), before.fingerprint);
    seen.set(name, { ...before, fingerprint, hasLost: before.hasLost || went.length > 0 });
    output.progress(`deleting manifests: ${summary.deleted.manifests}`);
  }

  await mark();
  for (const revisions of pending.values()) await describe(revisions);
  output.progress('looking for content that nothing points to');
  const unmarked = await findUnmarked(store, marked, { cutoff, seed, signal });
  summary.marked = marked.size - unmarked.spared;
  summary.spared = unmarked.spared;
  summary.eligible.blobs = unmarked.digests.size;
  summary.eligible.bytes = unmarked.bytes;
  const { eligible } = summary;
  output.line(
    `\n${summary.marked} blobs marked, ${eligible.blobs} blobs and ${eligible.manifests} manifests eligible for deletion`,
  );

  for (const revisions of dryRun ? [] : pending.values()) await sweepManifests(revisions);
  pending.clear();
  await eachOf(repositories(store, { signal }), width, async ({ name, hasLayers, hasReferrers }) => {
    if (hasLayers) await sweeper.layers(name);
    if (hasReferrers && !dryRun) await sweepReferrers(store, name, cutoff, { signal });
    output.progress(`deleting links: ${summary.eligible.layerLinks}`);
  });
  if (!dryRun) {
    isSecondLook = true;
    const again = { store, marker, untagged, cutoff, seed, taken, signal };
    await eachOf(repositories(store, { signal }), width, async ({ name, hasManifests, hasLayers }) => {
      if (hasManifests) await lookAgain(again, name, seen.get(name));
      // A link that came behind the sweep may be one of a mount: its content is old, and in use.
      if (hasLayers && unmarked.digests.size > 0) await sweeper.linked(name);
    });
  }

  await sweepContent();
  return summary;

  async function sweepContent(): Promise<void> {
    let batch: Digest[] = [];
    const flush = async (): Promise<void> => {
      const named = dryRun ? batch : batch.filter((digest) => !marked.has(digest));
      await announce(named, () =>
        eachLimited(named, async (digest) => {
          output.line(`blob eligible for deletion: ${digest}`);
          if (!dryRun && (await sweeper.blob(digest, unmarked.dates[unmarked.digests.indexOf(digest)])))
            summary.deleted.blobs++;
        }),
      );
      batch = [];
      output.progress(`deleting content: ${summary.deleted.blobs} of ${eligible.blobs}`);
    };
    for (const digest of unmarked.digests.values()) {
      if (batch.push(digest) >= goingTogether) await flush();
    }
    await flush();
    if (!dryRun) await sweepPlaces(store, marked, { cutoff, signal });
  }
}

/** Tags named beside a manifest that goes; Distribution names all, which is quadratic. */
const tagsShown = 100;
