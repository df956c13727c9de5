/**
 * A second look, between links and bytes: manifests that were pushed while the first was going on. What they point to had
 * its links when the push was checked; if a link went meanwhile, it is put back as long as the bytes are there.
 */
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import { link } from '../service/links.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { tagTargets } from './links.ts';
import type { Marker } from './mark.ts';
import { loadRevisions, unvisited } from './revisions.ts';
import type { Taken } from './taken.ts';

/** What the first look saw of a repository. */
export interface Seen {
  readonly fingerprint: number;
  /** Whether there were folders without a link, or links without content, which may have appeared since. */
  readonly hadGaps: boolean;
  /** Whether this run took manifests away, of which one may have been pushed again in that very moment. */
  readonly hasLost: boolean;
}

export interface AgainDependencies extends Cancellable {
  readonly store: Store;
  readonly marker: Marker;
  readonly untagged: boolean;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly cutoff: number;
  readonly seed: number;
  readonly taken: Taken;
}

export async function lookAgain(
  dependencies: AgainDependencies,
  name: RepositoryName,
  seen: Seen | undefined,
): Promise<void> {
  const { store, marker, untagged, cutoff, seed, taken, signal } = dependencies;
  const options = { signal };
  const revisions = await loadRevisions(store, name, seed, options);
  const isSame = seen !== undefined && seen.fingerprint === revisions.fingerprint;
  if (isSame && !seen.hadGaps && !seen.hasLost) return;

  const fresh: Digest[] = [];
  await eachLimited([...unvisited(revisions)], async (place) => {
    const digest = revisions.digests.at(place);
    // Without `untagged` everything that is there stays anyway.
    const stat = untagged ? await store.stat(keys.revisionLink(name, digest), options) : undefined;
    if (!untagged || (stat !== undefined && stat.modified >= cutoff)) fresh.push(digest);
  });

  /** Writes what is wanted of this run's taken links. Gives the manifests that are back. */
  async function putBack(): Promise<readonly Digest[]> {
    const manifests: Digest[] = [];
    await eachLimited(taken.wanted(name), async ({ kind, path, target }) => {
      const data = await store.stat(keys.blobData(target), options);
      if (data === undefined || data.isDirectory) return;
      await store.put(path, link(path, target).content, options);
      if (kind === 'manifest') manifests.push(target);
    });
    return manifests;
  }

  let table = revisions;
  let wanted: readonly Digest[] = fresh;
  if (seen?.hasLost === true) {
    for (const digest of (await tagTargets(store, name, options)).digests) taken.want(name, digest);
    const back = await putBack();
    if (back.length > 0) table = await loadRevisions(store, name, seed, options);
    wanted = [...fresh, ...back];
  }
  while (wanted.length > 0) {
    await marker.keep(table, wanted);
    // Children whose link is back: what hangs on them is looked at as well.
    wanted = await putBack();
    if (wanted.length > 0) table = await loadRevisions(store, name, seed, options);
  }
}
