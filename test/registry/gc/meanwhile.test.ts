/** Pushes that fall into the gaps of a run: between a look and the deletion that it allowed, or behind the sweep of a repository. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Digest, digestBytes } from '../../../registry/oci/digest.ts';
import { mediaTypes } from '../../../registry/oci/manifest.ts';
import * as keys from '../../../registry/service/keys.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import { type Store, StoreError } from '../../../registry/storage/store.ts';
import { as, createGround, type Descriptor, everything, type Ground, has, type Image, left, run } from './ground.ts';

const all = [true, true, true, true];

/** Everything planted so far is old; what is written from now on is new. */
function planted(plant: (ground: Ground) => Promise<void>) {
  let time = 1_000_000;
  const ground = createGround(createMemoryStore({ clock: () => time }));
  return plant(ground).then(() => ({ ...ground, cutoff: ++time }));
}

/** Does something once, right before the first deletion of or below a path. */
function before(store: Store, path: string, work: () => Promise<unknown>): Store {
  let isDone = false;
  return {
    ...store,
    async delete(deleted, options) {
      if (!isDone && (deleted === path || deleted.startsWith(`${path}/`))) {
        isDone = true;
        await work();
      }
      return store.delete(deleted, options);
    },
  };
}

const imageOf = (config: Descriptor, layers: readonly Descriptor[]) => ({
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config,
  layers,
});

const isMember = async (store: Store, name: string, digest: Digest): Promise<boolean> =>
  (await store.stat(keys.layerLink(as(name), digest))) !== undefined && (await has(store, digest));

describe('a push beside a run', () => {
  test('whose revision link was seen before its bytes keeps its layers', async () => {
    const found: Descriptor[] = [];
    const { store, put, tag, cutoff } = await planted(async ({ image, blob }) => {
      await image('app', 'v1');
      found.push(await blob('app'), await blob('app'));
    });
    const [config, layer] = found as [Descriptor, Descriptor];
    const bytes = Buffer.from(JSON.stringify(imageOf(config, [layer])));
    const digest = digestBytes('sha256', bytes);
    await put(keys.revisionLink(as('app'), digest), digest);
    let isDone = false;
    const slow: Store = {
      ...store,
      async open(path, ...rest) {
        const found = await store.open(path, ...rest);
        if (path !== keys.blobData(digest) || isDone) return found;
        isDone = true;
        await put(path, bytes);
        await tag('app', 'new', digest);
        return undefined;
      },
    };
    await run(slow, { cutoff });
    assert.ok(isDone);
    for (const one of [config, layer]) assert.ok(await isMember(store, 'app', one.digest));
    assert.ok(await has(store, digest));
  });

  test('gets its links back in each repository that was pushed to', async () => {
    const found: Descriptor[] = [];
    const { store, manifest, cutoff } = await planted(async ({ blob, image }) => {
      for (const name of ['a', 'b']) {
        found.splice(0, 2, await blob(name, 'a layer'), await blob(name, 'a config'));
        await image(name, 'v1');
      }
    });
    const [layer, config] = found as [Descriptor, Descriptor];
    let meddled = store;
    for (const name of ['a', 'b']) {
      const push = (): Promise<unknown> => manifest(name, 'new', imageOf(config, [layer]));
      meddled = before(meddled, keys.layers(as(name)), push);
    }
    await run(meddled, { cutoff });
    for (const name of ['a', 'b']) {
      for (const { digest } of [layer, config]) assert.ok(await isMember(store, name, digest), `${name} ${digest}`);
    }
  });

  test('by what was mounted behind the sweep of the links finds its bytes', async () => {
    const found: Descriptor[] = [];
    const { store, put, manifest, cutoff } = await planted(async ({ blob, image }) => {
      found.push(await blob('z'));
      for (const name of ['a', 'z']) await image(name, 'v1');
      await blob('a', 'what nobody wants');
    });
    const [layer] = found as [Descriptor];
    const mount = (): Promise<unknown> => put(keys.layerLink(as('a'), layer.digest), layer.digest);
    const push = (): Promise<unknown> => manifest('a', 'new', imageOf(layer, [layer]));
    // The links of `a` were swept when those of `z` are; the second look is over when content goes.
    await run(before(before(store, keys.layers(as('z')), mount), keys.blobsRoot, push), { cutoff });
    assert.ok(await isMember(store, 'a', layer.digest));
  });

  test('by the SHA-512 of a layer gets that link back, too', async () => {
    const bytes = 'content with two names';
    const alias = digestBytes('sha512', Buffer.from(bytes));
    const found: Descriptor[] = [];
    const { store, manifest, cutoff } = await planted(async ({ blob, put, image }) => {
      const blobs = [await blob('app', bytes), await blob('app')];
      found.push(...blobs);
      await put(keys.layerLink(as('app'), alias), blobs[0]?.digest ?? '');
      await image('app', 'v1');
    });
    const [layer, other] = found as [Descriptor, Descriptor];
    const named = { ...layer, digest: alias };
    const push = (): Promise<unknown> => manifest('app', 'new', imageOf(named, [named]));
    await run(before(store, keys.layers(as('app')), push), { cutoff });
    assert.equal((await store.read(keys.layerLink(as('app'), alias)))?.toString(), layer.digest);
    assert.deepEqual(await left(store, [layer, other]), [true, false]);
  });

  test('of a manifest that is just being deleted as one without a tag keeps it whole', async () => {
    const found: Image[] = [];
    const { store, manifest, cutoff } = await planted(async ({ image }) => {
      found.push(await image('app'), await image('app', 'v1'));
    });
    const [old] = found as [Image];
    const push = (): Promise<unknown> => manifest('app', 'again', imageOf(old.config, old.layers));
    // Between the look at its date and its deletion.
    await run(before(store, keys.revision(as('app'), old.manifest.digest), push), { cutoff, untagged: true });
    assert.deepEqual(await left(store, everything(old)), all);
    assert.ok(await store.read(keys.revisionLink(as('app'), old.manifest.digest)));
    for (const { digest } of [old.config, ...old.layers]) assert.ok(await isMember(store, 'app', digest));
  });
});

test('new bytes that a bucket dates by when their upload was begun, before the start, are not taken for the old', async () => {
  let time = 1_000_000;
  const ground = createGround(createMemoryStore({ clock: () => time }));
  const { store, blob, image } = ground;
  await image('app', 'v1');
  const [one, other] = [await blob('app', 'pushed again'), await blob('app', 'of no use')];
  const begun = time + 5_000;
  time += 10_000;
  const cutoff = time;
  let isDone = false;
  const slow: Store = {
    ...store,
    async put(path, content, options) {
      // The links are gone, and content is named that is about to go.
      if (!isDone && path.startsWith(keys.goingRoot) && !(await store.stat(keys.layerLink(as('app'), one.digest)))) {
        isDone = true;
        time = begun;
        await store.put(keys.blobData(one.digest), Buffer.from('pushed again'));
        time = cutoff;
      }
      return store.put(path, content, options);
    },
  };
  await run(slow, { cutoff });
  assert.ok(isDone);
  assert.deepEqual(await left(store, [one, other]), [true, false]);
});

test('a disk without space for the names of what goes does not keep it from going', async () => {
  const { store, blob, image } = createGround();
  await image('app', 'v1');
  const loose = await blob('app');
  const full: Store = {
    ...store,
    async put(path) {
      throw new StoreError('no-space', 'test', path);
    },
  };
  await run(full);
  assert.equal(await has(store, loose.digest), false);
});

test('a damaged link of a layer that is named by SHA-512 keeps the repository and says so', async () => {
  const { store, blob, put, image, manifest } = createGround();
  const bytes = 'named otherwise';
  const layer = await blob('app', bytes);
  const config = await blob('app');
  const alias = digestBytes('sha512', Buffer.from(bytes));
  await put(keys.layerLink(as('app'), alias), '');
  await manifest('app', 'v1', imageOf(config, [{ ...layer, digest: alias }]));
  await image('other', 'v1');
  const elsewhere = await blob('other');
  const { summary, warnings } = await run(store);
  assert.deepEqual(summary.kept, ['app']);
  assert.match(JSON.stringify(warnings), /push the layer again/);
  assert.deepEqual(await left(store, [layer, config, elsewhere]), [true, true, false]);
});
