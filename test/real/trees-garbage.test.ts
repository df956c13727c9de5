/** Garbage collection and upload purge by the other programs, on a tree with Berth's side files, behind Berth's warm caches. */
import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPushClient, digestOf, type PushClient } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { assertTree, openUpload, plantTree, subjectName, takeLoose } from '../support/tree.ts';
import { garbageCollect, type Peer } from '../support/tree-peer.ts';

const peers: readonly Peer[] = ['distribution', 'docker-registry'];

async function referrersOf(client: PushClient, digest: string): Promise<readonly string[]> {
  const { body } = await client.expect(200, 'GET', `/v2/${subjectName}/referrers/${digest}`);
  return (JSON.parse(body.toString()) as { manifests: { digest: string }[] }).manifests
    .map((found) => found.digest)
    .sort();
}

for (const peer of peers) {
  test(`garbage-collect of ${peer} walks past what is ours; Berth serves what is left and takes the rest again`, async (t) => {
    const programs = await requireTool(t, peer);
    if (!programs) return;
    const root = join(await temporaryFolder(t), 'data');
    const server = await startRegistry(t, { root });
    const client = createPushClient(server.url);
    t.after(() => client.close());
    const { tree, referred, upload } = await plantTree(client, `garbage of ${peer}`, {
      // Distribution 3.1 stops at its own second link to a blob that it sweeps, whoever wrote the tree.
      alias: peer !== 'distribution',
    });
    await assertTree(client, tree);
    await referrersOf(client, referred.subject.digest);
    const v2 = join(root, 'docker/registry/v2');
    assert.ok(globSync('repositories/**/_referrers', { cwd: v2 }).length > 0 && existsSync(join(v2, '_berth')));
    assert.ok(globSync('repositories/**/_uploads/*/progress', { cwd: v2 }).length > 0);

    await garbageCollect(programs[peer], root);
    const loose = takeLoose(tree);
    assert.ok(loose.size > 0);
    // 2.8 keeps the links of what it sweeps: bytes are looked for all the same.
    await assertTree(client, tree);
    for (const [name, contents] of loose) {
      for (const bytes of contents) {
        await client.expect(404, 'HEAD', `/v2/${name}/blobs/${digestOf(bytes)}`);
        await client.expect(202, 'POST', `/v2/${name}/blobs/uploads/?mount=${digestOf(bytes)}`);
        await client.pushBlob(name, bytes);
        await client.pullBlob(name, digestOf(bytes));
      }
    }
    await client.finishUpload(
      client.url + upload.location,
      digestOf(upload.bytes),
      upload.bytes.subarray(upload.stored),
    );
    assert.deepEqual(await referrersOf(client, referred.subject.digest), [...referred.referrers].sort());
    assert.deepEqual(server.complaints(), []);
  });

  test(`garbage-collect --delete-untagged of ${peer}: what it unlinked is gone in Berth too, and can be pushed again`, async (t) => {
    const programs = await requireTool(t, peer);
    if (!programs) return;
    const root = join(await temporaryFolder(t), 'data');
    const server = await startRegistry(t, { root });
    const client = createPushClient(server.url);
    t.after(() => client.close());
    const layers = [createChance(peer).bytes(10_000)];
    const kept = await client.pushImage('app', 'kept', [Buffer.from('kept')]);
    const untagged = await client.pushImage('app', undefined, layers);
    const subject = { mediaType: kept.mediaType, digest: kept.digest, size: kept.bytes.length };
    const config = JSON.parse(kept.bytes.toString()).config as object;
    const artifact = { schemaVersion: 2, mediaType: kept.mediaType, config, layers: [], subject };
    const referrer = await client.pushManifest('app', digestOf(Buffer.from(JSON.stringify(artifact))), artifact);
    const referrers = async (): Promise<number> => {
      const { body } = await client.expect(200, 'GET', `/v2/app/referrers/${kept.digest}`);
      return (JSON.parse(body.toString()) as { manifests: unknown[] }).manifests.length;
    };
    assert.equal(await referrers(), 1);
    await client.pullManifest('app', untagged.digest);

    await garbageCollect(programs[peer], root, '--delete-untagged');
    for (const { digest } of [untagged, referrer]) await client.expect(404, 'GET', `/v2/app/manifests/${digest}`);
    for (const bytes of layers) await client.expect(404, 'GET', `/v2/app/blobs/${digestOf(bytes)}`);
    assert.equal(await referrers(), 0);
    assert.equal((await client.pullManifest('app', 'kept')).digest, kept.digest);
    const body = untagged.bytes;
    await client.expect(400, 'PUT', '/v2/app/manifests/again', {
      headers: { 'content-type': untagged.mediaType },
      body,
    });

    assert.equal((await client.pushImage('app', 'again', layers)).digest, untagged.digest);
    assert.equal((await client.pullManifest('app', 'again')).digest, untagged.digest);
    for (const bytes of layers) await client.pullBlob('app', digestOf(bytes));
    assert.equal((await client.pushManifest('app', referrer.digest, artifact)).digest, referrer.digest);
    assert.equal(await referrers(), 1);
    assert.deepEqual(server.complaints(), []);
  });
}

test('everything of ours beside the tree can be deleted: it is made again from the rest', async (t) => {
  const root = join(await temporaryFolder(t), 'data');
  const server = await startRegistry(t, { root });
  const client = createPushClient(server.url);
  t.after(() => client.close());
  const { tree, referred } = await plantTree(client, 'ours');
  const upload = await openUpload(client, 'ours', createChance('ours'));
  const v2 = join(root, 'docker/registry/v2');
  const ours = globSync(['_berth', 'repositories/**/_referrers', 'repositories/**/_uploads/*/progress'], { cwd: v2 });
  assert.ok(ours.length >= 3);
  for (const path of ours) await rm(join(v2, path), { recursive: true });
  await server.stop();
  const again = await startRegistry(t, { root, port: server.port });
  await assertTree(client, tree);
  assert.deepEqual(await referrersOf(client, referred.subject.digest), [...referred.referrers].sort());
  await client.finishUpload(client.url + upload.location, digestOf(upload.bytes), upload.bytes.subarray(upload.stored));
  assert.deepEqual(again.complaints(), []);
});
