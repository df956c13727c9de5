/** A rollout on one container of Azurite: Distribution 3.1 and Berth side by side, with the same `http.secret`; trees of 2.x. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { type Azurite, azureSection, startAzurite } from '../support/azurite.ts';
import { createPushClient, digestOf, type PushClient, types, ways } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { missing, requireTool } from '../support/tools.ts';
import { type Server, startOn } from '../support/tree-peer.ts';

const skip = await missing('azurite-blob', 'distribution');
let azurite: Promise<Azurite> | undefined;
after(async () => (await azurite)?.stop());

interface Side {
  readonly process: RegistryProcess;
  readonly client: PushClient;
}

async function rollout(t: TestContext): Promise<(server: Server) => Promise<Side>> {
  const programs = await requireTool(t, 'distribution');
  azurite ??= startAzurite();
  const storage = { ...azureSection(await (await azurite).container()), redirect: { disable: true } };
  const root = join(await temporaryFolder(t), 'data');
  return async (server) => {
    const paths = { distribution: programs?.distribution ?? '', 'docker-registry': '' };
    const process = await startOn(t, server, root, paths, { storage });
    const client = createPushClient(process.url);
    t.after(() => client.close());
    return { process, client };
  };
}

const pathOf = (location: string): string => {
  const { pathname, search } = new URL(location, 'http://any');
  return pathname + search;
};
const accept = { headers: { accept: types.manifest } };

test('what Distribution 3.1 or Berth pushes, moves and deletes in a container the other knows at once', {
  skip,
}, async (t) => {
  const side = await rollout(t);
  const [berth, other] = [await side('berth'), await side('distribution')];
  const chance = createChance('container');
  for (const [writer, reader] of [
    [berth.client, other.client],
    [other.client, berth.client],
  ] as const) {
    const name = writer === berth.client ? 'by/berth' : 'by/peer';
    const layers = [chance.bytes(6_000_000), chance.bytes(1000), Buffer.alloc(0)];
    for (const way of ways) {
      const { digest } = await writer.pushImage(name, way, layers, way);
      assert.equal((await reader.pullManifest(name, way)).digest, digest);
    }
    for (const layer of layers) await reader.pullBlob(name, digestOf(layer));
    assert.deepEqual([...(await reader.tags(name))].sort(), [...ways].sort());
    assert.ok((await reader.catalog()).includes(name));
    // The same tags again, over what the other wrote: links and blobs of either kind can be replaced.
    for (const client of [reader, writer]) await client.pushImage(name, 'chunks', layers, 'chunks');
    const moved = await writer.pushImage(name, 'chunks', [chance.bytes(500)]);
    const seen = await reader.expect(200, 'HEAD', `/v2/${name}/manifests/chunks`, accept);
    assert.equal(seen.headers['docker-content-digest'], moved.digest);
    await writer.expect(202, 'DELETE', `/v2/${name}/manifests/${moved.digest}`);
    await reader.expect(404, 'GET', `/v2/${name}/manifests/chunks`, accept);
    const target = `/v2/mounted/blobs/uploads/?mount=${digestOf(layers[0] ?? Buffer.alloc(0))}&from=${name}`;
    await reader.expect(201, 'POST', target);
    await writer.pullBlob('mounted', digestOf(layers[0] ?? Buffer.alloc(0)));
  }
  assert.deepEqual(berth.process.complaints(), []);
});

test('an upload begun at Distribution 3.1 is finished at Berth, whatever has come of it', { skip }, async (t) => {
  const side = await rollout(t);
  const [berth, other] = [await side('berth'), await side('distribution')];
  const chance = createChance('uploads in a container');
  const whole = chance.bytes(12_000_000);
  for (const stored of [0, 1000, 7_000_000]) {
    let location = await other.client.beginUpload('app');
    if (stored > 0) location = await other.client.append(location, whole.subarray(0, stored), 0);
    const path = pathOf(location);
    const status = await berth.client.expect(204, 'GET', path);
    assert.equal(status.headers['range'], `0-${Math.max(0, stored - 1)}`, `${stored} bytes`);
    const middle = stored + 2_000_000;
    const next = await berth.client.append(berth.client.url + path, whole.subarray(stored, middle), stored);
    const bytes = Buffer.concat([whole, Buffer.from(`${stored}`)]);
    await berth.client.finishUpload(next, digestOf(bytes), bytes.subarray(middle));
    for (const client of [berth.client, other.client]) await client.pullBlob('app', digestOf(bytes));
  }
  // Everything was sent; only the end is missing, as when the replica is replaced between PATCH and PUT.
  const bytes = chance.bytes(6_000_000);
  const path = pathOf(await other.client.append(await other.client.beginUpload('app'), bytes));
  await berth.client.finishUpload(berth.client.url + path, digestOf(bytes));
  await other.client.pullBlob('app', digestOf(bytes));
  // Cancelled at Berth.
  const doomed = pathOf(await other.client.append(await other.client.beginUpload('app'), bytes));
  await berth.client.expect(204, 'DELETE', doomed);
  await other.client.expect(404, 'GET', doomed);
  assert.deepEqual(berth.process.complaints(), []);
});

test('an upload begun at Berth is a clean 404 at Distribution 3.1, and goes on at Berth', { skip }, async (t) => {
  const side = await rollout(t);
  const [berth, other] = [await side('berth'), await side('distribution')];
  const bytes = createChance('uploads of berth in a container').bytes(7_000_000);
  for (const stored of [0, 1000, 6_000_000]) {
    let location = await berth.client.beginUpload('app');
    if (stored > 0) location = await berth.client.append(location, bytes.subarray(0, stored), 0);
    const path = pathOf(location);
    const { body } = await other.client.expect(404, 'GET', path);
    assert.match(body.toString(), /BLOB_UPLOAD_UNKNOWN/, `${stored} bytes`);
    await berth.client.finishUpload(location, digestOf(bytes), bytes.subarray(stored));
    await other.client.pullBlob('app', digestOf(bytes));
  }
});

test('a tree of Distribution 2.x, whose names begin with a slash, is served and extended as it is', {
  skip,
}, async (t) => {
  azurite ??= startAzurite();
  const { service } = await azurite;
  const config = await (await azurite).container();
  const container = service.getContainerClient(config.container);
  const start = async () => {
    const options = { root: join(await temporaryFolder(t), 'data'), config: { storage: azureSection(config) } };
    const registry = await startRegistry(t, options);
    const client = createPushClient(registry.url);
    t.after(() => client.close());
    return { registry, client };
  };
  // 2.x cannot be led to an emulator, so its tree is written here: links as block blobs, content as an append blob.
  const content = Buffer.from(
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
  );
  const [digest, hex] = [digestOf(content), digestOf(content).slice('sha256:'.length)];
  const repository = '/docker/registry/v2/repositories/old';
  for (const path of [`revisions/sha256/${hex}`, 'tags/v1/current', `tags/v1/index/sha256/${hex}`]) {
    await container.getBlockBlobClient(`${repository}/_manifests/${path}/link`).upload(digest, digest.length);
  }
  const blob = container.getAppendBlobClient(`/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`);
  await blob.create();
  await blob.appendBlock(content, content.length);
  const { registry, client } = await start();
  assert.equal((await client.pullManifest('old', 'v1')).digest, digest);
  await client.pushImage('old', 'v2', [Buffer.from('layer')]);
  assert.deepEqual([...(await client.tags('old'))].sort(), ['v1', 'v2']);
  assert.deepEqual(await client.catalog(), ['old']);
  for await (const { name } of container.listBlobsFlat()) assert.match(name, /^\/docker\/registry\/v2\//);
  assert.deepEqual(registry.complaints(), []);

  await container.getBlockBlobClient('docker/registry/v2/repositories/new/_layers/x').upload('x', 1);
  const second = await start();
  assert.match(second.registry.stderr(), /has two trees: \/docker\/registry\/v2\/ of Distribution 2\.x/);
  assert.deepEqual(await second.client.catalog(), []);
});
