import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import {
  blobOf,
  type CacheOptions,
  type CacheUnderTest,
  nameOf,
  openCache,
  remembers,
} from '../support/redis-cache.ts';
import { requireTool } from '../support/tools.ts';

/** The descriptor cache on a real Redis: its keys, what is believed, and what becomes of requests when Redis is in trouble. */

const name = nameOf('team/app');
const set = 'repository::team/app::blobs';
const octets = 'application/octet-stream';

async function rig(t: TestContext, options: Omit<CacheOptions, 'redis'> & { lines?: readonly string[] } = {}) {
  const programs = await requireTool(t, 'redis-server', 'redis-cli');
  if (!programs) return undefined;
  const redis = await startRedis(t, { programs, lines: options.lines ?? [] });
  const open = (more: Partial<CacheOptions> = {}) =>
    openCache(t, { ...options, ...more, redis: { addrs: [redis.address], ...more.redis } });
  const cache = await open();
  await inUse(cache, redis);
  return { redis, cache, open };
}

/** Waits until it remembers, and makes it forget. */
async function inUse(cache: CacheUnderTest, redis: Pick<RedisServer, 'cli'>): Promise<void> {
  await remembers(cache, 'probe');
  await redis.cli('FLUSHALL');
}

describe('keys in Redis', () => {
  test('a blob that was seen is written as Distribution writes it, beside the time of our look', async (t) => {
    const found = await rig(t);
    if (!found) return;
    const { redis, cache } = found;
    const blob = blobOf('a layer');
    const before = Date.now();
    const member = `${set}::${blob.digest}`;
    await eventually(async () => {
      cache.note(name, blob);
      assert.deepEqual(await redis.cli('HGETALL', member), ['mediatype', octets]);
    });
    const fields = await redis.cli('HMGET', `blobs::${blob.digest}`, 'digest', 'size', 'mediatype');
    assert.deepEqual(fields, [blob.digest, '7', octets]);
    assert.deepEqual(await redis.cli('SMEMBERS', set), [blob.digest]);
    const [checked] = await redis.cli('HGET', `blobs::${blob.digest}`, 'checked');
    assert.ok(Number(checked) >= before && Number(checked) <= Date.now());
    assert.equal(await cache.find(blob.digest, {}), 7);
  });

  test("Distribution's entries may be of any age, so they are not believed; nor are old ones of ours", async (t) => {
    let ahead = 0;
    const found = await rig(t, { ahead: () => ahead });
    if (!found) return;
    const { redis, cache } = found;
    const blob = blobOf('a layer of Distribution');
    await redis.cli('HSET', `blobs::${blob.digest}`, 'digest', blob.digest, 'size', '23', 'mediatype', 'text/plain');
    assert.equal(await cache.find(blob.digest, {}), undefined);
    await eventually(async () => {
      cache.note(name, blob);
      assert.equal(await cache.find(blob.digest, {}), 23);
    });
    assert.deepEqual(await redis.cli('HGET', `blobs::${blob.digest}`, 'mediatype'), ['text/plain']);
    // Clocks of replicas differ in both directions; an hour is no difference between clocks.
    for (const [difference, size] of [
      [30_000, 23],
      [-30_000, 23],
      [61_000, undefined],
      [-3_600_000, undefined],
    ] as const) {
      ahead = difference;
      assert.equal(await cache.find(blob.digest, {}), size, `a clock ahead by ${difference} ms`);
    }
  });

  test('garbage in Redis is no answer', async (t) => {
    const found = await rig(t);
    if (!found) return;
    const { redis, cache } = found;
    const { digest } = blobOf('garbage');
    const key = `blobs::${digest}`;
    const now = String(Date.now());
    for (const fields of [
      ['digest', digest, 'size', '-1', 'checked', now],
      ['digest', digest, 'size', '1e3', 'checked', now],
      ['digest', digest, 'size', '', 'checked', now],
      ['digest', 'sha256:0', 'size', '5', 'checked', now],
      ['digest', digest, 'length', '5', 'checked', now],
      ['digest', digest, 'size', '5', 'checked', 'soon'],
    ]) {
      await redis.cli('DEL', key);
      await redis.cli('HSET', key, ...fields);
      assert.equal(await cache.find(digest, {}), undefined, fields.join(' '));
    }
    await redis.cli('DEL', key);
    await redis.cli('SET', key, 'of another type');
    assert.equal(await cache.find(digest, {}), undefined);
  });

  test('clearing a membership or lost bytes leaves nothing that Distribution would believe', async (t) => {
    const found = await rig(t);
    if (!found) return;
    const { redis, cache } = found;
    const [one, two] = [blobOf('one'), blobOf('two')];
    await eventually(async () => {
      for (const blob of [one, two]) cache.note(name, blob);
      assert.equal((await redis.cli('KEYS', '*')).length, 5);
    });
    assert.equal(await cache.clear([{ name, digest: one.digest }, { digest: two.digest }]), true);
    assert.deepEqual([...(await redis.cli('KEYS', '*'))].sort(), [
      `blobs::${one.digest}`,
      set,
      `${set}::${two.digest}`,
    ]);
    assert.deepEqual(await redis.cli('SMEMBERS', set), [two.digest]);
  });

  test('a membership that ended while it was being told of is taken back', async (t) => {
    let asked = 0;
    const isMember = async () => {
      asked++;
      return false;
    };
    const found = await rig(t, { isMember });
    if (!found) return;
    const { redis, cache } = found;
    asked = 0;
    await eventually(() => {
      cache.note(name, blobOf('deleted meanwhile'));
      assert.ok(asked > 0);
    });
    await eventually(async () => assert.deepEqual(await redis.cli('EXISTS', set), ['0']));
  });
});

describe('Redis in trouble', () => {
  test('gone: nothing waits, and what was deleted meanwhile is cleared once it is back', async (t) => {
    const found = await rig(t);
    if (!found) return;
    const { redis, cache } = found;
    const blob = blobOf('a layer');
    // It comes back with what it had.
    await redis.cli('SADD', set, blob.digest);
    await redis.cli('SAVE');
    await redis.stop();
    const took = await timed(200, () => cache.find(blob.digest, {}));
    assert.ok(took < 5_000, `200 questions took ${took} ms`);
    assert.equal(await cache.clear([{ name, digest: blob.digest }]), false);
    // Long enough for several attempts to connect.
    await sleep(1_500);
    await redis.start();
    await eventually(async () => assert.deepEqual(await redis.cli('EXISTS', set), ['0']));
    assert.equal(cache.log.filter((line) => line.startsWith('warn')).length, 1, cache.log.join('\n'));
    assert.ok(cache.log.some((line) => line.startsWith('info redis: the cache is in use again')));
    assert.ok(cache.counts.errors >= 200);
  });

  test('not there at the start: opening waits for nothing', async (t) => {
    const programs = await requireTool(t, 'redis-server', 'redis-cli');
    if (!programs) return;
    const redis = await startRedis(t, { programs });
    await redis.stop();
    const cache = await openCache(t, { redis: { addrs: [redis.address] } });
    assert.equal(await cache.find(blobOf('x').digest, {}), undefined);
    await eventually(() => assert.match(cache.log.join('\n'), /warn redis: no use of the cache.*ECONNREFUSED/));
    await redis.start();
    await inUse(cache, redis);
  });

  test('paused: the first questions wait a moment, the others not at all, and it is used again afterwards', async (t) => {
    const found = await rig(t);
    if (!found) return;
    const { redis, cache } = found;
    redis.pause();
    t.after(async () => redis.resume());
    const { digest } = blobOf('a layer');
    const first = await timed(100, () => cache.find(digest, {}), 100);
    assert.ok(first < 5_000, `the first 100, side by side, took ${first} ms`);
    const later = await timed(500, () => cache.find(digest, {}));
    assert.ok(later < 5_000, `500 further ones took ${later} ms`);
    await eventually(() => assert.match(cache.log.join('\n'), /warn redis: .*does not answer in time/));
    redis.resume();
    await inUse(cache, redis);
    assert.equal(cache.log.filter((line) => line.startsWith('warn')).length, 1, cache.log.join('\n'));
  });

  test('full: what is there is still of use, and one warning says why nothing is added', async (t) => {
    const found = await rig(t, { lines: ['maxmemory-policy noeviction'] });
    if (!found) return;
    const { redis, cache } = found;
    const blob = blobOf('there in time');
    await eventually(async () => {
      cache.note(name, blob);
      assert.equal(await cache.find(blob.digest, {}), blob.size);
    });
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    for (let count = 0; count < 50; count++) cache.note(name, blobOf(`too late ${count}`));
    await eventually(() => assert.match(cache.log.join('\n'), /warn redis: the server refuses a command.*OOM/));
    assert.equal(await cache.find(blob.digest, {}), blob.size);
    assert.equal(await cache.clear([{ name, digest: blob.digest }, { digest: blob.digest }]), true);
    assert.equal(cache.log.filter((line) => line.startsWith('warn')).length, 1, cache.log.join('\n'));
  });

  test('more questions at once than may be under way: the others go on without the cache', async (t) => {
    const found = await rig(t);
    if (!found) return;
    const { redis, cache } = found;
    const blob = blobOf('popular');
    await eventually(async () => {
      cache.note(name, blob);
      assert.equal(await cache.find(blob.digest, {}), blob.size);
    });
    const sizes = await Promise.all(Array.from({ length: 400 }, () => cache.find(blob.digest, {})));
    assert.deepEqual(new Set(sizes), new Set([blob.size, undefined]));
    assert.ok(sizes.filter((size) => size === blob.size).length > 200, 'most of those that fit are answered');
    await redis.cli('PING');
    assert.equal(await cache.find(blob.digest, {}), blob.size);
  });
});

/** Milliseconds for so many runs, some of them at once. */
async function timed(runs: number, work: () => Promise<unknown>, atOnce = 1): Promise<number> {
  const start = performance.now();
  for (let done = 0; done < runs; done += atOnce) await Promise.all(Array.from({ length: atOnce }, work));
  return performance.now() - start;
}
