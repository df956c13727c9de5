/** A rollout on one bucket: Distribution 3.1, 2.8 and Berth side by side, with the same `http.secret`. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { createPushClient, digestOf, type PushClient, types, ways } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { type RegistryProcess, temporaryFolder } from '../support/registry-process.ts';
import { uploadsIn } from '../support/s3-bucket.ts';
import { type S3Server, startS3, storageSection } from '../support/s3-server.ts';
import { requireTool, skip } from '../support/tools.ts';
import { type Peer, type Server, startOn } from '../support/tree-peer.ts';

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

interface Side {
  readonly process: RegistryProcess;
  readonly client: PushClient;
}

interface Rollout {
  readonly server: S3Server;
  readonly bucket: string;
  readonly side: (server: Server) => Promise<Side>;
}

async function rollout(t: TestContext): Promise<Rollout | undefined> {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return undefined;
  if ('reason' in s3) {
    skip(t, s3.reason);
    return undefined;
  }
  const config = await s3.bucket();
  const storage = { ...storageSection(config), redirect: { disable: true } };
  const root = join(await temporaryFolder(t), 'data');
  return {
    server: s3,
    bucket: config.bucket,
    async side(server) {
      const process = await startOn(t, server, root, programs, { storage });
      const client = createPushClient(process.url);
      t.after(() => client.close());
      return { process, client };
    },
  };
}

const pathOf = (location: string): string => {
  const { pathname, search } = new URL(location, 'http://any');
  return pathname + search;
};
const peers: readonly Peer[] = ['distribution', 'docker-registry'];
const accept = { headers: { accept: types.manifest } };

for (const peer of peers) {
  test(`${peer} and Berth on one bucket: what either pushes, moves and deletes the other knows at once`, async (t) => {
    const ground = await rollout(t);
    if (!ground) return;
    const [berth, other] = [await ground.side('berth'), await ground.side(peer)];
    const chance = createChance(`bucket with ${peer}`);
    for (const [writer, reader] of [
      [berth.client, other.client],
      [other.client, berth.client],
    ] as const) {
      const name = writer === berth.client ? 'by/berth' : 'by/peer';
      // 2.8 cannot push the empty blob to a bucket, which it ends without any part.
      const empty = peer === 'docker-registry' && writer === other.client ? [] : [Buffer.alloc(0)];
      const layers = [chance.bytes(6_000_000), chance.bytes(1000), ...empty];
      for (const way of ways) {
        const { digest } = await writer.pushImage(name, way, layers, way);
        assert.equal((await reader.pullManifest(name, way)).digest, digest);
      }
      for (const layer of layers) await reader.pullBlob(name, digestOf(layer));
      assert.deepEqual([...(await reader.tags(name))].sort(), [...ways].sort());
      assert.ok((await reader.catalog()).includes(name));
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

  test(`an upload begun at ${peer} is finished at Berth, whatever has come of it`, async (t) => {
    const ground = await rollout(t);
    if (!ground) return;
    const [berth, other] = [await ground.side('berth'), await ground.side(peer)];
    const chance = createChance(`uploads of ${peer}`);
    const whole = chance.bytes(12_000_000);
    // Nothing yet; a piece smaller than a part of S3; one of exactly a part; more than one part.
    for (const stored of [0, 1000, 5 * 1024 * 1024, 7_000_000]) {
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
    // Nothing that would make a part of S3, piece by piece.
    const little = chance.bytes(3000);
    const begun = pathOf(await other.client.append(await other.client.beginUpload('app'), little.subarray(0, 1000)));
    const more = await berth.client.append(berth.client.url + begun, little.subarray(1000, 2000), 1000);
    await berth.client.finishUpload(more, digestOf(little), little.subarray(2000));
    await other.client.pullBlob('app', digestOf(little));
    // Everything was sent; only the end is missing, as when the replica is replaced between PATCH and PUT.
    const bytes = chance.bytes(6_000_000);
    const path = pathOf(await other.client.append(await other.client.beginUpload('app'), bytes));
    await berth.client.finishUpload(berth.client.url + path, digestOf(bytes));
    await other.client.pullBlob('app', digestOf(bytes));
    // Cancelled at Berth.
    const doomed = pathOf(await other.client.append(await other.client.beginUpload('app'), bytes));
    await berth.client.expect(204, 'DELETE', doomed);
    await other.client.expect(404, 'GET', doomed);
    assert.deepEqual(await uploadsIn(ground.server.client, ground.bucket), [], 'no multipart upload is left');
    assert.deepEqual(berth.process.complaints(), []);
  });

  test(`an upload begun at Berth is a clean 404 at ${peer}, and goes on at Berth`, async (t) => {
    const ground = await rollout(t);
    if (!ground) return;
    const [berth, other] = [await ground.side('berth'), await ground.side(peer)];
    const chance = createChance(`uploads of berth at ${peer}`);
    const bytes = chance.bytes(7_000_000);
    for (const stored of [0, 1000, 6_000_000]) {
      let location = await berth.client.beginUpload('app');
      if (stored > 0) location = await berth.client.append(location, bytes.subarray(0, stored), 0);
      const path = pathOf(location);
      const headers = { 'content-type': 'application/octet-stream' };
      const { body } = await other.client.expect(404, 'GET', path);
      assert.match(body.toString(), /BLOB_UPLOAD_UNKNOWN/, `${stored} bytes`);
      await other.client.expect(404, 'PATCH', path, { headers, body: bytes.subarray(stored) });
      await other.client.expect(404, 'PUT', `${path}&digest=${digestOf(bytes)}`, {
        headers,
        body: bytes.subarray(stored),
      });
      await berth.client.finishUpload(location, digestOf(bytes), bytes.subarray(stored));
      await other.client.pullBlob('app', digestOf(bytes));
    }
  });
}

test('images that are pushed to whichever replica are there at every other', async (t) => {
  const ground = await rollout(t);
  if (!ground) return;
  const sides = await Promise.all((['berth', 'distribution', 'berth'] as const).map(ground.side));
  const chance = createChance('mixture');
  // A connection of a client stays with one replica, as behind most load balancers; the next one meets another.
  for (let count = 0; count < 6; count++) {
    const writer = sides[count % sides.length]?.client;
    assert.ok(writer);
    const { digest } = await writer.pushImage('app', `v${count}`, [chance.bytes(100_000)], ways[count % ways.length]);
    for (const { client } of sides) assert.equal((await client.pullManifest('app', `v${count}`)).digest, digest);
  }
});
