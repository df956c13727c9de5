/** Damaged and foreign things in a tree: never a 500, and the next push repairs what it touches. */
import assert from 'node:assert/strict';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPushClient, digestOf, type PushClient, types } from '../support/push-client.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { type Damage, damages, type Expected, elsewhere, folderAt, overwrite, type Victim } from './trees-damages.ts';

async function plant(client: PushClient, root: string, at: number): Promise<Victim> {
  const name = `victims/number-${at}`;
  const layers = [Buffer.alloc(300_000, `layer ${at} `), Buffer.from(`small layer ${at}`)];
  const image = await client.pushImage(name, 'v1', layers);
  const tree = join(root, 'docker/registry/v2');
  const repository = join(tree, 'repositories', name);
  const dataOf = (digest: string): string => join(tree, 'blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data');
  const layer = digestOf(layers[0] ?? Buffer.alloc(0));
  return {
    ...{ name, image, layers, tree, repository, tag: join(repository, '_manifests/tags/v1') },
    revision: join(repository, '_manifests/revisions/sha256', image.digest.slice(7)),
    layerLink: join(repository, '_layers/sha256', layer.slice(7), 'link'),
    layerData: dataOf(layer),
    manifestData: dataOf(image.digest),
  };
}

/** Asks for everything that has to do with the image. */
async function look(
  client: PushClient,
  { name, image, layers }: Victim,
  { byTag, byDigest, blob }: Expected,
): Promise<void> {
  const ask = async (method: 'GET' | 'HEAD' | 'POST', path: string, expected: number | undefined): Promise<void> => {
    // A body that is shorter than was promised breaks the connection, which is as loud as it can be.
    const reply = await client.send(method, path);
    if (expected === undefined) assert.ok(reply.status < 500, `${method} ${path} answered ${reply.status}`);
    else assert.equal(reply.status, expected, `${method} ${path}`);
  };
  const layer = digestOf(layers[0] ?? Buffer.alloc(0));
  for (const method of ['GET', 'HEAD'] as const) {
    await ask(method, `/v2/${name}/manifests/v1`, byTag);
    await ask(method, `/v2/${name}/manifests/${image.digest}`, byDigest);
    await ask(method, `/v2/${name}/blobs/${layer}`, blob);
  }
  const reply = await client.expect(200, 'GET', `/v2/${name}/tags/list`);
  const listed = (JSON.parse(reply.body.toString()) as { tags: string[] }).tags;
  if (byTag === 200) assert.deepEqual(listed, ['v1']);
  await ask('GET', `/v2/${name}/referrers/${image.digest}`, 200);
  await ask('POST', `/v2/${name}/blobs/uploads/?mount=${layer}&from=${name}`, blob === 404 ? 202 : undefined);
  await ask('POST', `/v2/other/blobs/uploads/?mount=${layer}`, undefined);
  assert.ok((await client.catalog()).includes(name));
}

test('a damaged tree never gives a 500, and the next push repairs it', async (t) => {
  const root = join(await temporaryFolder(t), 'data');
  const server = await startRegistry(t, { root });
  const client = createPushClient(server.url);
  t.after(() => client.close());
  const victims: { victim: Victim; damage: Damage }[] = [];
  for (const [at, damage] of damages.entries()) {
    await t.test(damage.what, async () => {
      const victim = await plant(client, root, at);
      await look(client, victim, { byTag: 200, byDigest: 200, blob: 200 });
      await damage.harm(victim);
      await look(client, victim, damage);
      victims.push({ victim, damage });
    });
  }
  await server.stop();
  assert.deepEqual(server.complaints(), []);

  const again = await startRegistry(t, { root, port: server.port });
  await t.test('after a restart, with nothing in memory', async () => {
    for (const { victim, damage } of victims) await look(client, victim, damage.cold ?? damage);
  });
  await t.test('the next push repairs', async () => {
    for (const { victim, damage } of victims) {
      const { digest } = await client.pushImage(victim.name, 'v1', victim.layers);
      assert.equal(digest, victim.image.digest);
      for (const reference of ['v1', digest])
        assert.equal((await client.pullManifest(victim.name, reference)).digest, digest, damage.what);
      for (const layer of victim.layers) await client.pullBlob(victim.name, digestOf(layer));
      assert.deepEqual(await client.tags(victim.name), ['v1'], damage.what);
    }
  });
  await t.test('and everything can be deleted', async () => {
    for (const { victim } of victims) {
      await client.expect(202, 'DELETE', `/v2/${victim.name}/manifests/${victim.image.digest}`);
      await client.expect(404, 'GET', `/v2/${victim.name}/manifests/v1`);
    }
  });
  assert.deepEqual(again.complaints(), []);
});

test('what is no repository, or no longer one, is told apart', async (t) => {
  const root = join(await temporaryFolder(t), 'data');
  const repositories = join(root, 'docker/registry/v2/repositories');
  const schema1 = Buffer.from(JSON.stringify({ schemaVersion: 1, name: 'old', tag: 'v1', fsLayers: [], history: [] }));
  const hex = digestOf(schema1).slice(7);
  await overwrite(join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'), schema1);
  await overwrite(join(repositories, 'old/_manifests/revisions/sha256', hex, 'link'), `sha256:${hex}`);
  await overwrite(join(repositories, 'old/_manifests/tags/v1/current/link'), `sha256:${hex}`);
  await mkdir(join(repositories, 'empty/_manifests/tags'), { recursive: true });
  await mkdir(join(repositories, 'bare/_layers/sha256'), { recursive: true });
  await mkdir(join(repositories, 'Upper/_manifests'), { recursive: true });
  await overwrite(join(repositories, 'tagsfile/_manifests/tags'), '');
  await overwrite(join(repositories, 'manifestsfile/_manifests'), '');
  await mkdir(join(repositories, 'd/e/e/p'), { recursive: true });
  await symlink('nowhere', join(repositories, 'dangling'));
  const server = await startRegistry(t, { root });
  const client = createPushClient(server.url);
  t.after(() => client.close());

  const listed = await client.catalog();
  for (const name of ['old', 'empty']) assert.ok(listed.includes(name), name);
  for (const name of ['bare', 'Upper', 'd/e/e/p', 'dangling']) assert.ok(!listed.includes(name), name);
  for (const name of ['empty', 'old', 'bare', 'tagsfile', 'manifestsfile', 'd/e/e', 'loop', 'dangling', 'nothing']) {
    await client.expect([200, 404], 'GET', `/v2/${name}/tags/list`);
    await client.expect(404, 'GET', `/v2/${name}/manifests/latest`);
    await client.expect(404, 'GET', `/v2/${name}/blobs/${elsewhere}`);
    await client.expect(200, 'GET', `/v2/${name}/referrers/${elsewhere}`);
  }
  // Schema 1 is always served, under the digest of what is stored.
  const old = await client.expect(200, 'GET', '/v2/old/manifests/v1', { headers: { accept: types.manifest } });
  assert.equal(old.headers['docker-content-digest'], `sha256:${hex}`);
  for (const name of ['empty', 'old', 'bare', 'd/e/e/p']) {
    const { digest } = await client.pushImage(name, 'v1', [Buffer.from('layer')]);
    assert.equal((await client.pullManifest(name, 'v1')).digest, digest);
  }
  assert.deepEqual(server.complaints(), []);
});

test('damaged bookkeeping of an upload costs reading again, or the upload, never a wrong blob', async (t) => {
  const root = join(await temporaryFolder(t), 'data');
  let running = await startRegistry(t, { root });
  const client = createPushClient(running.url);
  t.after(() => client.close());
  const bytes = Buffer.alloc(10_000_000, 'upload');
  const begin = async () => {
    const location = await client.append(await client.beginUpload('app'), bytes.subarray(0, 5_000_000));
    const id = new URL(location).pathname.split('/').at(-1) ?? '';
    return { location, folder: join(root, 'docker/registry/v2/repositories/app/_uploads', id) };
  };
  const harms: readonly ((folder: string) => Promise<unknown>)[] = [
    (folder) => writeFile(join(folder, 'progress'), 'garbage'),
    (folder) => writeFile(join(folder, 'progress'), `4999999 ${elsewhere}`),
    (folder) => folderAt(join(folder, 'progress')),
    (folder) => rm(join(folder, 'startedat')),
    (folder) => overwrite(join(folder, 'hashstates/sha256/5000000'), 'garbage'),
  ];
  for (const harm of harms) {
    const { location, folder } = await begin();
    await harm(folder);
    await running.stop();
    running = await startRegistry(t, { root, port: running.port });
    const status = await client.expect(204, 'GET', location);
    assert.equal(status.headers['range'], '0-4999999');
    await client.finishUpload(location, digestOf(bytes), bytes.subarray(5_000_000));
    await client.pullBlob('app', digestOf(bytes));
    assert.deepEqual(running.complaints(), []);
  }
  const { location, folder } = await begin();
  await folderAt(join(folder, 'data'));
  await client.expect(404, 'GET', location);
  await client.expect(404, 'PATCH', location, { body: bytes });
  await client.expect(404, 'PUT', `${location}&digest=${digestOf(bytes)}`, { body: bytes });
});
