/** Berth on a real S3 server: what requests cost there, what they leave behind, what memory they take. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import type { S3Config } from '../../registry/config/types.ts';
import { peakMemory, type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { keysIn, uploadsIn } from '../support/s3-bucket.ts';
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { type S3Server, startS3, storageSection } from '../support/s3-server.ts';
import { skip } from '../support/tools.ts';

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

const MIB = 1024 * 1024;
const root = 'docker/registry/v2';

function need(t: TestContext): S3Server | undefined {
  if (!('reason' in s3)) return s3;
  skip(t, s3.reason);
  return undefined;
}

const section = (config: S3Config) => ({ storage: { ...storageSection(config), redirect: { disable: true } } });

async function berth(t: TestContext, config: S3Config): Promise<RegistryProcess> {
  return startRegistry(t, { root: join(await temporaryFolder(t), 'data'), config: section(config) });
}

/** Requests one by one: where an upload is, and who is asked next, is the test's own. */
async function begin(url: string): Promise<string> {
  const answer = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' });
  assert.equal(answer.status, 202);
  return locationOf(answer);
}

const locationOf = (answer: Response): string => {
  const { pathname, search } = new URL(answer.headers.get('location') ?? '', 'http://any');
  return pathname + search;
};

const octets = { 'content-type': 'application/octet-stream' };

async function patch(url: string, location: string, body: Buffer): Promise<string> {
  const answer = await fetch(url + location, { method: 'PATCH', body: new Uint8Array(body), headers: octets });
  assert.equal(answer.status, 202, await answer.text());
  return locationOf(answer);
}

async function finish(url: string, location: string, digest: string, body = Buffer.alloc(0)): Promise<number> {
  const to = `${url}${location}${location.includes('?') ? '&' : '?'}digest=${digest}`;
  const answer = await fetch(to, { method: 'PUT', body: new Uint8Array(body), headers: octets });
  await answer.arrayBuffer();
  return answer.status;
}

const digestOf = (...parts: readonly Buffer[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return `sha256:${hash.digest('hex')}`;
};

test('a wrong digest, and an upload that is cancelled: nothing is left in the bucket', async (t) => {
  const server = need(t);
  if (!server) return;
  const config = await server.bucket();
  const own = await berth(t, config);
  const bytes = randomBytes(12 * MIB);
  const wrong = digestOf(Buffer.from('something else'));
  assert.equal(await finish(own.url, await begin(own.url), wrong, bytes), 400);
  assert.equal(await finish(own.url, await patch(own.url, await begin(own.url), bytes), wrong), 400);
  const location = await patch(own.url, await begin(own.url), bytes);
  assert.equal((await fetch(own.url + location, { method: 'DELETE' })).status, 204);
  assert.deepEqual(await uploadsIn(server.client, config.bucket), []);
  const left = (await keysIn(server.client, config.bucket)).filter((key) => !key.startsWith(`${root}/_berth/`));
  assert.deepEqual(left, []);
});

test('POST costs one small write, a small blob two more and its links', async (t) => {
  const server = need(t);
  if (!server) return;
  const { own, proxy } = await behindProxy(t, server);
  const before = randomBytes(1000);
  assert.equal(await finish(own.url, await begin(own.url), digestOf(before), before), 201);
  // What a process does once, it has done.
  proxy.counted();
  const location = await begin(own.url);
  assert.deepEqual(proxy.counted(), { PutObject: 1 });
  const bytes = randomBytes(1000);
  assert.equal(await finish(own.url, location, digestOf(bytes), bytes), 201);
  const counts = proxy.counted();
  // The blob, its link, the hint for mounts.
  assert.equal(counts.PutObject, 3, JSON.stringify(counts));
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  assert.ok(all <= 7, JSON.stringify(counts));
});

async function behindProxy(
  t: TestContext,
  server: S3Server,
): Promise<{ own: RegistryProcess; proxy: S3Proxy; config: S3Config }> {
  const proxy = await startS3Proxy(t, server);
  const config = { ...(await server.bucket()), regionendpoint: proxy.endpoint };
  const own = await startRegistry(t, {
    root: join(await temporaryFolder(t), 'data'),
    config: { ...section(config), health: { storagedriver: { enabled: false } } },
  });
  proxy.counted();
  return { own, proxy, config };
}

test('a store that is gone: an error within the deadline, and no harm once it is back', async (t) => {
  const server = need(t);
  if (!server) return;
  const { own, proxy } = await behindProxy(t, server);
  const bytes = randomBytes(1000);
  const location = await begin(own.url);
  proxy.fault = () => 'refuse';
  const answer = await fetch(`${own.url}/v2/app/blobs/${digestOf(bytes)}`);
  assert.ok(answer.status >= 500, String(answer.status));
  proxy.fault = () => undefined;
  assert.equal(await finish(own.url, location, digestOf(bytes), bytes), 201);
});

test('two dozen large pushes at once stay within the memory for parts', async (t) => {
  const server = need(t);
  if (!server) return;
  const config = await server.bucket({ chunksize: 10 * MIB });
  const own = await berth(t, config);
  const block = randomBytes(MIB);
  const size = 30;
  const digests = await Promise.all(
    Array.from({ length: 24 }, async (_, at) => {
      const mark = Buffer.from(`push ${at}`);
      const hash = createHash('sha256').update(mark);
      for (let block_ = 0; block_ < size; block_++) hash.update(block);
      const digest = `sha256:${hash.digest('hex')}`;
      let sent = -1;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          sent++;
          if (sent > size) controller.close();
          else controller.enqueue(sent === 0 ? new Uint8Array(mark) : new Uint8Array(block));
        },
      });
      const location = await begin(own.url);
      const to = `${own.url}${location}&digest=${digest}`;
      const answer = await fetch(to, { method: 'PUT', body, headers: octets, duplex: 'half' } as RequestInit);
      assert.equal(answer.status, 201, await answer.text());
      return digest;
    }),
  );
  // 128 MiB for parts, and what the program itself needs.
  const peak = await peakMemory(own.pid);
  t.diagnostic(`peak ${peak} MiB`);
  assert.ok(peak < 450, `${peak} MiB`);
  assert.equal(new Set(digests).size, 24);
  const blobs = (await keysIn(server.client, config.bucket)).filter((key) => key.startsWith(`${root}/blobs/`));
  assert.equal(blobs.length, 24);
  assert.deepEqual(await uploadsIn(server.client, config.bucket), []);
});
