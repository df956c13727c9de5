import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { stablePort } from '../support/apiserver-process.ts';
import { type Conformance, listed, runConformance } from '../support/conformance.ts';
import { eventually } from '../support/eventually.ts';
import { createPushClient, digestOf } from '../support/push-client.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { startS3, storageSection } from '../support/s3-server.ts';
import { requireTool, skip } from '../support/tools.ts';
import { garbageCollectOf, type Peer, type Programs, startOn } from '../support/tree-peer.ts';

/** Berth on S3 with a descriptor cache in Redis: by itself, with Redis in trouble, and beside Distribution. */

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

const strict = ['--strict', 'berth', '--keep'];

function expectClean(result: Conformance, atLeast: number): void {
  assert.ok(result.counts.tests >= atLeast, `${result.counts.tests} tests ran`);
  assert.equal(result.counts.fail, 0, `failed:\n${listed(result, 'fail')}`);
  assert.equal(result.counts.skip, 0, `skipped:\n${listed(result, 'skip')}`);
}

async function rig(t: TestContext, more: { readonly redirects?: boolean } = {}) {
  const tools = await requireTool(t, 'redis-server', 'redis-cli');
  if (!tools) return undefined;
  if ('reason' in s3) {
    skip(t, s3.reason);
    return undefined;
  }
  const redis = await startRedis(t, { programs: tools });
  const cache = { blobdescriptor: 'redis' };
  const redirect = { disable: more.redirects !== true };
  const storage = { ...storageSection(await s3.bucket()), cache, redirect };
  const root = join(await temporaryFolder(t), 'data');
  /** For Berth and 3.1. */
  const config = { storage, redis: { addrs: [redis.address] } };
  return {
    redis,
    root,
    config,
    start: (over: object = {}) => startRegistry(t, { root, config: { ...config, ...over } }),
  };
}

type Rig = NonNullable<Awaited<ReturnType<typeof rig>>>;

/** Two replicas whose requests alternate, each with its cache in use. */
async function replicas(t: TestContext, { redis, start }: Rig) {
  const debugs = [await stablePort(), await stablePort()];
  const prometheus = { enabled: true };
  const servers = await Promise.all(
    debugs.map((port) => start({ http: { debug: { addr: `127.0.0.1:${port}`, prometheus } } })),
  );
  await eventually(async () => assert.ok((await redis.cli('CLIENT', 'LIST')).length >= 3));
  const balancer = await startRoundRobin(t, servers);
  const hits = async (): Promise<number> => {
    const texts = await Promise.all(
      debugs.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
    );
    return texts.reduce((sum, text) => sum + Number(/^registry_storage_cache_hits_total (\d+)$/m.exec(text)?.[1]), 0);
  };
  return { servers, balancer, hits };
}

describe('OCI distribution conformance of Berth on S3 with a Redis cache, two processes behind a balancer', () => {
  test('all of it: 0 failed, 0 skipped', async (t) => {
    const ground = await rig(t);
    if (!ground) return;
    const { servers, balancer, hits } = await replicas(t, ground);
    expectClean(await runConformance(balancer.url, ...strict), 300);
    assert.ok((await hits()) > 50, `${await hits()} answers came from the cache`);
    for (const server of servers) assert.deepEqual(server.complaints(), []);
  });

  test('clients are sent to the bucket: the group redirect', async (t) => {
    const ground = await rig(t, { redirects: true });
    if (!ground) return;
    const { servers, balancer } = await replicas(t, ground);
    expectClean(await runConformance(balancer.url, ...strict, '--group', 'redirect'), 8);
    for (const server of servers) assert.deepEqual(server.complaints(), []);
  });

  test('while Redis is stopped, comes back, and stands still', async (t) => {
    const ground = await rig(t);
    if (!ground) return;
    const { redis } = ground;
    const { servers, balancer } = await replicas(t, ground);
    let isOver = false;
    const trouble = (async () => {
      while (!isOver) {
        await redis.stop();
        await pause(300);
        await redis.start();
        await pause(700);
        redis.pause();
        await pause(700);
        redis.resume();
        await pause(300);
      }
    })();
    const only = '\\[(P4|P6|B3|M1|D\\d)\\]';
    const result = await runConformance(balancer.url, ...strict, '--only', only).finally(() => {
      isOver = true;
    });
    await trouble;
    expectClean(result, 20);
    for (const server of servers) {
      assert.deepEqual(server.complaints(), []);
      assert.ok(
        server
          .stderr()
          .split('\n')
          .filter((line) => line.includes('redis: ')).length <= 3,
        server.stderr(),
      );
    }
  });
});

describe('one Redis and one bucket for Berth and Distribution', () => {
  for (const peer of ['distribution', 'docker-registry'] as const satisfies readonly Peer[]) {
    test(`${peer}: each finds what the other noted, and what either deleted is gone for both`, async (t) => {
      const ground = await rig(t);
      const programs = await requireTool(t, 'docker-registry', 'distribution');
      if (!ground || !programs) return;
      const { redis } = ground;
      const berth = createPushClient((await ground.start()).url);
      const other = createPushClient((await startPeer(t, peer, ground, programs)).url);
      t.after(() => Promise.all([berth.close(), other.close()]));
      await eventually(async () => assert.ok((await redis.cli('CLIENT', 'LIST')).length >= 2));

      // Noted by a push to Berth, believed by the peer: it would answer as much for bytes that are not there.
      const image = await berth.pushImage('shared/app', 'latest', [Buffer.from('a layer')]);
      const digest = digestOf(Buffer.from('a layer'));
      await eventually(async () => {
        assert.deepEqual(await redis.cli('SISMEMBER', 'repository::shared/app::blobs', digest), ['1']);
        assert.deepEqual(await redis.cli('HGET', `repository::shared/app::blobs::${digest}`, 'mediatype'), [octets]);
      });
      const ghost = digestOf(Buffer.from('a ghost'));
      await redis.cli('SADD', 'repository::shared/app::blobs', ghost);
      await redis.cli('HSET', `repository::shared/app::blobs::${ghost}`, 'mediatype', octets);
      await redis.cli('HSET', `blobs::${ghost}`, 'digest', ghost, 'size', '7', 'mediatype', octets);
      const head = (client: typeof berth, what: string) => client.send('HEAD', `/v2/shared/app/${what}`);
      assert.equal((await head(other, `blobs/${ghost}`)).status, 200, `${peer} believes its Redis`);
      assert.equal((await head(berth, `blobs/${ghost}`)).status, 404, 'Berth does not');
      assert.equal((await head(other, `blobs/${digest}`)).status, 200);
      await other.pullManifest('shared/app', image.digest);

      // Deleted here.
      await berth.expect(202, 'DELETE', `/v2/shared/app/blobs/${digest}`);
      await berth.expect(202, 'DELETE', `/v2/shared/app/manifests/${image.digest}`);
      for (const client of [other, berth]) {
        assert.equal((await head(client, `blobs/${digest}`)).status, 404);
        assert.equal((await head(client, `manifests/${image.digest}`)).status, 404);
      }

      // Deleted there.
      const again = await other.pushImage('shared/app', 'latest', [Buffer.from('another layer')]);
      const layer = digestOf(Buffer.from('another layer'));
      for (let count = 0; count < 3; count++) assert.equal((await head(berth, `blobs/${layer}`)).status, 200);
      await other.expect(202, 'DELETE', `/v2/shared/app/blobs/${layer}`);
      await other.expect(202, 'DELETE', `/v2/shared/app/manifests/${again.digest}`);
      assert.equal((await head(berth, `blobs/${layer}`)).status, 404);
      assert.equal((await head(berth, `manifests/${again.digest}`)).status, 404);
    });
  }

  test('what garbage collection removed is cleared, and nobody answers for it', async (t) => {
    const ground = await rig(t);
    const programs = await requireTool(t, 'docker-registry', 'distribution');
    if (!ground || !programs) return;
    const { redis, root, config } = ground;
    const berth = createPushClient((await ground.start()).url);
    const other = createPushClient((await startPeer(t, 'distribution', ground, programs)).url);
    t.after(() => Promise.all([berth.close(), other.close()]));
    await eventually(async () => assert.ok((await redis.cli('CLIENT', 'LIST')).length >= 2));
    const kept = await berth.pushImage('shared/app', 'latest', [Buffer.from('kept')]);
    const digest = await berth.pushBlob('shared/app', Buffer.from('of no manifest'));
    await eventually(async () => {
      assert.deepEqual(await redis.cli('SISMEMBER', 'repository::shared/app::blobs', digest), ['1']);
    });
    assert.equal((await other.send('HEAD', `/v2/shared/app/blobs/${digest}`)).status, 200);
    // What was written in the second in which the collection began is spared.
    await eventually(async () => {
      await garbageCollectOf(new URL('../../bin/registry', import.meta.url).pathname, root, config);
      assert.deepEqual(await redis.cli('EXISTS', `repository::shared/app::blobs::${digest}`), ['0']);
    });
    assert.deepEqual(await redis.cli('HGET', `blobs::${digest}`, 'digest'), ['']);
    for (const client of [berth, other]) {
      assert.equal((await client.send('HEAD', `/v2/shared/app/blobs/${digest}`)).status, 404);
      await client.pullManifest('shared/app', kept.digest);
      await client.pullBlob('shared/app', digestOf(Buffer.from('kept')));
    }
  });
});

const octets = 'application/octet-stream';

/** 2.8 has keys of its own for Redis. */
function startPeer(
  t: TestContext,
  peer: Peer,
  { redis, root, config }: { redis: RedisServer; root: string; config: Rig['config'] },
  programs: Programs,
) {
  const own = peer === 'distribution' ? config : { ...config, redis: { addr: redis.address } };
  return startOn(t, peer, root, programs, own);
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
