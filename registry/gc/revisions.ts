/** The manifests of one repository as a run sees them: what is there, what was reached, what stands for what. */
import { type Digest, encodedOf } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { createDigestSet, type DigestSet } from './digests.ts';
import { algorithmsIn, digestsIn } from './walk.ts';

export interface Revisions {
  readonly name: RepositoryName;
  readonly digests: DigestSet;
  /** Sum of `printOf` over all: another one tells that something came or went. */
  readonly fingerprint: number;
  /** Folders that are no algorithm's: what they hold, nobody can tell. */
  readonly foreign: readonly string[];
  /** By place in `digests`: what became of each. */
  readonly flags: Uint8Array;
  /** By place in `digests`: the place of its subject, -1 without one here. Only of those that were surveyed. */
  readonly subjects: Int32Array;
}

/** It is kept, and what it points to is marked. */
export const visited = 1;
/** There is a folder, but no link in it: it was deleted, or is just being pushed. */
export const gone = 2;
/** There is a link, but no content. */
export const dangling = 4;

const prints = 2 ** 48;
export const printOf = (digest: Digest): number => Number.parseInt(encodedOf(digest).slice(0, 12), 16);
export const sumOf = (one: number, other: number): number => (one + other + prints) % prints;

export async function loadRevisions(
  store: Store,
  name: RepositoryName,
  seed: number,
  options: Cancellable,
): Promise<Revisions> {
  const digests = createDigestSet(seed);
  let fingerprint = 0;
  const root = keys.revisionsRoot(name);
  const { known, unknown } = await algorithmsIn(store, root, options);
  for (const algorithm of known) {
    for await (const page of digestsIn(store, root, algorithm, options)) {
      for (const digest of page) {
        digests.add(digest);
        fingerprint = sumOf(fingerprint, printOf(digest));
      }
    }
  }
  return {
    name,
    digests,
    fingerprint,
    foreign: unknown,
    flags: new Uint8Array(digests.size),
    subjects: new Int32Array(digests.size).fill(-1),
  };
}

/** Places of those that are there and were not reached. */
export function* unvisited({ digests, flags }: Revisions): Generator<number> {
  for (let place = 0; place < digests.size; place++) if (((flags[place] ?? 0) & (visited | gone)) === 0) yield place;
}

/** The same as digests: manifests that nothing reaches (`content`), or links to manifests that are not there. */
export function* unreached(revisions: Revisions, content: boolean): Generator<Digest> {
  for (const place of unvisited(revisions)) {
    if (((revisions.flags[place] ?? 0) & dangling) === (content ? 0 : dangling)) yield revisions.digests.at(place);
  }
}
