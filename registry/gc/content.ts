/** Content that nothing reaches: what a run may take out of `blobs/`. */
import { type Digest, parseDigest } from '../oci/digest.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Stat, Store } from '../storage/store.ts';
import { createDigestSet, type DigestSet } from './digests.ts';
import { algorithmsIn, eachOf, pages } from './walk.ts';

/** Folders `HH` looked at together. */
const width = 4;

export interface Found {
  readonly digest: Digest;
  /** Where the store tells it along with the name. */
  readonly stat: Stat | undefined;
}

/**
 * Every `ALG/HH/HEX` below `root`, page by page; what is called otherwise is nobody's to delete. `file`: the object in each
 * of these folders that is meant, or nothing if they are objects themselves. Folders without it may be among them.
 */
async function eachSharded(
  store: Store,
  root: string,
  file: string,
  options: Cancellable,
  work: (found: readonly Found[]) => Promise<void>,
): Promise<void> {
  if (store.walk !== undefined) return walkSharded(store, root, file, options, work);
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
          .filter((digest) => digest !== undefined)
          .map((digest) => ({ digest, stat: undefined })),
      );
    }
  });
}

/** A bucket tells names at any depth, a thousand at a time, with their dates. */
async function walkSharded(
  store: Store,
  root: string,
  file: string,
  { signal }: Cancellable,
  work: (found: readonly Found[]) => Promise<void>,
): Promise<void> {
  const name = /^\/([a-z0-9]+)\/([0-9a-f]{2})\/(\2[0-9a-f]+)$/;
  let after: string | undefined;
  for (;;) {
    const page = await store.walk?.(root, { after, signal });
    if (page === undefined || page.objects.length === 0) return;
    const found: Found[] = [];
    for (const stat of page.objects) {
      if (!stat.path.endsWith(file)) continue;
      const [, algorithm, , hex] = name.exec(stat.path.slice(root.length, stat.path.length - file.length)) ?? [];
      const digest = parseDigest(`${algorithm}:${hex}`);
      if (digest !== undefined) found.push({ digest, stat });
    }
    await work(found);
    if (!page.more) return;
    after = page.objects.at(-1)?.path;
  }
}

export const secondsOf = ({ modified }: Stat): number => Math.floor(modified / 1000);

export interface Unmarked {
  /** To be deleted. */
  readonly digests: DigestSet;
  /** When each was written, by its place in `digests`: whole seconds, since listings of a bucket tell more than looks do. */
  readonly dates: readonly number[];
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
  const dates: number[] = [];
  let bytes = 0;
  let spared = 0;
  await eachSharded(store, keys.blobsRoot, '/data', { signal }, (page) =>
    eachLimited(
      page.filter(({ digest }) => !marked.has(digest)),
      async ({ digest, stat }) => {
        const data = stat ?? (await store.stat(keys.blobData(digest), { signal }));
        if (data === undefined || data.isDirectory) return;
        if (data.modified >= cutoff) {
          spared++;
          marked.add(digest);
          return;
        }
        bytes += data.size;
        if (digests.add(digest)) dates.push(secondsOf(data));
      },
    ),
  );
  return { digests, dates, bytes, spared };
}

/** Hints for mounts whose content went, now or before, by whatever program. */
export async function sweepPlaces(
  store: Store,
  marked: DigestSet,
  { cutoff, signal }: Cancellable & { readonly cutoff: number },
): Promise<void> {
  await eachSharded(store, keys.placesRoot, '', { signal }, (page) =>
    eachLimited(
      page.filter(({ digest }) => !marked.has(digest)),
      async ({ digest, stat }) => {
        const path = keys.places(digest);
        const place = stat ?? (await store.stat(path, { signal }));
        if (place === undefined || place.modified >= cutoff) return;
        if (await store.stat(keys.blobData(digest), { signal })) return;
        await store.delete(path, { durable: false });
      },
    ),
  );
}
