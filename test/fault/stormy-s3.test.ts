/**
 * A bucket behind a bad network: calls are throttled, refused, cut off, lied about, or done without the answer arriving, at
 * random, while clients push, pull and delete through a registry. What was answered 2xx stays, what fails is told in a way
 * that a client can read, and when the weather has cleared everything works and nothing is left.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { createPushClient, digestOf, UnexpectedStatus, ways } from '../support/push-client.ts';
import { type Chance, createChance, freshSeed } from '../support/push-client-random.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { keysIn, uploadsIn } from '../support/s3-bucket.ts';
import { type Fault, type SeenCall, startS3Proxy } from '../support/s3-proxy.ts';
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
/** Milliseconds: longer than an attempt at a call may take, so that the call arrives when it was given up and made again. */
const tooLate = 16_000;
/** So many of them, since each takes its time. */
const tooLateAtMost = 2;
/** What may be told of an upload that has lost a piece: its steps are answered with where to go on, or to begin anew. */
const uploadStep = /^(?:POST|PATCH|PUT) \S+\/blobs\/uploads\/\S* answered (?:404|416)/;

/** A link that is answered short and whole can't be told from one that a crash tore, which counts as absent. */
const isLink = ({ operation, path }: SeenCall): boolean => operation === 'GetObject' && path.endsWith('/link');

const faultsFor = (chance: Chance, call: SeenCall): [Fault, ...Fault[]] => [
  { status: 503, code: 'SlowDown' },
  { status: 500, code: 'InternalError' },
  'refuse',
  'lose',
  { tearAfter: chance.integer(5000) },
  { announce: (length) => length + 10 },
  isLink(call) ? 'refuse' : { announce: (length) => Math.max(0, length - 10) },
  { delay: chance.integer(300) },
];

interface Sent {
  readonly method: string;
  readonly path: string;
}

/** Times each request of the client; `over` are those that took longer than `longest`. */
function timeRequests(t: TestContext): { readonly over: string[]; slowest(): number } {
  const started = new Map<unknown, number>();
  const over: string[] = [];
  let slowest = 0;
  const begin = (message: unknown): void => void started.set((message as { request: Sent }).request, performance.now());
  const end = (message: unknown): void => {
    const { request } = message as { request: Sent };
    const start = started.get(request);
    if (start === undefined) return;
    started.delete(request);
    const seconds = (performance.now() - start) / 1000;
    slowest = Math.max(slowest, seconds);
    if (seconds > longest) over.push(`${request.method} ${request.path} took ${seconds} s`);
  };
  const channels = [
    ['undici:request:create', begin],
    ['undici:request:trailers', end],
    ['undici:request:error', end],
  ] as const;
  for (const [name, heard] of channels) subscribe(name, heard);
  t.after(() => {
    for (const [name, heard] of channels) unsubscribe(name, heard);
  });
  return { over, slowest: () => slowest };
}

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

  const times = timeRequests(t);
  let late = 0;

  /** `undefined` where it failed in one of the ways that it may. */
  async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await work();
      outcomes.taken++;
      return done;
    } catch (error) {
      if (error instanceof UnexpectedStatus) {
        const { status, body, headers } = error.reply;
        // What was answered 2xx is never told to be absent.
        assert.ok(status >= 500 || uploadStep.test(error.message), `${what}: ${error.message}`);
        assert.equal(headers['content-type'], 'application/json', what);
        assert.doesNotMatch(body.toString(), /127\.0\.0\.1|docker\/registry|Error:/, what);
        outcomes.told++;
      } else {
        // Bytes that end too early break the connection, so that nobody takes them for the whole.
        assert.match(String((error as Error).cause ?? error), /terminated|other side closed|socket|ECONNRESET/i, what);
        outcomes.broken++;
      }
      return undefined;
    }
  }

  proxy.fault = (call) => {
    if (chance.integer(12) !== 0) return undefined;
    if (late < tooLateAtMost && chance.integer(8) === 0) {
      late++;
      return { delay: tooLate };
    }
    return chance.pick(faultsFor(chance, call));
  };
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
        // A repository without a manifest is unknown.
        const known = [...tags.keys(), ...gone].some((reference) => reference.startsWith(`${name}:`));
        if (known) await attempt('a list', () => client.tags(name));
      }
    }),
  );
  const { taken, told, broken } = outcomes;
  t.diagnostic(`${taken} taken, ${told} told, ${broken} broken off; ${proxy.calls.length} calls, ${late} too late`);
  t.diagnostic(`the slowest request took ${times.slowest().toFixed(1)} s`);
  assert.deepEqual(times.over, []);
  assert.ok(times.slowest() > 0);
  assert.ok(taken > 20);
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
