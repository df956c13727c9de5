/**
 * Memory stays bounded whatever is pushed and pulled, with a heap of 128 MiB.
 *
 *     BERTH_LONG=1 node test/run.ts test/fault/memory.test.ts      a blob of 10 GiB instead of 2
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { stream } from 'undici';
import {
  createPushClient,
  digestOf,
  imageManifest,
  type PushClient,
  types,
  withQuery,
} from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { peakMemory, type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { skip } from '../support/tools.ts';

const MiB = 1024 * 1024;
const long = process.env['BERTH_LONG'] === '1';
const size = (long ? 10 : 2) * 1024 * MiB;
/** The promise: resident, at most, in MiB. */
const limit = 300;

async function start(
  t: TestContext,
): Promise<{ server: RegistryProcess; client: PushClient; root: string } | undefined> {
  if (process.platform !== 'linux') {
    skip(t, 'peak memory is read from /proc, which only Linux has');
    return undefined;
  }
  const folder = await temporaryFolder(t);
  const server = await startRegistry(t, {
    root: join(folder, 'data'),
    env: { NODE_OPTIONS: '--max-old-space-size=128' },
  });
  const client = createPushClient(server.url, { connections: 64 });
  t.after(() => client.close());
  return { server, client, root: folder };
}

/** Bytes that differ from block to block, made as fast as they can be sent. */
function* blocks(total: number): Generator<Buffer> {
  const block = createChance('a large blob').bytes(MiB);
  for (let offset = 0; offset < total; offset += MiB) {
    const copy = Buffer.from(block.subarray(0, Math.min(MiB, total - offset)));
    copy.writeDoubleLE(offset, 0);
    yield copy;
  }
}

test(`a blob of ${size / MiB / 1024} GiB is pushed and pulled in less than ${limit} MiB`, async (t) => {
  const started = await start(t);
  if (!started) return;
  const { server, client, root } = started;
  const { bavail, bsize } = await statfs(root);
  if (bavail * bsize < size * 1.1) return skip(t, `${root} has less than ${size / MiB} MiB free`);

  const hash = createHash('sha256');
  for (const block of blocks(size)) hash.update(block);
  const digest = `sha256:${hash.digest('hex')}`;
  const location = await client.beginUpload('large');
  const pushing = performance.now();
  const headers = { 'content-type': 'application/octet-stream' };
  await client.expect(201, 'PUT', withQuery(location, 'digest', digest), {
    headers: { ...headers, 'content-length': String(size) },
    body: Readable.from(blocks(size), { objectMode: false }),
  });
  const pushed = (performance.now() - pushing) / 1000;
  const afterPush = await peakMemory(server.pid);

  const pulled = createHash('sha256');
  let bytes = 0;
  const pulling = performance.now();
  await stream(`${server.url}/v2/large/blobs/${digest}`, { method: 'GET' }, ({ statusCode }) => {
    assert.equal(statusCode, 200);
    return new Writable({
      write(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        pulled.update(chunk);
        done();
      },
    });
  });
  const seconds = (performance.now() - pulling) / 1000;
  assert.equal(bytes, size);
  assert.equal(`sha256:${pulled.digest('hex')}`, digest);
  const peak = await peakMemory(server.pid);
  t.diagnostic(
    `pushed in ${pushed.toFixed(1)} s, pulled in ${seconds.toFixed(1)} s; peak ${afterPush} MiB after the push, ${peak} MiB in all`,
  );
  assert.ok(peak < limit, `${peak} MiB`);
  assert.deepEqual(server.complaints(), []);
});

test('64 uploads of 16 MiB at once, and as many downloads', async (t) => {
  const started = await start(t);
  if (!started) return;
  const { server, client } = started;
  const chance = createChance('many');
  const shared = chance.bytes(16 * MiB);
  const contents = Array.from({ length: 64 }, (_, at) => ({ prefix: Buffer.from(`upload ${at} `), rest: shared }));
  const digests = await Promise.all(
    contents.map(async ({ prefix, rest }) => {
      const hash = createHash('sha256').update(prefix).update(rest);
      const digest = `sha256:${hash.digest('hex')}`;
      const location = await client.beginUpload('many');
      const body = Readable.from([prefix, rest], { objectMode: false });
      const reply = await client.expect(202, 'PATCH', location, { body });
      await client.finishUpload(reply.headers['location'] ?? '', digest);
      return digest;
    }),
  );
  const afterPush = await peakMemory(server.pid);
  await Promise.all(
    digests.map(async (digest) => {
      const hash = createHash('sha256');
      const response = await fetch(`${server.url}/v2/many/blobs/${digest}`);
      assert.equal(response.status, 200);
      const sink = new Writable({
        write(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          done();
        },
      });
      await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), sink);
      assert.equal(`sha256:${hash.digest('hex')}`, digest);
    }),
  );
  const peak = await peakMemory(server.pid);
  t.diagnostic(`peak ${afterPush} MiB after 64 uploads of 16 MiB, ${peak} MiB after the downloads`);
  assert.ok(peak < 2 * limit, `${peak} MiB`);
  assert.deepEqual(server.complaints(), []);
});

test('64 manifests of 3.9 MB at once', async (t) => {
  const started = await start(t);
  if (!started) return;
  const { server, client } = started;
  const config = { digest: await client.pushBlob('wide', Buffer.from('{}')), size: 2 };
  const padding = 'x'.repeat(3_899_000);
  const manifests = Array.from({ length: 64 }, (_, at) =>
    imageManifest(config, [], { annotations: { at: String(at), padding } }),
  );
  const pushing = performance.now();
  const pushed = await Promise.all(manifests.map((manifest, at) => client.pushManifest('wide', `t${at}`, manifest)));
  const afterPush = await peakMemory(server.pid);
  const pulling = performance.now();
  for (let round = 0; round < 2; round++) {
    await Promise.all(
      pushed.map(async ({ digest }, at) => {
        const { body } = await client.expect(200, 'GET', `/v2/wide/manifests/t${at}`, {
          headers: { accept: types.manifest },
        });
        assert.equal(digestOf(body), digest);
      }),
    );
  }
  const peak = await peakMemory(server.pid);
  const [push, pull] = [pulling - pushing, performance.now() - pulling].map((ms) => (ms / 1000).toFixed(1));
  t.diagnostic(`peak ${afterPush} MiB after 64 pushes in ${push} s, ${peak} MiB after 128 pulls in ${pull} s`);
  assert.ok(peak < 3 * limit, `${peak} MiB`);
  assert.deepEqual(server.complaints(), []);
});
