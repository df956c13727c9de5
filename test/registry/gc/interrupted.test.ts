/** A run that ends anywhere, and one beside which others push: nothing that is pointed to is ever without its content. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Digest } from '../../../registry/oci/digest.ts';
import * as keys from '../../../registry/service/keys.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import type { Store } from '../../../registry/storage/store.ts';
import { name as app, image as imageOf, put as putImage, replica } from '../service/ground.ts';
import { as, createGround, everything, files, has, type Image, left, run } from './ground.ts';

const all = [true, true, true, true];

/** A store that stops answering before its n-th change. */
function mortal(store: Store, changes: number): Store {
  let rest = changes;
  const alive = (): void => {
    if (rest-- <= 0) throw new Error('the process has died');
  };
  return {
    ...store,
    async delete(path, options) {
      alive();
      return store.delete(path, options);
    },
    async put(path, content, options) {
      alive();
      return store.put(path, content, options);
    },
  };
}

/** Everything that a collector meets: images with and without tags, indexes, referrers, loose layers, our own files. */
async function plant(): Promise<{ readonly store: Store; readonly kept: readonly Image[] }> {
  const { store, image, index, blob, put } = createGround();
  const kept: Image[] = [];
  for (const name of ['a', 'a/b']) {
    const [tagged, child, garbage, signed] = [
      await image(name, 'v1'),
      await image(name),
      await image(name, 'moved'),
      await image(name),
    ];
    await index(name, 'list', [child.manifest]);
    await image(name, 'moved');
    const signature = await image(name, undefined, { subject: tagged.manifest });
    const lost = await image(name, undefined, { subject: garbage.manifest });
    await put(keys.referrer(as(name), garbage.manifest.digest, lost.manifest.digest), '{}');
    await index(name, undefined, [signed.manifest]);
    await blob(name);
    await blob(name, 'a layer of all');
    for (const { digest } of [garbage.config, tagged.config]) await put(keys.places(digest), name);
    kept.push(tagged, child, signature);
  }
  return { store, kept };
}

/** Links that lead nowhere. */
async function broken(store: Store): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of await files(store)) {
    if (!path.endsWith('/link') || path.includes('/index/')) continue;
    const digest = ((await store.read(path)) ?? '').toString() as Digest;
    if (!(await has(store, digest))) found.push(path);
  }
  return found;
}

describe('a run that ends', () => {
  test('before any of its changes has lost nothing, and the next one does the rest', async () => {
    const whole = await plant();
    await run(whole.store, { untagged: true });
    const expected = await files(whole.store);
    let deaths = 0;
    for (let changes = 0; ; changes++) {
      const { store, kept } = await plant();
      const died = await run(mortal(store, changes), { untagged: true }).then(
        () => false,
        () => true,
      );
      // Those that were under way with the one that failed.
      await new Promise(setImmediate);
      for (const image of kept) assert.deepEqual(await left(store, everything(image)), all, `after ${changes} changes`);
      assert.deepEqual(await broken(store), [], `after ${changes} changes`);
      await run(store, { untagged: true });
      assert.deepEqual(await files(store), expected, `after ${changes} changes`);
      if (!died) break;
      deaths++;
    }
    assert.ok(deaths > 50, `only ${deaths} places to die at`);
  });

  test('on a store that tells names at any depth, as a bucket does, deletes the same', async () => {
    const [{ store }, whole] = [await plant(), await plant()];
    await run(whole.store, { untagged: true });
    let walks = 0;
    const bucket: Store = {
      ...store,
      async walk(path, { after = '', limit = 7 } = {}) {
        walks++;
        const paths = (await files(store, path)).filter((found) => found > after);
        const stats = await Promise.all(paths.slice(0, limit).map((found) => store.stat(found)));
        return { objects: stats.filter((stat) => stat !== undefined), more: paths.length > limit };
      },
    };
    await run(bucket, { untagged: true });
    assert.deepEqual(await files(store), await files(whole.store));
    assert.ok(walks > 5);
  });

  test('when it is asked to, does no more', async () => {
    const { store } = await plant();
    const before = await files(store);
    await assert.rejects(run(store, { signal: AbortSignal.abort(new Error('asked')) }), /asked/);
    assert.deepEqual(await files(store), before);
  });
});

describe('pushes meanwhile', () => {
  /** Does something right before the first deletion below a path. */
  function before(store: Store, part: RegExp, work: () => Promise<unknown>): Store {
    let done = false;
    return {
      ...store,
      async delete(path, options) {
        if (!done && part.test(path)) {
          done = true;
          await work();
        }
        return store.delete(path, options);
      },
    };
  }

  /** The clock of the store goes in steps: what is written from `now` on is new. */
  function clocked() {
    let time = 1_000_000;
    const ground = createGround(createMemoryStore({ clock: () => time }));
    return { ...ground, now: () => time, tick: () => ++time };
  }

  test('what was written since the start stays; with a grace period, what was written before it too', async () => {
    const { store, image, blob, now, tick } = clocked();
    await image('app', 'v1');
    const old = await blob('app');
    const start = tick();
    const fresh = [await blob('app'), await blob('other')];
    const untagged = await image('app');
    const { summary } = await run(store, { untagged: true, cutoff: start });
    assert.deepEqual(await left(store, [old, ...fresh]), [false, true, true]);
    assert.deepEqual(await left(store, everything(untagged)), all);
    for (const { digest } of fresh.slice(0, 1)) assert.ok(await store.read(keys.layerLink(as('app'), digest)));
    assert.ok(summary.spared > 0);
    await run(store, { untagged: true, cutoff: now() - 10 });
    assert.deepEqual(await left(store, fresh), [true, true]);
    tick();
    await run(store, { untagged: true, cutoff: now() });
    assert.deepEqual(await left(store, [...fresh, ...everything(untagged)]), [
      false,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  test('a mount makes old content new', async () => {
    const { store, blob, put, tick } = clocked();
    const { digest } = await blob('from');
    const start = tick();
    await put(keys.layerLink(as('to'), digest), digest);
    await run(store, { cutoff: start });
    assert.equal(await has(store, digest), true);
  });

  test('an image of old layers whose manifest came before links are deleted is whole', async () => {
    const { store, blob, manifest, image, tick } = clocked();
    await image('app', 'v1');
    const [config, layer, other] = [await blob('app'), await blob('app'), await blob('app')];
    const start = tick();
    const push = (): Promise<unknown> => manifest('app', 'v2', { schemaVersion: 2, config, layers: [layer] });
    await run(before(store, /_layers/, push), { cutoff: start });
    assert.deepEqual(await left(store, [config, layer, other]), [true, true, false]);
    for (const { digest } of [config, layer]) assert.ok(await store.read(keys.layerLink(as('app'), digest)));
    assert.deepEqual(await broken(store), []);
  });

  test('afterwards it is refused: its layers have to be pushed again', async () => {
    const { store, blob, image, tick } = clocked();
    await image(app, 'v1');
    const [config, layer] = [await blob(app), await blob(app)];
    const start = tick();
    const push = (): Promise<unknown> =>
      assert.rejects(putImage(replica(store), imageOf(config, [layer]), 'v2'), { code: 'MANIFEST_BLOB_UNKNOWN' });
    await run(before(store, /\/blobs\//, push), { cutoff: start });
    assert.deepEqual(await left(store, [config, layer]), [false, false]);
    assert.deepEqual(await broken(store), []);
  });

  test('content that is pushed again right before it would be deleted stays', async () => {
    const { store, blob, tick } = clocked();
    const texts = Array.from({ length: 60 }, (_, count) => `content ${count}`);
    const blobs = await Promise.all(texts.map((text) => blob('app', text)));
    // They go in this order, some of them at once.
    const [last] = [...blobs].sort((a, b) => (a.digest < b.digest ? 1 : -1));
    assert.ok(last);
    const text = texts[blobs.indexOf(last)];
    const start = tick();
    await run(
      before(store, /\/blobs\//, () => blob('app', text)),
      { cutoff: start },
    );
    assert.equal(await has(store, last.digest), true);
    assert.equal((await left(store, blobs)).filter((found) => found).length, 1);
  });

  test('an index of old children that were being deleted brings them back', async () => {
    const { store, image, index, tick } = clocked();
    const children = [await image('app'), await image('app')];
    await image('app', 'v1');
    const start = tick();
    const push = (): Promise<unknown> =>
      index(
        'app',
        'list',
        children.map(({ manifest }) => manifest),
      );
    await run(before(store, /_layers/, push), { untagged: true, cutoff: start });
    for (const child of children) assert.deepEqual(await left(store, everything(child)), all);
    assert.deepEqual(await broken(store), []);
    for (const { manifest } of children) assert.ok(await store.read(keys.revisionLink(as('app'), manifest.digest)));
  });

  test('a manifest without a tag that gets one, or is pushed again, stays whole', async () => {
    const { store, image, tag, tick, put } = clocked();
    const [tagged, again] = [await image('app'), await image('app')];
    await image('app');
    const start = tick();
    let done = false;
    const slow: Store = {
      ...store,
      async list(path, options) {
        // Between marking and deleting: content is being listed.
        if (!done && path.endsWith('/blobs')) {
          done = true;
          await tag('app', 'late', tagged.manifest.digest);
          await put(keys.revisionLink(as('app'), again.manifest.digest), again.manifest.digest);
        }
        return store.list(path, options);
      },
    };
    const { summary } = await run(slow, { untagged: true, cutoff: start });
    assert.ok(done);
    for (const kept of [tagged, again]) assert.deepEqual(await left(store, everything(kept)), all);
    assert.deepEqual(await broken(store), []);
    assert.equal(summary.deleted.manifests, 1);
  });

  test('a server that pushes through all of a run has lost nothing that it was told of', async () => {
    const ground = createGround();
    const { store } = ground;
    const services = replica(store);
    for (let count = 0; count < 40; count++) {
      await ground.image(app, count % 3 === 0 ? `t${count}` : undefined);
      await ground.blob(app);
    }
    const pushed: Image[] = [];
    let running = true;
    const pushing = (async () => {
      for (let count = 0; running || count < 5; count++) {
        const [config, layer] = [await ground.blob(app), await ground.blob(app)];
        const { digest } = await putImage(services, imageOf(config, [layer]), `new${count}`);
        pushed.push({ manifest: { mediaType: '', digest, size: 0 }, config, layers: [layer] });
        await new Promise(setImmediate);
      }
    })();
    await run(store, { untagged: true, cutoff: Date.now() });
    running = false;
    await pushing;
    for (const image of pushed) assert.deepEqual(await left(store, everything(image)), [true, true, true]);
    assert.deepEqual(await broken(store), []);
  });
});
