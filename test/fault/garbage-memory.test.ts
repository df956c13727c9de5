/** A store of 10^5 blobs is collected within 512 MiB. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fastFolder } from '../support/fast-folder.ts';
import { assertCollected, collectMany, plantMany } from '../support/garbage-many.ts';

test('garbage-collect on 10^5 blobs takes at most 512 MiB', async (t) => {
  const root = await fastFolder(t, 2 * 1024 ** 3);
  const planted = plantMany(root, 100_000);
  const dry = await collectMany(root, 192, '--dry-run');
  const real = await collectMany(root, 192);
  t.diagnostic(
    `${planted.blobs} blobs: peak ${dry.peak} MiB in ${dry.summary.seconds} s dry, ${real.peak} MiB in ${real.summary.seconds} s`,
  );
  assert.deepEqual(dry.summary.eligible, real.summary.eligible);
  assertCollected(root, planted, real);
  assert.ok(real.peak > 50 && real.peak <= 512 && dry.peak <= 512, `${dry.peak} MiB dry, ${real.peak} MiB`);
});
