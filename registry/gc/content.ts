/** Content that nothing reaches: what a run may take out of `blobs/`. */
import type { Digest } from '../oci/digest.ts';
import { parseDigest } from '../oci/digest.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { createDigestSet, type DigestSet } from './digests.ts';
import { algorithmsIn, eachOf, pages } from './walk.ts';

/** Folders `HH` looked at together. */
const width = 4;

/**
 * Every `ALG/HH/HEX` below `root`, pages of them; `onForeign` is told of paths that are called otherwise, which are nobody's
 * to delete.
 */
export async function eachSharded(
  store: Store,
  root: string,
  options: Cancellable,
  work: (digests: readonly Digest[]) => Promise<void>,
): Promise<void> {
  async function* shards(): AsyncGenerator<{ readonly algorithm: string; readonly shard: string }> {
    for (const algorithm of (await algorithmsIn(store, root, options)).known) {
      for await (const page of pages(store, `${root}/${algorithm}`, options)) {
        for (const { name } of page) if (/^[0-9a-f]{2}$/.test(name)) yield { algorithm, shard: name };
      }
    }
  }
  await eachOf(shards(), width, async ({ algorithm, shard }) => {
    for await (const page of pages(store, `${root}/${algorithm}/${shard}`, options)) {
      await work(
        page
          .filter(({ name }) => name.startsWith(shard))
          .map(({ name }) => parseDigest(`${algorithm}:${name}`))
          .filter((digest) => digest !== undefined),
      );
    }
  });
}

export interface Unmarked {
  /** To be deleted. */
  readonly digests: DigestSet;
  /** Bytes in all. */
  readonly bytes: number;
  /** Content that would be among them, had it not been written since the start; it is marked now. */
  readonly spared: number;
}

/** Looks at all content; what is unmarked and older than `cutoff` (milliseconds, by the store's clock) is given. */
export async function findUnmarked(
  store: Store,
  marked: DigestSet,
  { cutoff, seed, signal }: Cancellable & { readonly cutoff: number; readonly seed: number },
): Promise<Unmarked> {
  const digests = createDigestSet(seed);
  let bytes = 0;
  let spared = 0;
  await eachSharded(store, keys.blobsRoot, { signal }, (page) =>
    eachLimited(
      page.filter((digest) => !marked.has(digest)),
      async (digest) => {
        const data = await store.stat(keys.blobData(digest), { signal });
        if (data === undefined || data.isDirectory) return;
        if (data.modified >= cutoff) {
          spared++;
          marked.add(digest);
          return;
        }
        bytes += data.size;
        digests.add(digest);
      },
    ),
  );
  return { digests, bytes, spared };
}
