/** Tags that one replica deletes while another pushes: what was answered 201 stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../../../registry/oci/error.ts';
import * as keys from '../../../registry/service/keys.ts';
import { createLinks } from '../../../registry/service/links.ts';
import { createTags } from '../../../registry/service/tags.ts';
import { createUntagging } from '../../../registry/service/untagging.ts';
import { type Store, StoreError } from '../../../registry/storage/store.ts';
import { around, image, memory, name, place, put, replica, tag } from './ground.ts';

/** A store whose deletion of the tag's folder waits at a gate after it was begun. */
function gated(store: Store, path: string) {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const slow = around(store, {
    async delete(target, options) {
      if (target === path) {
        reached.resolve();
        await gate.promise;
      }
      return store.delete(target, options);
    },
  });
  return { slow, reached: reached.promise, open: gate.resolve };
}

async function twoImages(store: Store) {
  const config = await place(store, Buffer.from('{}'));
  const layers = [await place(store, Buffer.from('layer'))];
  return [image(config, layers), image(config, layers, { annotations: { a: 'b' } })] as const;
}

for (const how of ['digest', 'tag'] as const) {
  test(`a push that meets a deletion by ${how} of another replica is not lost with it`, async (t) => {
    const store = memory();
    const [old, fresh] = await twoImages(store);
    const pusher = replica(store);
    const { digest } = await put(pusher, old, 'v1');
    const { slow, reached, open } = gated(store, keys.tag(name, 'v1'));
    t.after(() => open());
    const deletion = replica(slow).manifests.remove(name, how === 'digest' ? { digest } : { tag: tag('v1') }, {});
    await reached;
    let answered = false;
    const push = put(pusher, fresh, 'v1').finally(() => {
      answered = true;
    });
    // As long as the folder is about to go, nobody may be told that the tag is safe in it.
    for (let turn = 0; turn < 20; turn++) await sleep(5);
    assert.equal(answered, false, 'the push was answered while its tag was being deleted');
    open();
    assert.equal(await deletion, true);
    const pushed = await push;
    assert.equal((await pusher.manifests.get(name, { tag: tag('v1') }, {}))?.digest, pushed.digest);
    const marks = await store.list(keys.untagging(name));
    assert.deepEqual(marks?.entries ?? [], [], 'no mark is left behind');
  });
}

test('a deletion that comes after a push of the tag leaves it alone', async () => {
  const store = memory();
  const [old, fresh] = await twoImages(store);
  const services = replica(store);
  const { digest } = await put(services, old, 'v1');
  let begun = false;
  // Another replica pushes between the search for tags and the deletion of the one that was found.
  const meddled = around(store, {
    async put(path, content, options) {
      if (path.startsWith(keys.untagging(name)) && !begun) {
        begun = true;
        await put(services, fresh, 'v1');
      }
      return store.put(path, content, options);
    },
  });
  assert.equal(await replica(meddled).manifests.remove(name, { digest }, {}), true);
  assert.ok(begun);
  assert.notEqual((await services.manifests.get(name, { tag: tag('v1') }, {}))?.digest, digest);
  assert.equal(await services.manifests.get(name, { digest }, {}), undefined);
});

test('deletions of other tags are not waited for', async (t) => {
  const store = memory();
  const [old, fresh] = await twoImages(store);
  const services = replica(store);
  await put(services, old, 'v1.2');
  const { slow, reached, open } = gated(store, keys.tag(name, 'v1.2'));
  t.after(() => open());
  const deletion = replica(slow).manifests.remove(name, { tag: tag('v1.2') }, {});
  await reached;
  await put(services, fresh, 'v1');
  open();
  await deletion;
  assert.deepEqual((await services.tags.list(name, { after: undefined, limit: undefined }))?.names, ['v1']);
});

const linksOf = (store: Store) => createLinks(store, () => undefined);

test('the mark of a replica that died is taken away, that of a living one is waited for', async () => {
  const store = memory();
  const tags = createTags(store, linksOf(store), 4);
  let now = 0;
  const times = { refresh: 10, dead: 1000, poll: 1, patience: 1e9 };
  const clock = (): number => {
    now += 100;
    return now;
  };
  const untagging = createUntagging({ store, tags, newId: () => crypto.randomUUID(), clock, times });
  const mark = `${keys.untagging(name)}/v1.${crypto.randomUUID()}`;
  await store.put(mark, Buffer.from('1'));
  assert.equal(await untagging.met(name, [tag('v1')], {}), true);
  assert.equal(await store.stat(mark), undefined);
  assert.equal(await untagging.met(name, [tag('v1')], {}), false);

  let beats = 0;
  const alive = around(store, {
    async read(path, options) {
      // It lives on: its mark is another one each time.
      if (path === mark && ++beats < 500) return Buffer.from(String(beats));
      return store.read(path, options);
    },
  });
  await store.put(mark, Buffer.from('1'));
  const watching = createUntagging({ store: alive, tags, newId: () => crypto.randomUUID(), clock, times });
  assert.equal(await watching.met(name, [tag('v1')], {}), true);
  assert.ok(beats >= 500, `only ${beats} looks`);
});

test('who waits too long is told to come again, and who leaves is let go', async () => {
  const store = memory();
  const tags = createTags(store, linksOf(store), 4);
  let now = 0;
  const clock = (): number => {
    now += 100;
    return now;
  };
  const mark = `${keys.untagging(name)}/v1.${crypto.randomUUID()}`;
  await store.put(mark, Buffer.from('1'));
  const create = (patience: number) =>
    createUntagging({
      store,
      tags,
      newId: () => crypto.randomUUID(),
      clock,
      times: { refresh: 10, dead: 1e9, poll: 1, patience },
    });
  await assert.rejects(
    create(1000).met(name, [tag('v1')], {}),
    (error) => error instanceof RegistryError && error.code === 'UNAVAILABLE',
  );
  await assert.rejects(create(1e9).met(name, [tag('v1')], { signal: AbortSignal.timeout(50) }));
});

test('a full disk does not keep anybody from deleting', async () => {
  const store = memory();
  const [old] = await twoImages(store);
  const { digest } = await put(replica(store), old, 'v1');
  const full = around(store, {
    put: async (path) => {
      throw new StoreError('no-space', 'inmemory', path);
    },
  });
  assert.equal(await replica(full).manifests.remove(name, { digest }, {}), true);
  assert.equal(await store.stat(keys.tag(name, 'v1')), undefined);
});

test('deleting what is not there writes nothing', async () => {
  const store = memory();
  let writes = 0;
  const counted = around(store, {
    put: async (path, content, options) => {
      writes++;
      return store.put(path, content, options);
    },
  });
  const services = replica(counted);
  assert.equal(await services.manifests.remove(name, { tag: tag('none') }, {}), false);
  assert.equal(writes, 0);
});

test('a deletion that ends between two looks of a push is noticed', async () => {
  const store = memory();
  const [, fresh] = await twoImages(store);
  const mark = `${keys.untagging(name)}/v1.${crypto.randomUUID()}`;
  let written = 0;
  let looks = 0;
  const meddled = around(store, {
    async putAll(puts, options) {
      await store.putAll(puts, options);
      // Somebody saw the old tag before this write, and is emptying its folder.
      if (puts.some(({ path }) => path === keys.tagCurrent(name, 'v1')) && ++written === 1) {
        await store.put(mark, Buffer.from('1'));
      }
    },
    async list(path, options) {
      // The deletion is over by the time this answer is made, but not by the time a look at the tag is.
      if (path === keys.untagging(name) && ++looks === 1) {
        await sleep(20);
        await store.delete(keys.tag(name, 'v1'));
        await store.delete(mark);
      }
      return store.list(path, options);
    },
  });
  const services = replica(meddled);
  const { digest } = await put(services, fresh, 'v1');
  assert.equal((await services.manifests.get(name, { tag: tag('v1') }, {}))?.digest, digest);
});
