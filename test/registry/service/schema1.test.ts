/** Conversion to schema 1 where nothing can be written, and damage that is found on the way. */
import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { mediaTypes } from '../../../registry/oci/manifest.ts';
import { emptyTar, emptyTarDigest } from '../../../registry/oci/schema1-convert.ts';
import type { DamageKind } from '../../../registry/service/damage.ts';
import * as keys from '../../../registry/service/keys.ts';
import type { Services } from '../../../registry/service/services.ts';
import { type Store, StoreError } from '../../../registry/storage/store.ts';
import { openManifest } from '../../support/schema1-signer.ts';
import { around, image, memory, name, place, put, replica, tag } from './ground.ts';

const old = { lists: false, schema2: false, newer: false };

async function pushSchema2(store: Store): Promise<void> {
  const layer = await place(store, Buffer.from('layer'));
  const history = [{ created_by: 'ADD' }, { created_by: 'ENV', empty_layer: true }];
  const config = await place(store, Buffer.from(JSON.stringify({ history, rootfs: { diff_ids: [layer.digest] } })));
  const manifest = { ...image(config, [layer]), mediaType: mediaTypes.dockerManifest };
  await put(replica(store), manifest, 'v1');
}

async function convert(services: Services) {
  const found = await services.manifests.get(name, { tag: tag('v1') }, {});
  return found && services.convert(name, tag('v1'), found, old, {});
}

/** All that lies in the store, by its paths. */
async function pathsOf(store: Store, folder = '/docker'): Promise<readonly string[]> {
  const page = await store.list(folder);
  const below = (page?.entries ?? []).map((entry) =>
    entry.isDirectory ? pathsOf(store, `${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
  return (await Promise.all(below)).flat();
}

test('the empty layer is written once into the repository of an image that needs it', async () => {
  const store = memory();
  await pushSchema2(store);
  const services = replica(store);
  assert.equal(await services.blobs.stat(name, emptyTarDigest, {}), undefined);
  const converted = await convert(services);
  assert.equal(openManifest(converted?.bytes ?? Buffer.alloc(0)).digest, converted?.digest);
  const blob = await services.blobs.stat(name, emptyTarDigest, {});
  assert.equal(blob?.size, 32);
  const before = await pathsOf(store);
  await convert(services);
  assert.deepEqual(await pathsOf(store), before);
});

test('while nothing may be written the image is converted, and its empty layer served, without a write', async () => {
  const store = memory();
  await pushSchema2(store);
  const before = await pathsOf(store);
  let isReadOnly = true;
  const services = replica(store, { readOnly: () => isReadOnly });
  const converted = await convert(services);
  assert.equal(converted?.mediaType, mediaTypes.schema1);
  const blob = await services.blobs.stat(name, emptyTarDigest, {});
  assert.ok(blob);
  assert.ok((await services.blobs.small(name, blob, {}))?.equals(emptyTar));
  const part = await services.blobs.open(name, blob, { start: 2, end: 5 }, {});
  assert.ok(part && (await buffer(part)).equals(emptyTar.subarray(2, 5)));
  assert.equal(await services.blobs.redirectUrl(name, blob, {} as never), undefined);
  assert.deepEqual(await pathsOf(store), before);
  // A push would be refused for it, so it must not be told that it is there.
  isReadOnly = false;
  assert.equal(await services.blobs.stat(name, emptyTarDigest, {}), undefined);
});

test('a store that is full does not keep an image from being converted', async () => {
  const store = memory();
  await pushSchema2(store);
  const full = around(store, {
    putAll: async () => {
      throw new StoreError('no-space', 'inmemory', '/');
    },
  });
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, warn: (_: object, text: string) => void warnings.push(text), error() {} };
  assert.equal((await convert(replica(full, { log })))?.mediaType, mediaTypes.schema1);
  assert.deepEqual(warnings, ['the empty layer that schema 1 needs was not written']);
});

test('damaged links, folders in the place of bytes and unreadable manifests are absent, counted, and repaired by a push', async () => {
  const store = memory();
  const found: DamageKind[] = [];
  const services = replica(store, { damaged: (kind) => void found.push(kind) });
  const config = await place(store, Buffer.from('{}'));
  const manifest = image(config, []);
  const { digest } = await put(services, manifest, 'v1');
  const fresh = (): Services => replica(store, { damaged: (kind) => void found.push(kind) });
  const harms: readonly (readonly [DamageKind, () => Promise<unknown>])[] = [
    ['link', () => store.put(keys.tagCurrent(name, 'v1'), Buffer.from(''))],
    ['link', () => store.put(keys.revisionLink(name, digest), Buffer.from('sha256:short'))],
    ['data', () => store.put(keys.blobData(digest), Buffer.from('other bytes'))],
    [
      'data',
      async () => {
        await store.delete(keys.blobData(digest));
        await store.put(`${keys.blobData(digest)}/inside`, Buffer.from(''));
      },
    ],
  ];
  for (const [kind, harm] of harms) {
    await harm();
    found.length = 0;
    assert.equal(await fresh().manifests.get(name, { tag: tag('v1') }, {}), undefined, kind);
    assert.ok(found.length > 0 && found.every((one) => one === kind), `${kind}: ${found}`);
    if (kind === 'data') await store.delete(keys.blobData(digest));
    await put(fresh(), manifest, 'v1');
    assert.equal((await fresh().manifests.get(name, { tag: tag('v1') }, {}))?.digest, digest);
  }
  const text = await place(store, Buffer.from('no manifest'));
  await store.put(keys.revisionLink(name, text.digest), Buffer.from(text.digest));
  found.length = 0;
  assert.equal(await fresh().manifests.get(name, { digest: text.digest }, {}), undefined);
  assert.deepEqual(found, ['manifest']);

  await store.delete(keys.blobData(config.digest));
  await store.put(`${keys.blobData(config.digest)}/inside`, Buffer.from(''));
  found.length = 0;
  assert.equal(await fresh().blobs.stat(name, config.digest, {}), undefined);
  assert.deepEqual(found, ['data']);
});
