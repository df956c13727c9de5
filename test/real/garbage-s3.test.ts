/** Maintenance of a bucket: what the purge leaves of uploads, one collector at a time, what a collection costs in requests. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { S3Config } from '../../registry/config/types.ts';
import { createLeases } from '../../registry/gc/lease.ts';
import { silent } from '../../registry/log.ts';
import { createS3Store } from '../../registry/storage/s3.ts';
import { createPushClient, digestOf } from '../support/push-client.ts';
import { type Json, type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { keysIn, uploadsIn } from '../support/s3-bucket.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { type S3Server, startS3, storageSection } from '../support/s3-server.ts';
import { requireTool, skip } from '../support/tools.ts';
import { startOn } from '../support/tree-peer.ts';

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));
const program = new URL('../../bin/registry', import.meta.url).pathname;

function need(t: TestContext): S3Server | undefined {
  if (!('reason' in s3)) return s3;
  skip(t, s3.reason);
  return undefined;
}

const section = (config: S3Config): Json => ({ storage: { ...storageSection(config), filesystem: undefined } });

async function berth(t: TestContext, config: S3Config): Promise<RegistryProcess> {
  return startRegistry(t, { root: join(await temporaryFolder(t), 'data'), config: section(config) });
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One of the program's commands on the bucket. */
async function command(t: TestContext, config: S3Config, ...args: readonly string[]): Promise<Ran> {
  const path = join(await temporaryFolder(t), 'config.json');
  await writeFile(path, JSON.stringify({ version: '0.1', log: { level: 'warn' }, ...section(config) }));
  return promisify(execFile)(program, [...args, path], { timeout: 120_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ran) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  );
}

test('purge-uploads leaves neither keys nor multipart uploads behind, its own and Distribution’s', async (t) => {
  const server = need(t);
  if (!server) return;
  const config = await server.bucket({});
  const registry = await berth(t, config);
  const client = createPushClient(registry.url);
  t.after(() => client.close());
  const image = await client.pushImage('app', 'v1', [Buffer.from('layer')]);
  const before = await keysIn(server.client, config.bucket);
  const bytes = Buffer.alloc(12 * 1024 * 1024, 'x');
  const begun = [await client.beginUpload('app'), await client.beginUpload('app'), await client.beginUpload('app/web')];
  await client.append(begun[1] ?? '', Buffer.from('a few bytes'));
  await client.append(begun[2] ?? '', bytes);
  const programs = await requireTool(t, 'distribution', 'docker-registry');
  if (programs) {
    const peer = await startOn(t, 'distribution', join(await temporaryFolder(t), 'data'), programs, section(config));
    const other = createPushClient(peer.url);
    t.after(() => other.close());
    await other.append(await other.beginUpload('app'), bytes);
    await other.beginUpload('app');
  }
  assert.ok((await uploadsIn(server.client, config.bucket)).length > 0);

  const young = await command(t, config, 'purge-uploads');
  assert.deepEqual([young.code, young.stdout], [0, ''], young.stderr);
  const dry = await command(t, config, 'purge-uploads', '--dry-run', '--older-than', '0s');
  const real = await command(t, config, 'purge-uploads', '--older-than', '0s');
  assert.equal(real.code, 0, real.stderr);
  assert.equal(real.stdout.trim().split('\n').length, programs ? 5 : 3);
  assert.deepEqual(dry.stdout.split('\n').sort(), real.stdout.split('\n').sort());
  assert.deepEqual(await uploadsIn(server.client, config.bucket), []);
  const left = (await keysIn(server.client, config.bucket)).filter((key) => !key.includes('/_berth/'));
  assert.deepEqual(
    left,
    before.filter((key) => !key.includes('/_berth/')),
  );
  for (const location of begun) await client.expect(404, 'GET', location);
  assert.equal((await client.pullManifest('app', 'v1')).digest, image.digest);
});

test('while one collects, another is told who does; when it is done, it is its turn', async (t) => {
  const server = need(t);
  if (!server) return;
  const config = await server.bucket({});
  const registry = await berth(t, config);
  const client = createPushClient(registry.url);
  t.after(() => client.close());
  const image = await client.pushImage('app', 'v1', [Buffer.from('layer')]);
  const loose = Buffer.from('nobody wants it');
  await client.pushBlob('app', loose);
  const store = createS3Store({ config, userAgent: 'berth/test', log: silent });
  t.after(() => store.close());
  const leases = createLeases({
    store,
    holder: 'somebody-else/1@',
    newId: () => crypto.randomUUID(),
    clock: () => performance.now(),
    ttl: 6_000,
  });
  const lease = await leases.take('garbage-collect', 0, {});
  assert.ok(!('holder' in lease));
  const refused = await command(t, config, 'garbage-collect');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /somebody-else\/1 is at it just now \(lease garbage-collect\)/);
  await client.expect(200, 'HEAD', `/v2/app/blobs/${digestOf(loose)}`);
  await lease.release();
  const ran = await command(t, config, 'garbage-collect');
  assert.equal(ran.code, 0, ran.stderr);
  await client.expect(404, 'HEAD', `/v2/app/blobs/${digestOf(loose)}`);
  assert.equal((await client.pullManifest('app', 'v1')).digest, image.digest);
});

test('what a look at a bucket costs grows with repositories and manifests, not with layers', async (t) => {
  const server = need(t);
  if (!server) return;
  const config = await server.bucket({});
  const registry = await berth(t, config);
  const client = createPushClient(registry.url);
  t.after(() => client.close());
  const [repositories, images, layers] = [3, 4, 10];
  for (let number = 0; number < repositories; number++) {
    for (let count = 0; count < images; count++) {
      const contents = Array.from({ length: layers }, (_, at) => Buffer.from(`${number} ${count} ${at}`));
      await client.pushImage(`app${number}`, `v${count}`, contents);
    }
  }
  const proxy = await startS3Proxy(t, server);
  const through = { ...config, regionendpoint: proxy.endpoint };
  const ran = await command(t, through, 'garbage-collect', '--dry-run', '-o', 'json');
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(JSON.parse(ran.stdout).eligible.blobs, 0);
  const { length } = proxy.calls;
  t.diagnostic(`${length} calls: ${JSON.stringify(proxy.counted())}`);
  const manifests = repositories * images;
  assert.ok(length <= 10 + 12 * repositories + 2 * manifests, `${length} calls`);
});
