/**
 * What a collection is just about to delete. Between its look at a date and the deletion, somebody may write the very thing
 * anew, and no store deletes on condition. So the collector names what goes before it looks, and whoever pushes beside it
 * looks for names behind his writes: either the collector finds something new, or the push finds its name there, waits until
 * the deletion is over, and looks what is left.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../oci/digest.ts';
import { fault } from '../oci/error.ts';
import { type Cancellable, type Store, StoreError } from '../storage/store.ts';
import * as keys from './keys.ts';

/** For the collector: runs `work`, which looks and deletes, with these named. */
export type Announce = (digests: readonly Digest[], work: () => Promise<void>) => Promise<void>;

/** Digests worth naming together: with more of them, those who meet one wait longer. */
export const goingTogether = 1_000;

/** To be made under the lease of a collection: what a run before left behind names nothing any more. */
export async function createAnnounce(store: Store, { signal }: Cancellable): Promise<Announce> {
  const quick = { durable: false } as const;
  await store.delete(keys.goingRoot, { ...quick, signal });
  let count = 0;
  return async (digests, work) => {
    if (digests.length === 0) return work();
    const path = keys.going(String(count++));
    try {
      await store.put(path, Buffer.from(digests.join('\n'), 'latin1'), { ...quick, signal });
    } catch (error) {
      // Where there is no space for names, nobody pushes; and deleting is what gives space again.
      if (!(error instanceof StoreError) || error.code !== 'no-space') throw error;
    }
    await work();
    // If that failed the run ends, and other deletions may be under way still: then the names stay.
    await store.delete(path, quick);
  };
}

/** Milliseconds between two looks, and in all. */
const poll = 50;
const patience = 30_000;

/** For pushes: resolves when none of these is just being deleted. Throws UNAVAILABLE if that takes too long. */
export async function untilSettled(
  store: Store,
  digests: readonly Digest[],
  options: Cancellable & { readonly clock: () => number },
): Promise<void> {
  const { clock, signal } = options;
  const begun = clock();
  const page = await store.list(keys.goingRoot, { signal });
  for (const { name } of page?.entries ?? []) {
    const path = keys.going(name);
    for (;;) {
      const named = (await store.read(path, { signal }))?.toString('latin1').split('\n') ?? [];
      if (!digests.some((digest) => named.includes(digest))) break;
      if (clock() - begun > patience)
        throw fault('UNAVAILABLE', 'the same content is just being removed; push it again');
      await sleep(poll, undefined, signal === undefined ? {} : { signal });
    }
  }
}
