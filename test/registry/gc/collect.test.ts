/** What garbage collection deletes and keeps: the cases of Distribution's own tests, and those in which it is at fault. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mediaTypes } from '../../../registry/oci/manifest.ts';
import * as keys from '../../../registry/service/keys.ts';
import { as, createGround, everything, files, has, left, run } from './ground.ts';

const all = [true, true, true, true];
const none = [false, false, false, false];

describe('as Distribution has it', () => {
  test('nothing is deleted when everything is in use', async () => {
    const { store, image } = createGround();
    await image('palailogos', 'latest');
    const before = await files(store);
    const { summary, lines } = await run(store);
    assert.deepEqual(await files(store), before);
    assert.equal(lines.at(-1), '\n4 blobs marked, 0 blobs and 0 manifests eligible for deletion');
    assert.deepEqual(summary.kept, []);
  });

  test('a manifest without a tag stays, unless it is asked for; a tag that moved leaves its history', async () => {
    const { store, image } = createGround();
    const old = await image('komnenos', 'test');
    const tagged = await image('komnenos', 'test');
    await run(store);
    assert.deepEqual(await left(store, everything(old)), all);
    const { lines, summary } = await run(store, { untagged: true });
    assert.deepEqual(await left(store, everything(old)), none);
    assert.deepEqual(await left(store, everything(tagged)), all);
    assert.ok(lines.includes(`manifest eligible for deletion: {komnenos ${old.manifest.digest} [test]}`));
    assert.equal(summary.deleted.manifests, 1);
    const rest = await files(store, `/docker/registry/v2/repositories/komnenos`);
    assert.deepEqual(
      rest.filter((path) => path.includes(old.manifest.digest.slice(7))),
      [],
      'neither revision nor history',
    );
  });

  test('an index may point to what is not there', async () => {
    const { store, image, index } = createGround();
    const child = await image('dangling');
    const { digest } = await createGround()
      .image('elsewhere')
      .then((other) => other.manifest);
    await index('dangling', 'latest', [child.manifest, { ...child.manifest, digest }]);
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, everything(child)), all);
  });

  test('an index that lost its tag goes with its children', async () => {
    const { store, image, index } = createGround();
    const children = [await image('multi'), await image('multi')];
    const list = await index(
      'multi',
      undefined,
      children.map(({ manifest }) => manifest),
    );
    const other = await image('multi', 'latest');
    await run(store, { untagged: true });
    assert.equal(await has(store, list.digest), false);
    for (const child of children) assert.deepEqual(await left(store, everything(child)), none);
    assert.deepEqual(await left(store, everything(other)), all);
  });

  test('links to layers that nothing uses go', async () => {
    const { store, image, blob } = createGround();
    await image('unused', 'latest');
    const { digest } = await blob('unused');
    const { lines } = await run(store);
    assert.ok(lines.includes(`unused: layer link eligible for deletion: ${digest}`));
    assert.equal(await store.stat(keys.layer(as('unused'), digest)), undefined);
  });

  test('an empty store, a store without repositories, a repository without manifests', async () => {
    const { store, blob, put } = createGround();
    assert.equal((await run(store)).lines.at(-1), '\n0 blobs marked, 0 blobs and 0 manifests eligible for deletion');
    const { digest } = await blob('layers/only');
    await put('/docker/registry/v2/repositories/a/_uploads/x/data', '');
    await run(store);
    assert.equal(await has(store, digest), false);
    assert.deepEqual(await files(store), ['/docker/registry/v2/repositories/a/_uploads/x/data']);
  });

  test('a store with content and without any repositories is refused: half of it is missing', async () => {
    const { store, image } = createGround();
    const lost = await image('app', 'v1');
    await store.delete(keys.repositoriesRoot);
    await assert.rejects(run(store), /no \/docker\/registry\/v2\/repositories.*look whether the storage is whole/);
    assert.deepEqual(await left(store, everything(lost)), all);
  });

  test('deleting a manifest frees what it alone has', async () => {
    const { store, image } = createGround();
    const doomed = await image('komnenos', 'one');
    const kept = await image('komnenos', 'two');
    await store.delete(keys.revisionLink(as('komnenos'), doomed.manifest.digest));
    const { summary } = await run(store);
    assert.deepEqual(await left(store, everything(doomed)), none);
    assert.deepEqual(await left(store, everything(kept)), all);
    assert.equal(summary.deleted.blobs, 4);
  });

  test('a layer that two images share stays for the one that is left', async () => {
    const { store, image, manifest, blob } = createGround();
    const shared = await blob('tzimiskes');
    const first = await image('tzimiskes', 'one', { layers: [shared] });
    const config = await blob('tzimiskes');
    await manifest('tzimiskes', 'two', {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config,
      layers: [shared],
    });
    await store.delete(keys.revision(as('tzimiskes'), first.manifest.digest));
    await run(store);
    assert.deepEqual(await left(store, [shared, config, first.config]), [true, true, false]);
  });

  test('content without any link goes', async () => {
    const { store, image } = createGround();
    const kept = await image('michael', 'latest');
    const { digest } = await createGround(store).blob('other', 'orphan');
    await store.delete('/docker/registry/v2/repositories/other');
    const { lines } = await run(store);
    assert.ok(lines.includes(`blob eligible for deletion: ${digest}`));
    assert.equal(await has(store, digest), false);
    assert.deepEqual(await left(store, everything(kept)), all);
  });

  for (const [index, child] of [
    [true, false],
    [false, false],
    [false, true],
  ] as const) {
    test(`an index ${index ? 'with' : 'without'} a tag, its child ${child ? 'with' : 'without'}`, async () => {
      const ground = createGround();
      const { store } = ground;
      const image = await ground.image('foo', child ? 'child' : undefined);
      const list = await ground.index('foo', index ? 'list' : undefined, [image.manifest]);
      await run(store, { untagged: true });
      assert.equal(await has(store, list.digest), index);
      assert.deepEqual(await left(store, everything(image)), index || child ? all : none);
    });
  }

  test('an index with a tag whose child was deleted keeps the other', async () => {
    const { store, image, index } = createGround();
    const [gone, stays] = [await image('foo'), await image('foo')];
    await index('foo', 'list', [gone.manifest, stays.manifest]);
    await store.delete(keys.revision(as('foo'), gone.manifest.digest));
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, everything(stays)), all);
    // Its bytes are named by the index, what it pointed to is not.
    assert.deepEqual(await left(store, everything(gone)), [true, false, false, false]);
  });

  test('a dry run tells the same and changes nothing; quiet or not, a run answers the same twice', async () => {
    const { store, image, blob } = createGround();
    await image('app', 'latest');
    await image('app');
    await blob('app');
    const before = await files(store);
    const dry = await run(store, { untagged: true, dryRun: true });
    assert.deepEqual(await files(store), before);
    assert.deepEqual(dry.forgotten, []);
    const real = await run(store, { untagged: true });
    assert.deepEqual([...dry.lines].sort(), [...real.lines].sort());
    assert.equal(real.summary.deleted.blobs, 5);
    const again = await run(store, { untagged: true });
    assert.equal(
      again.summary.eligible.blobs + again.summary.eligible.manifests + again.summary.eligible.layerLinks,
      0,
    );
  });
});

describe('where Distribution is at fault', () => {
  test('the order of repositories makes no difference: a link stays exactly with its content', async () => {
    for (const [owner, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const { store, image, put } = createGround();
      const { layers } = await image(owner, 'latest');
      const [layer] = layers;
      assert.ok(layer);
      await image(other, 'latest');
      await put(keys.layerLink(as(other), layer.digest), layer.digest);
      await run(store);
      assert.notEqual(await store.read(keys.layerLink(as(other), layer.digest)), undefined);
    }
  });

  test('with --delete-untagged, a repository without any tag leaves no links to what is gone', async () => {
    const { store, image } = createGround();
    await image('pushed/by/digest');
    await run(store, { untagged: true });
    assert.deepEqual(await files(store), []);
  });

  test('links to manifests without content: gone with --delete-untagged, left alone without', async () => {
    const { store, image } = createGround();
    const { manifest } = await image('app');
    await store.delete(keys.blob(manifest.digest));
    await run(store);
    assert.notEqual(await store.read(keys.revisionLink(as('app'), manifest.digest)), undefined);
    const { lines, summary } = await run(store, { untagged: true });
    assert.ok(lines.includes(`app: manifest link without content eligible for deletion: ${manifest.digest}`));
    assert.deepEqual([summary.eligible.manifests, summary.eligible.manifestLinks], [0, 1]);
    assert.equal(await store.read(keys.revisionLink(as('app'), manifest.digest)), undefined);
  });

  test('links to layers whose content is gone, as an interrupted run leaves them, go', async () => {
    const { store, image, blob } = createGround();
    const { layers } = await image('app', 'latest');
    const { digest } = await blob('app');
    await store.delete(keys.blob(digest));
    const [missing] = layers;
    assert.ok(missing);
    await store.delete(keys.blob(missing.digest));
    await run(store);
    assert.equal(await store.read(keys.layerLink(as('app'), digest)), undefined);
    // What a manifest asks for may come back.
    assert.notEqual(await store.read(keys.layerLink(as('app'), missing.digest)), undefined);
  });

  test('indexes in indexes, and what hangs on them', async () => {
    const { store, image, index } = createGround();
    const leaf = await image('deep');
    const inner = await index('deep', undefined, [leaf.manifest]);
    const middle = await index('deep', undefined, [inner]);
    await index('deep', 'latest', [middle]);
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, [...everything(leaf), inner, middle]), [...all, true, true]);
  });

  test('a manifest that another repository keeps is whole where it has no tag, too', async () => {
    const { store, image, index, put } = createGround();
    const child = await image('mirror');
    // Known as a child there, without being a manifest there.
    await index('origin', 'latest', [child.manifest]);
    await put(keys.layerLink(as('origin'), child.config.digest), child.config.digest);
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, everything(child)), all);
  });

  test('forgets what went, by repository and for all', async () => {
    const { store, image } = createGround();
    const { manifest, config } = await image('app');
    await image('app', 'latest');
    const { forgotten } = await run(store, { untagged: true });
    for (const { digest } of [manifest, config]) {
      assert.ok(forgotten.includes(`app ${digest}`) && forgotten.includes(`* ${digest}`));
      assert.ok(forgotten.indexOf(`app ${digest}`) < forgotten.indexOf(`* ${digest}`), 'links before bytes');
    }
  });
});
