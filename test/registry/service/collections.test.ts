/** Pushes beside garbage collections: what a 201 promises holds whichever of the two is slow, and costs nothing when none runs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLeases, type Lease } from '../../../registry/gc/lease.ts';
import { livingPushers } from '../../../registry/gc/pushers.ts';
import { type Logger, silent } from '../../../registry/log.ts';
import type { Digest } from '../../../registry/oci/digest.ts';
import { digestBytes } from '../../../registry/oci/digest.ts';
import type { RepositoryName } from '../../../registry/oci/name.ts';
import {
  type Collections,
  createCollections,
  lookLife,
  markLife,
  notice,
} from '../../../registry/service/collections.ts';
import { createAnnounce } from '../../../registry/service/going.ts';
import * as keys from '../../../registry/service/keys.ts';
import { collectionLease, leaseTime } from '../../../registry/service/lease-record.ts';
import type { Services } from '../../../registry/service/services.ts';
import { type Store, StoreError } from '../../../registry/storage/store.ts';
import { chunksOf } from '../../storage/conformance-bytes.ts';
import { run } from '../gc/ground.ts';
import { around, image, memory, name, place, put, replica, tag } from './ground.ts';

const leasePath = keys.lease(collectionLease);
const other = 'library/other' as RepositoryName;

/** A collector's lease. */
async function taken(store: Store): Promise<Lease> {
  const newId = (): string => crypto.randomUUID();
  const clock = (): number => performance.now();
  const lease = await createLeases({ store, holder: 'collector', newId, clock, ttl: leaseTime }).take(
    collectionLease,
    0,
    {},
  );
  assert.ok(!('holder' in lease));
  return lease;
}

interface Pusher {
  readonly services: Services;
  readonly collections: Collections;
  pass(milliseconds: number): void;
}

function pusher(store: Store, log: Logger = silent): Pusher {
  let now = 0;
  const collections = createCollections({
    store,
    holder: 'host/1@here',
    newId: () => crypto.randomUUID(),
    clock: () => now,
    log,
  });
  return {
    services: replica(store, { collections }),
    collections,
    pass(milliseconds) {
      now += milliseconds;
    },
  };
}

/** Does something once, right before objects below a path are written together. */
function beforeWriting(store: Store, path: string, work: () => Promise<unknown>): Store {
  let isDone = false;
  return around(store, {
    async putAll(puts, options) {
      if (!isDone && puts.some((one) => one.path.startsWith(path))) {
        isDone = true;
        await work();
      }
      return store.putAll(puts, options);
    },
  });
}

/** What lies there is old to this run. */
const collection = (store: Store): Promise<unknown> => run(store, { cutoff: Date.now() + 60_000 });

const push = (services: Services, bytes: string, repository = name): Promise<Digest> => {
  const digest = digestBytes('sha256', Buffer.from(bytes));
  const piece = { expectedOffsets: [], expectedLength: undefined, source: chunksOf(bytes) };
  return services.uploads
    .begin(repository, undefined, {})
    .then(({ id }) => services.uploads.finish(repository, id, digest, piece, {}))
    .then(() => digest);
};

describe('a manifest that is checked before a collection deletes and written behind its second look', () => {
  for (const [when, lateBy] of [
    ['was known to run', 0],
    ['began meanwhile', notice],
    ['began and ended meanwhile', notice],
  ] as const) {
    test(`is not answered 201, if the collection ${when}`, async () => {
      const store = memory();
      const config = await place(store, Buffer.from('{}'));
      const layer = await place(store, Buffer.from('a layer without a manifest'));
      let lease = lateBy === 0 ? await taken(store) : undefined;
      const slow = beforeWriting(store, keys.manifests(name), async () => {
        lease ??= await taken(store);
        pass(lateBy);
        await collection(store);
        if (when === 'began and ended meanwhile') await lease.release();
      });
      const { services, pass } = pusher(slow);
      await assert.rejects(put(services, image(config, [layer]), 'v1'), { code: 'MANIFEST_BLOB_UNKNOWN' });
      if (lateBy === 0)
        assert.equal(await store.read(keys.tagCurrent(name, 'v1')), undefined, 'the tag stays as it was');
      await lease?.release();
    });
  }

  test('is answered 201 if all is there', async () => {
    const store = memory();
    const lease = await taken(store);
    const { services } = pusher(store);
    const config = await place(store, Buffer.from('{}'));
    const { digest } = await put(services, image(config, []), 'v1');
    await collection(store);
    assert.equal((await services.manifests.get(name, { tag: tag('v1') }, {}))?.digest, digest);
    await lease.release();
  });

  test('and is an old one itself: it is written again', async () => {
    const store = memory();
    const lease = await taken(store);
    const config = await place(store, Buffer.from('{}'));
    let looks = 0;
    const meddled = around(store, {
      async read(path, options) {
        // The last moment: all is written, and nobody looks any more whether the manifest is there.
        if (path === leasePath && ++looks === 2) await store.delete(keys.manifests(name));
        return store.read(path, options);
      },
    });
    const { services, pass } = pusher(beforeWriting(meddled, keys.manifests(name), async () => pass(lookLife)));
    const { digest } = await put(services, image(config, []));
    assert.ok(looks >= 2);
    assert.ok(await store.read(keys.revisionLink(name, digest)));
    await lease.release();
  });
});

describe('while a collection runs', () => {
  test('nothing is mounted, and what is pushed is whole', async () => {
    const store = memory();
    const lease = await taken(store);
    const { services } = pusher(store);
    const { digest } = await place(store, Buffer.from('layer'));
    assert.equal(await services.blobs.mount(other, digest, name, {}), undefined);
    assert.equal(await store.read(keys.layerLink(other, digest)), undefined);
    assert.equal(await push(services, 'layer', other), digest);
    assert.ok(await services.blobs.stat(other, digest, {}));
    await lease.release();
  });

  test('a blob that went with the old content of the same name is not answered 201', async () => {
    const store = memory();
    const lease = await taken(store);
    let isDone = false;
    const meddled = around(store, {
      async read(path, options) {
        const digest = digestBytes('sha256', Buffer.from('layer'));
        if (path === leasePath && !isDone && (await store.stat(keys.blobData(digest)))) {
          isDone = true;
          await store.delete(keys.blob(digest));
        }
        return store.read(path, options);
      },
    });
    const { services, pass } = pusher(beforeWriting(meddled, keys.layers(name), async () => pass(lookLife)));
    await assert.rejects(push(services, 'layer'), { code: 'UNAVAILABLE' });
    assert.ok(isDone);
    await lease.release();
  });

  test('that died, pushes go on as ever once it must be dead', async () => {
    const store = memory();
    await store.put(leasePath, Buffer.from(`held gone beat ${leaseTime}`));
    const { collections, pass } = pusher(store);
    assert.equal((await collections.now({})).running, true);
    pass(leaseTime);
    assert.equal((await collections.now({})).running, true);
    pass(leaseTime);
    const before = await collections.now({});
    assert.equal(before.running, false);
    assert.equal(await collections.met(before, [], {}), false);
    await store.put(leasePath, Buffer.from(`held next beat ${leaseTime}`));
    pass(lookLife);
    assert.equal(await collections.met(before, [], {}), true);
  });
});

test('who writes what is just being deleted waits until it is gone, and writes it again', async () => {
  const store = memory();
  const lease = await taken(store);
  const { services } = pusher(store);
  const config = await place(store, Buffer.from('{}'));
  const manifest = image(config, []);
  const digest = digestBytes('sha256', Buffer.from(JSON.stringify(manifest)));
  await store.put(keys.going('7'), Buffer.from(digest));
  const announce = await createAnnounce(store, {});
  let answered = false;
  let pushing: Promise<unknown> | undefined;
  await announce([config.digest, digest], async () => {
    // The collector has looked at what is old, and deletes it in a moment.
    pushing = put(services, manifest, 'v1').finally(() => {
      answered = true;
    });
    for (let turn = 0; turn < 20; turn++) await sleep(5);
    assert.equal(answered, false, 'it was answered while it was about to go');
    await store.delete(keys.revision(name, digest));
    await store.delete(keys.blob(digest));
  });
  await pushing;
  assert.equal((await services.manifests.get(name, { tag: tag('v1') }, {}))?.digest, digest);
  assert.deepEqual((await store.list(keys.goingRoot))?.entries ?? [], []);
  await lease.release();
});

test('content that is pushed between the look at its date and its deletion is not answered 201 and gone', async () => {
  const store = memory();
  const lease = await taken(store);
  const { services } = pusher(store);
  await put(services, image(await place(store, Buffer.from('{}')), []), 'v1');
  await store.put(keys.blobData(digestBytes('sha256', Buffer.from('old'))), Buffer.from('old'));
  let pushing: Promise<Digest | string> | undefined;
  const slow = around(store, {
    async delete(path, options) {
      if (path.startsWith(keys.blobsRoot) && pushing === undefined) {
        pushing = push(services, 'old').catch((error: { code: string }) => error.code);
        for (let turn = 0; turn < 20; turn++) await sleep(5);
      }
      return store.delete(path, options);
    },
  });
  await collection(slow);
  assert.equal(await pushing, 'UNAVAILABLE');
  const digest = await push(services, 'old');
  assert.ok(await services.blobs.stat(name, digest, {}));
  await lease.release();
});

describe('without a collection', () => {
  test('many pushes cost one look in some seconds, and a mark while the process lives', async () => {
    const store = memory();
    const calls: string[] = [];
    const counted = around(store, {
      async read(path, options) {
        if (path.includes('/_berth/leases')) calls.push('look');
        return store.read(path, options);
      },
      async put(path, content, options) {
        if (path.startsWith(keys.pushersRoot)) calls.push('mark');
        return store.put(path, content, options);
      },
    });
    const { services, collections, pass } = pusher(counted);
    const config = await place(store, Buffer.from('{}'));
    for (let number = 0; number < 50; number++) {
      await push(services, `layer ${number}`);
      await put(services, image(config, [], { annotations: { number } }), 'v1');
    }
    assert.deepEqual(calls, ['mark', 'look']);
    pass(lookLife);
    await Promise.all(Array.from({ length: 20 }, (_, number) => push(services, `more ${number}`)));
    assert.deepEqual(calls, ['mark', 'look', 'look']);
    pass(markLife / 2);
    await push(services, 'on the next day');
    assert.deepEqual(calls.slice(3), ['mark', 'look'], 'the mark is kept fresh');
    await collections.close();
    assert.deepEqual((await store.list(keys.pushersRoot))?.entries ?? [], []);
  });

  test('a look counts for less than a collection gives notice', () => assert.ok(lookLife + 1_000 <= notice));
});

describe('marks of processes that push', () => {
  test('are written before the first look, so that either side sees the other', async () => {
    const store = memory();
    let living: number | undefined;
    const meddled = around(store, {
      async read(path, options) {
        if (path === leasePath) living ??= await livingPushers(store, { since: Date.now(), isDead: () => false });
        return store.read(path, options);
      },
    });
    await pusher(meddled).collections.now({});
    assert.equal(living, 1);
  });

  test('count as long as their process may live; the others are taken away', async () => {
    const store = memory();
    await pusher(store).collections.now({});
    await store.put(keys.pusher('dead'), Buffer.from('host/2@here'));
    const isDead = (holder: string): boolean => holder === 'host/2@here';
    assert.equal(await livingPushers(store, { since: Date.now(), isDead }), 1);
    assert.equal(await store.read(keys.pusher('dead')), undefined);
    assert.equal(await livingPushers(store, { since: Date.now() + 2 * markLife, isDead }), 0);
    assert.equal(await livingPushers(store, { since: Date.now(), isDead }), 0);
  });

  describe('that cannot be written', () => {
    /** `_berth` belongs to somebody else. */
    const barred = (store: Store): Store =>
      around(store, {
        async put(path, content, options) {
          if (path.startsWith(`${keys.pushersRoot}/`)) throw new StoreError('failed', 'filesystem', path);
          return store.put(path, content, options);
        },
      });

    test('fail no push; the log names the folder, once', async () => {
      const store = memory();
      const told: object[] = [];
      const { services, pass } = pusher(barred(store), { ...silent, warn: (fields: object) => told.push(fields) });
      await push(services, 'a layer');
      pass(notice);
      await put(services, image(await place(store, Buffer.from('{}')), []), 'v1');
      assert.notEqual(await store.read(keys.tagCurrent(name, 'v1')), undefined);
      assert.deepEqual(
        told.map((fields) => 'folder' in fields && fields.folder),
        [keys.pushersRoot],
      );
    });

    test('leave every push as careful as beside a collection, which gives it no notice', async () => {
      const store = memory();
      const config = await place(store, Buffer.from('{}'));
      const layer = await place(store, Buffer.from('a layer without a manifest'));
      const slow = beforeWriting(barred(store), keys.manifests(name), async () => {
        const lease = await taken(store);
        assert.equal(await livingPushers(store, { since: Date.now(), isDead: () => false }), 0);
        await collection(store);
        await lease.release();
      });
      const { services } = pusher(slow);
      await assert.rejects(put(services, image(config, [layer]), 'v1'), { code: 'MANIFEST_BLOB_UNKNOWN' });
    });
  });
});
