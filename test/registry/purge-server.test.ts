/** The purge in running servers: by the conformance group, and by two replicas of which one does it. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { expectClean, runConformance } from '../support/conformance.ts';
import { eventually } from '../support/eventually.ts';
import { createPushClient } from '../support/push-client.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';

const soon = {
  log: { level: 'info' },
  storage: { maintenance: { uploadpurging: { enabled: true, age: '1s', interval: '2s', dryrun: false } } },
};

test('conformance group purge, two replicas on one folder: one of them purges in each interval', async (t) => {
  const root = join(await temporaryFolder(t), 'data');
  const servers = [await startRegistry(t, { root, config: soon }), await startRegistry(t, { root, config: soon })];
  const [first] = servers;
  assert.ok(first);
  expectClean(await runConformance(first.url, '--group', 'purge', '--keep'));
  const purges = (text: string): number => text.split('PurgeUploads starting').length - 1;
  const skips = (text: string): number => text.split('upload purge: ').length - 1;
  await eventually(() => assert.ok(servers.every((server) => purges(server.stderr()) + skips(server.stderr()) >= 3)));
  const runs = servers.map((server) => purges(server.stderr()) + skips(server.stderr()));
  const done = servers.map((server) => purges(server.stderr()));
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  assert.ok(
    sum(done) < sum(runs),
    `${done.join(' and ')} purges of ${runs.join(' and ')}: each replica did all of them`,
  );
  for (const server of servers) assert.deepEqual(server.complaints(), []);
});

test('a dry run only tells; a server that ends in between leaves nothing behind', async (t) => {
  const root = join(await temporaryFolder(t), 'data');
  const dry = {
    ...soon,
    storage: { maintenance: { uploadpurging: { ...soon.storage.maintenance.uploadpurging, dryrun: true } } },
  };
  const server = await startRegistry(t, { root, config: dry });
  const client = createPushClient(server.url);
  t.after(() => client.close());
  const location = await client.beginUpload('app');
  await eventually(() => assert.match(server.stderr(), /upload is older than the purge date/));
  await client.expect(204, 'GET', location);
  assert.equal(await server.stop(), 0);
  assert.equal((await readdir(join(root, 'docker/registry/v2/repositories/app/_uploads'))).length, 1);
  assert.deepEqual(server.complaints(), []);
});
