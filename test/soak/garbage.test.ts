/** A store of 10^6 blobs on disk is collected within 512 MiB. Takes a while, and about 10 GB and 5 million files for its time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertCollected, collectMany, plantMany } from '../support/garbage-many.ts';
import { temporaryFolder } from '../support/registry-process.ts';

test('garbage-collect on 10^6 blobs takes at most 512 MiB', { timeout: 2 * 3600_000 }, async (t) => {
  const root = await temporaryFolder(t);
  const planted = plantMany(root, 1_000_000);
  const dry = await collectMany(root, 256, '--dry-run');
  t.diagnostic(`${planted.blobs} blobs: peak ${dry.peak} MiB in ${dry.summary.seconds} s dry`);
  const real = await collectMany(root, 256);
  t.diagnostic(`peak ${real.peak} MiB in ${real.summary.seconds} s`);
  assert.deepEqual(dry.summary.eligible, real.summary.eligible);
  assertCollected(root, planted, real);
  assert.ok(real.peak <= 512 && dry.peak <= 512, `${dry.peak} MiB dry, ${real.peak} MiB`);
});
