/**
 * The storage contract as tests: the 36 cases of Distribution's driver suite in the words of `registry/storage/store.ts`,
 * and ours. Every driver runs all of them; after each case nothing may be left in the store.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ground, Subject } from './conformance-case.ts';
import { directoryCases } from './conformance-directories.ts';
import { listingCases } from './conformance-listings.ts';
import { objectCases } from './conformance-objects.ts';
import { streamCases } from './conformance-streams.ts';
import { swapCases } from './conformance-swap.ts';
import { uploadCases } from './conformance-uploads.ts';

/** Declares all cases for one driver. */
export function storeConformance(subject: Subject): void {
  const groups = {
    objects: objectCases,
    directories: directoryCases,
    listings: listingCases,
    streams: streamCases,
    swaps: swapCases,
    uploads: uploadCases,
  };
  for (const [group, cases] of Object.entries(groups)) {
    describe(`${subject.driver} store: ${group}`, () => {
      for (const { name, run } of cases) {
        it(name, async (t) => {
          const ground = await subject.begin(t);
          await run(ground, subject);
          await ground.inspect?.();
          await leavesNothing(ground);
          await ground.inspectEmpty?.();
        });
      }
    });
  }
}

async function leavesNothing({ store, peer }: Ground): Promise<void> {
  for (const { name } of (await store.list('/'))?.entries ?? []) assert.equal(await store.delete(`/${name}`), true);
  assert.deepEqual((await store.list('/'))?.entries, []);
  assert.deepEqual((await peer.list('/'))?.entries, []);
}
