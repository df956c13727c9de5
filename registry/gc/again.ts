/**
 * A second look, between links and bytes: manifests that were pushed while the first was going on. What they point to had
 * its links when the push was checked; if a link went meanwhile, it is put back as long as the bytes are there.
 */
import { type Digest, digestBytes } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import { link } from '../service/links.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import type { DigestSet } from './digests.ts';
import type { Marker } from './mark.ts';
import { loadRevisions, unvisited } from './revisions.ts';

/** What the first look saw of a repository. */
export interface Seen {
  readonly fingerprint: number;
  /** Whether there were folders without a link, in which one may have appeared. */
  readonly hadGone: boolean;
}

export interface AgainDependencies extends Cancellable {
  readonly store: Store;
  readonly marker: Marker;
  readonly untagged: boolean;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly cutoff: number;
  readonly seed: number;
  /** Links that this run took away, by `unlinkedPair`. */
  readonly unlinked: DigestSet;
  /** What was newly marked for a repository since it was last asked. */
  readonly late: (name: RepositoryName) => readonly Digest[];
}

type LinkKind = 'layer' | 'manifest';

/** One set for all repositories: a name and a digest, as a digest. */
export const unlinkedPair = (kind: LinkKind, name: RepositoryName, digest: Digest): Digest =>
  digestBytes('sha256', Buffer.from(`${kind} ${name} ${digest}`));

export async function lookAgain(
  dependencies: AgainDependencies,
  name: RepositoryName,
  seen: Seen | undefined,
): Promise<void> {
  const { store, marker, untagged, cutoff, seed, unlinked, late, signal } = dependencies;
  const options = { signal };
  const revisions = await loadRevisions(store, name, seed, options);
  if (seen !== undefined && seen.fingerprint === revisions.fingerprint && !seen.hadGone) return;

  const fresh: Digest[] = [];
  await eachLimited([...unvisited(revisions)], async (place) => {
    const digest = revisions.digests.at(place);
    // Without `untagged` everything that is there stays anyway.
    const stat = untagged ? await store.stat(keys.revisionLink(name, digest), options) : undefined;
    if (!untagged || (stat !== undefined && stat.modified >= cutoff)) fresh.push(digest);
  });

  async function putBack(kind: LinkKind, path: string, digest: Digest): Promise<boolean> {
    if (!unlinked.has(unlinkedPair(kind, name, digest))) return false;
    const data = await store.stat(keys.blobData(digest), options);
    if (data === undefined || data.isDirectory) return false;
    const { content } = link(path, digest);
    await store.put(path, content, options);
    return true;
  }

  let table = revisions;
  let wanted: readonly Digest[] = fresh;
  while (wanted.length > 0) {
    await marker.keep(table, wanted);
    const manifests: Digest[] = [];
    await eachLimited(late(name), async (digest) => {
      if (await putBack('manifest', keys.revisionLink(name, digest), digest)) manifests.push(digest);
      else await putBack('layer', keys.layerLink(name, digest), digest);
    });
    // Children whose link is back: what hangs on them is looked at as well.
    if (manifests.length > 0) table = await loadRevisions(store, name, seed, options);
    wanted = manifests;
  }
}
