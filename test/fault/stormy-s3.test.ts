/**
 * A bucket behind a bad network: calls are throttled, refused, cut off, lied about, or done without the answer arriving, at
 * random, while clients push, pull and delete through a registry. What was answered 2xx stays, what fails is told in a way
 * that a client can read, and when the weather has cleared everything works and nothing is left.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { createPushClient, digestOf, UnexpectedStatus, ways } from '../support/push-client.ts';
import { type Chance, createChance, freshSeed } from '../support/push-client-random.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { keysIn, uploadsIn } from '../support/s3-bucket.ts';
import { type Fault, startS3Proxy } from '../support/s3-proxy.ts';
import { startS3, storageSection } from '../support/s3-server.ts';
import { skip } from '../support/tools.ts';
import { garbageCollectOf } from '../support/tree-peer.ts';
import { execute } from '../tools/execute.ts';

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

const workers = 4;
const rounds = 6;
/** Seconds within which every request has to end, with an answer or a broken connection. */
const longest = 60;

const faultsFor = (chance: Chance): [Fault, ...Fault[]] => [
  { status: 503, code: 'SlowDown' },
  { status: 500, code: 'InternalError' },
  'refuse',
  'lose',
  { tearAfter: chance.integer(5000) },
  { announce: (length) => length + 10 },
  { announce: (length) => Math.max(0, length - 10) },
  { delay: chance.integer(300) },
];

test('pushes through a storm: what was answered stays, the rest is told, nothing is left over', async (t) => {
  if ('reason' in s3) return skip(t, s3.reason);
  const chance = createChance(freshSeed());
  t.diagnostic(`SEED=${chance.seed}`);
  const bucket = await s3.bucket();
  const proxy = await startS3Proxy(t, s3);
  const root = join(await temporaryFolder(t), 'data');
  const section = storageSection({ ...bucket, regionendpoint: proxy.endpoint });
  const config = { storage: { ...section, redirect: { disable: true } } };
  const server = await startRegistry(t, { root, config });
  const client = createPushClient(server.url);
  t.after(() => client.close());

  const kept = new Map<string, { name: string; bytes: Buffer }>();
  const tags = new Map<string, string>();
  const gone = new Set<string>();
  const outcomes = { taken: 0, told: 0, broken: 0 };

  /** `undefined` where it failed in one of the ways that it may. */
  async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    const start = performance.now();
    try {
      const done = await work();
      outcomes.taken++;
      return done;
    } catch (error) {
      if (error instanceof UnexpectedStatus) {
        const { status, body, headers } = error.reply;
        // An upload may have lost a piece whose answer was lost: then it is told where to go on, or begins anew.
        assert.ok(status >= 500 || [404, 416].includes(status), `${what}: ${error.message}`);
        assert.equal(headers['content-type'], 'application/json', what);
        assert.doesNotMatch(body.toString(), /127\.0\.0\.1|docker\/registry|Error:/, what);
        outcomes.told++;
      } else {
        // Bytes that end too early break the connection, so that nobody takes them for the whole.
        assert.match(String((error as Error).cause ?? error), /terminated|other side closed|socket|ECONNRESET/i, what);
        outcomes.broken++;
      }
      return undefined;
    } finally {
      const seconds = (performance.now() - start) / 1000;
      assert.ok(seconds < longest * 4, `${what} took ${seconds} s`);
    }
  }

  proxy.fault = () => (chance.integer(12) === 0 ? chance.pick(faultsFor(chance)) : undefined);
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      const own = chance.branch(`worker ${worker}`);
      const name = `storm/${worker}`;
      for (let round = 0; round < rounds; round++) {
        const bytes = own.bytes(1 + own.size(round % 3 === 0 ? 12_000_000 : 200_000));
        const way = own.pick([...ways]);
        const digest = await attempt(`a blob of ${bytes.length} by ${way}`, () => client.pushBlob(name, bytes, way));
        if (digest !== undefined) kept.set(`${name}@${digest}`, { name, bytes });
        const tag = `v${round}`;
        const layer = own.bytes(1 + own.size(50_000));
        const image = await attempt('an image', () => client.pushImage(name, tag, [layer], way));
        if (image !== undefined) {
          tags.set(`${name}:${tag}`, image.digest);
          kept.set(`${name}@${digestOf(layer)}`, { name, bytes: layer });
          await attempt('a pull', () => client.pullManifest(name, tag));
          await attempt('a pull of a layer', () => client.pullBlob(name, digestOf(layer)));
          if (round % 3 === 0) {
            const deleted = await attempt('a delete', () =>
              client.expect(202, 'DELETE', `/v2/${name}/manifests/${tag}`),
            );
            if (deleted !== undefined) gone.add(`${name}:${tag}`);
            else gone.delete(`${name}:${tag}`);
            tags.delete(`${name}:${tag}`);
          }
        }
        await attempt('a list', () => client.tags(name));
      }
    }),
  );
  t.diagnostic(
    `${outcomes.taken} taken, ${outcomes.told} told, ${outcomes.broken} broken off; ${proxy.calls.length} calls`,
  );
  assert.ok(outcomes.taken > 20);
  proxy.fault = () => undefined;

  for (const { name, bytes } of kept.values()) await client.pullBlob(name, digestOf(bytes));
  for (const [reference, digest] of tags) {
    const [name = '', tag = ''] = reference.split(':');
    assert.equal((await client.pullManifest(name, tag)).digest, digest, reference);
  }
  for (const reference of gone) {
    const [name = '', tag = ''] = reference.split(':');
    await client.expect(404, 'GET', `/v2/${name}/manifests/${tag}`);
  }
  await client.pushImage('storm/0', 'afterwards', [chance.bytes(7_000_000)]);
  assert.doesNotMatch(server.stderr(), /unhandled/i);
  await server.stop();

  const berth = new URL('../../bin/registry', import.meta.url).pathname;
  await garbageCollectOf(berth, root, config);
  const again = await startRegistry(t, { root, config, port: server.port });
  for (const { name, bytes } of kept.values()) {
    // Blobs that no manifest names are collected; layers stay.
    await client.expect([200, 404], 'HEAD', `/v2/${name}/blobs/${digestOf(bytes)}`);
  }
  for (const [reference, digest] of tags) {
    const [name = '', tag = ''] = reference.split(':');
    const { bytes } = await client.pullManifest(name, tag);
    for (const { digest: layer } of (JSON.parse(bytes.toString()) as { layers: { digest: string }[] }).layers) {
      await client.pullBlob(name, layer);
    }
    assert.equal(digestOf(bytes), digest);
  }
  await again.stop();
  // What torn pushes left is purged with all that the bucket keeps of it out of sight.
  const path = join(dirname(root), 'purge.json');
  await writeFile(path, JSON.stringify({ version: '0.1', ...config }));
  const { stdout } = await execute(berth, ['purge-uploads', '--older-than', '0s', path]);
  t.diagnostic(`purged: ${stdout.trim().split('\n').length} uploads`);
  assert.deepEqual(await uploadsIn(s3.client, bucket.bucket), []);
  const left = (await keysIn(s3.client, bucket.bucket)).filter((key) => key.includes('/_uploads/'));
  assert.deepEqual(left, []);
});
