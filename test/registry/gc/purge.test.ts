/** The purge of uploads: which go, which stay, and that one replica does it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLeases } from '../../../registry/gc/lease.ts';
import { purgeUploads } from '../../../registry/gc/purge.ts';
import { createPurger, goDuration, purgeLease } from '../../../registry/gc/purger.ts';
import { type Logger, silent } from '../../../registry/log.ts';
import type { PurgeRun } from '../../../registry/metrics.ts';
import * as keys from '../../../registry/service/keys.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import type { Store } from '../../../registry/storage/store.ts';
import { eventually } from '../../support/eventually.ts';
import { as, files } from './ground.ts';

const hour = 3_600_000;
const now = Date.UTC(2030, 0, 8);
const week = 168 * hour;

interface Planted {
  readonly store: Store;
  upload(name: string, startedAt: string | undefined, more?: Readonly<Record<string, string>>): Promise<string>;
  at(time: number): void;
}

function plant(): Planted {
  let time = now;
  const store = createMemoryStore({ clock: () => time });
  return {
    store,
    at(moment) {
      time = moment;
    },
    async upload(name, startedAt, more = { data: 'bytes', 'hashstates/sha256/0': 'state', progress: '5 sha256:x' }) {
      const id = crypto.randomUUID();
      const path = keys.upload(as(name), id);
      if (startedAt !== undefined) await store.put(`${path}/startedat`, Buffer.from(startedAt));
      for (const [file, content] of Object.entries(more)) await store.put(`${path}/${file}`, Buffer.from(content));
      return path;
    },
  };
}

const rfc3339 = (time: number): string => new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
const old = rfc3339(now - week - hour);
const young = rfc3339(now - week + hour);

const purge = (store: Store, dryRun = false, log: Logger = silent) =>
  purgeUploads({ olderThan: now - week, dryRun }, { store, log });

describe('uploads that were begun long ago', () => {
  test('none: nothing is deleted', async () => {
    const { store, upload } = plant();
    for (const name of ['a', 'a/b', 'c']) await upload(name, young);
    const before = await files(store);
    assert.deepEqual(await purge(store), { found: 3, purged: 0, errors: 0 });
    assert.deepEqual(await files(store), before);
  });

  test('all: nothing is left of them, in repositories of any depth and without anything else in them', async () => {
    const { store, upload } = plant();
    for (const name of ['a', 'a/b', 'c/d/e/f', 'c']) await upload(name, old);
    await upload('other/form', '2029-12-31T23:00:00.123456789+02:00');
    assert.deepEqual(await purge(store), { found: 5, purged: 5, errors: 0 });
    assert.deepEqual(await files(store), []);
  });

  test('some: only those, and nothing else of the tree', async () => {
    const { store, upload } = plant();
    const stays = await upload('app', young);
    const goes = await upload('app', old);
    for (const path of ['_layers/sha256/x/link', '_uploads/README', '_uploads/notes/file', '_manifests/tags/t/x']) {
      await store.put(`${keys.repository(as('app'))}/${path}`, Buffer.from(old));
    }
    const before = await files(store);
    assert.deepEqual(await purge(store, true), { found: 2, purged: 1, errors: 0 });
    assert.deepEqual(await files(store), before, 'a dry run deletes nothing');
    await purge(store);
    assert.deepEqual(
      await files(store),
      before.filter((path) => !path.startsWith(goes)),
    );
    assert.ok((await files(store)).some((path) => path.startsWith(stays)));
  });

  test('without a date, or with a garbled one, they are as old as the newest thing in them', async () => {
    const { store, upload, at } = plant();
    at(now - week - hour);
    const gone = [
      await upload('app', undefined),
      await upload('app', 'yesterday'),
      await upload('app', ''),
      await upload('app', undefined, { progress: '1 x' }),
    ];
    const busy = await upload('app', undefined);
    at(now - hour);
    await store.put(`${busy}/hashstates/sha256/100`, Buffer.from('more'));
    assert.deepEqual(await purge(store), { found: 5, purged: gone.length, errors: 0 });
    assert.ok((await files(store)).every((path) => path.startsWith(busy)));
  });

  test('in a bucket, whose sessions have our own date', async () => {
    const { store, upload } = plant();
    const stays = await upload('app', undefined, { begun: young, 'session.data': 'x' });
    await upload('app', undefined, { begun: old, 'session.data': 'x' });
    await upload('app', old, { begun: young });
    assert.deepEqual(await purge(store), { found: 3, purged: 2, errors: 0 });
    assert.ok((await files(store)).every((path) => path.startsWith(stays)));
  });

  test('one that cannot be deleted keeps no other', async () => {
    const { store, upload } = plant();
    const stuck = await upload('app', old);
    await upload('app', old);
    const failing: Store = {
      ...store,
      async delete(path, options) {
        if (path === stuck) throw new Error('no');
        return store.delete(path, options);
      },
    };
    const told: string[] = [];
    const log: Logger = { ...silent, error: (_fields, message) => void told.push(message) };
    assert.deepEqual(await purge(failing, false, log), { found: 2, purged: 1, errors: 1 });
    assert.equal(told.length, 1);
  });
});

describe('the purge inside a server', () => {
  /** A server's purge; its waits end when the test says so. */
  function server(store: Store, time: () => number, random = 0) {
    const runs: PurgeRun[] = [];
    const lines: string[] = [];
    const waits: { readonly ms: number; readonly end: () => void }[] = [];
    const log: Logger = { ...silent, info: (_fields, message) => void lines.push(message) };
    const purger = createPurger(
      { age: week, interval: 24 * hour, dryrun: false },
      {
        store,
        leases: createLeases({
          store,
          holder: crypto.randomUUID(),
          newId: () => crypto.randomUUID(),
          clock: () => performance.now(),
          ttl: 3_000,
        }),
        log,
        metrics: { purgeEnded: (run) => void runs.push(run) },
        random: () => random,
        now: time,
        wait: (ms, signal) =>
          new Promise((resolve, reject) => {
            waits.push({ ms, end: resolve });
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      },
    );
    const next = async (): Promise<void> => {
      const before = waits.length;
      waits.at(-1)?.end();
      await eventually(() => assert.ok(waits.length > before));
    };
    return { purger, runs, lines, waits, next };
  }

  test('begins within an hour, then goes by the interval', async () => {
    const { store, upload } = plant();
    await upload('app', old);
    const { purger, runs, lines, waits, next } = server(store, () => now, 0.999);
    purger.start();
    await eventually(() => assert.equal(waits.length, 1));
    assert.equal(waits[0]?.ms, 59 * 60_000);
    await next();
    assert.equal(waits[1]?.ms, 24 * hour);
    assert.deepEqual(lines[0], 'Starting upload purge in 59m0s');
    assert.deepEqual(lines.at(-1), 'Starting upload purge in 24h0m0s');
    assert.deepEqual(runs, [{ result: 'done', found: 1, purged: 1, errors: 0, seconds: 0 }]);
    await purger.stop();
  });

  test('is done by one of several replicas in each interval, and by another when that one is gone', async () => {
    const { store } = plant();
    let time = now;
    const [one, two] = [server(store, () => time), server(store, () => time)];
    one.purger.start();
    two.purger.start();
    await eventually(() => assert.ok(one.waits.length === 1 && two.waits.length === 1));
    await one.next();
    time += 10 * 60_000;
    await two.next();
    assert.deepEqual([one.runs.at(-1)?.result, two.runs.at(-1)?.result], ['done', 'skipped']);
    await one.purger.stop();
    time += 24 * hour;
    await two.next();
    assert.equal(two.runs.at(-1)?.result, 'done');
    await two.purger.stop();
  });

  test('stops in the middle when the server ends, and lets go of its lease', async () => {
    const { store, upload } = plant();
    for (let count = 0; count < 50; count++) await upload('app', old);
    const begun = Promise.withResolvers<void>();
    const slow: Store = {
      ...store,
      delete: (_path, options) =>
        new Promise((_resolve, reject) => {
          begun.resolve();
          setTimeout(() => reject(options?.signal?.reason ?? new Error('too late')), 50);
        }),
    };
    const { purger, waits, runs } = server(slow, () => now);
    purger.start();
    await eventually(() => assert.equal(waits.length, 1));
    waits[0]?.end();
    await begun.promise;
    await purger.stop();
    assert.deepEqual(runs, []);
    assert.match(String(await store.read(keys.lease(purgeLease))), /^free/);
  });

  test('goes on after a failure', async () => {
    const { store } = plant();
    let isDown = true;
    const failing: Store = {
      ...store,
      async list(path, options) {
        if (isDown) throw new Error('down');
        return store.list(path, options);
      },
    };
    const { purger, runs, next, waits } = server(failing, () => now);
    purger.start();
    await eventually(() => assert.equal(waits.length, 1));
    await next();
    isDown = false;
    await next();
    assert.deepEqual(
      runs.map(({ result }) => result),
      ['failed', 'done'],
    );
    await purger.stop();
  });

  test('does not wait longer than the interval for the first time', async () => {
    const waits: number[] = [];
    const { store } = plant();
    const purger = createPurger(
      { age: 0, interval: 5_000, dryrun: false },
      {
        store,
        leases: { take: async () => ({ holder: 'nobody' }) },
        log: silent,
        metrics: { purgeEnded() {} },
        random: () => 0.5,
        now: () => now,
        wait: async (ms) => {
          waits.push(ms);
          if (waits.length > 1) throw new Error('enough');
        },
      },
    );
    purger.start();
    await eventually(() => assert.equal(waits.length, 2));
    assert.deepEqual(waits, [5_000, 5_000]);
    await purger.stop();
  });

  test('durations as Go writes them', () => {
    const expected = { 0: '0s', 60000: '1m0s', 3540000: '59m0s', 86400000: '24h0m0s', 1500: '1.5s', 20: '20ms' };
    for (const [ms, text] of Object.entries(expected)) assert.equal(goDuration(Number(ms)), text);
  });
});
