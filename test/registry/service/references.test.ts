/** What a manifest is checked for when it is pushed: references, URLs, platforms, classes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../../../registry/oci/error.ts';
import { mediaTypes } from '../../../registry/oci/manifest.ts';
import type { ReferencesPolicy } from '../../../registry/service/references.ts';
import type { Services } from '../../../registry/service/services.ts';
import type { Store } from '../../../registry/storage/store.ts';
import { around, image, memory, place, put, replica } from './ground.ts';

const policy = (more: Partial<ReferencesPolicy>): ReferencesPolicy => ({
  references: 'all',
  urls: { allow: [], deny: [] },
  indexes: { platforms: 'all', platformlist: [] },
  ...more,
});

/** Codes and details of a push that is refused; none of one that is taken. */
async function faultsOf(services: Services, manifest: object): Promise<readonly (readonly [string, unknown])[]> {
  try {
    await put(services, manifest);
    return [];
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return error.faults.map(({ code, detail }) => [code, detail]);
  }
}
const codesOf = async (services: Services, manifest: object) =>
  (await faultsOf(services, manifest)).map(([code]) => code);

const absent = (digit: string) => ({ mediaType: 'application/x', digest: `sha256:${digit.repeat(64)}`, size: 1 });
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

test('every missing reference is told once, in the order of the manifest', async () => {
  const store = memory();
  const services = replica(store);
  const config = await place(store, Buffer.from('{}'));
  const layers = ['3', '1', '2', '1'].map(absent);
  assert.deepEqual(
    await faultsOf(services, image(config, layers)),
    ['3', '1', '2'].map((digit) => ['MANIFEST_BLOB_UNKNOWN', `sha256:${digit.repeat(64)}`]),
  );
  assert.deepEqual(
    await codesOf(replica(store, { policy: policy({ references: 'none' }) }), image(config, layers)),
    [],
  );
});

test('a manifest of 40 layers is checked many layers at a time, and never without bound', async () => {
  const store = memory();
  const config = await place(store, Buffer.from('{}'));
  const layers = await Promise.all(Array.from({ length: 40 }, (_, at) => place(store, Buffer.from(`layer ${at}`))));
  let [now, most, calls] = [0, 0, 0];
  const counted = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
    if (!/\/blobs\/|_layers/.test(path)) return work();
    calls++;
    most = Math.max(most, ++now);
    // Long enough for the others to be begun, however fast the store is.
    await sleep(1);
    try {
      return await work();
    } finally {
      now--;
    }
  };
  const slow: Store = around(store, {
    stat: (path, options) => counted(path, () => store.stat(path, options)),
    read: (path, options) => counted(path, () => store.read(path, options)),
  });
  await put(replica(slow), image(config, layers), 'v1');
  assert.ok(calls >= 41, `${calls} looks at the store`);
  assert.ok(most >= 8, `only ${most} looks at the store at once`);
  assert.ok(most <= 64, `${most} looks at the store at once`);
});

test('while no list is written, layers with URLs are admitted, and not looked for', async () => {
  const store = memory();
  const config = await place(store, Buffer.from('{}'));
  for (const mediaType of [layerType, nondistributable, foreign]) {
    const layer = { ...absent('1'), mediaType, urls: ['ftp://anything#x'] };
    assert.deepEqual(await codesOf(replica(store), image(config, [layer])), [], mediaType);
    assert.deepEqual(await codesOf(replica(store), image(config, [{ ...layer, urls: [] }])), ['MANIFEST_BLOB_UNKNOWN']);
  }
});

test('with lists each URL has to be admitted, whatever the type of what names it', async () => {
  const store = memory();
  const config = await place(store, Buffer.from('{}'));
  const here = await place(store, Buffer.from('layer'));
  const services = replica(store, { policy: policy({ urls: { allow: ['^https://good\\.'], deny: ['/secret'] } }) });
  const layer = (urls: readonly string[], mediaType = nondistributable) => ({ ...absent('1'), mediaType, urls });
  const good = 'https://good.example/layer';
  assert.deepEqual(await codesOf(services, image(config, [layer([good, `${good}2`])])), []);
  for (const url of ['https://bad.example/', `${good}/secret`, `${good}#x`, 'ftp://good.', 'https:good']) {
    const [fault] = await faultsOf(services, image(config, [layer([good, url])]));
    assert.deepEqual(fault, ['MANIFEST_INVALID', { digest: absent('1').digest, url }]);
  }
  await assert.rejects(put(services, image(config, [layer(['https://bad.'])])), /invalid URL on layer: no pattern/);
  const bad = { urls: ['https://bad.example/'] };
  assert.deepEqual(await codesOf(services, image(config, [{ ...here, mediaType: 'application/x', ...bad }])), [
    'MANIFEST_INVALID',
  ]);
  assert.deepEqual(await codesOf(services, image({ ...config, ...bad }, [])), ['MANIFEST_INVALID']);
  // What is no layer that may stay away has to be here, URL or not; what may has to have one.
  assert.deepEqual(await codesOf(services, image(config, [layer([good], layerType)])), ['MANIFEST_BLOB_UNKNOWN']);
  assert.deepEqual(await codesOf(services, image(config, [{ ...here, mediaType: layerType, urls: [good] }])), []);
  assert.deepEqual(await codesOf(services, image(config, [layer([], foreign)])), [
    'MANIFEST_INVALID',
    'MANIFEST_BLOB_UNKNOWN',
  ]);
  await assert.rejects(put(services, image(config, [layer([], foreign)])), /missing URL on layer/);
});

test('children of an index: all, none, or those of listed platforms, whose names count as written', async () => {
  const store = memory();
  const child = (digit: string, os?: string, architecture?: string) => ({
    ...absent(digit),
    mediaType: mediaTypes.ociManifest,
    ...(os === undefined ? {} : { platform: { os, architecture } }),
  });
  const manifests = [
    child('1', 'linux', 'amd64'),
    child('2', 'linux', 'arm64'),
    child('3', 'Linux', 'AMD64'),
    child('4'),
  ];
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  const missing = async (platforms: 'all' | 'none' | 'list', ...list: readonly string[]) => {
    const platformlist = list.map((text) => ({ os: text.split('/')[0] ?? '', architecture: text.split('/')[1] ?? '' }));
    const services = replica(store, { policy: policy({ indexes: { platforms, platformlist } }) });
    return (await faultsOf(services, index)).map(([, digest]) => String(digest).at(-1)).join('');
  };
  assert.equal(await missing('all'), '1234');
  assert.equal(await missing('none'), '');
  assert.equal(await missing('list', 'linux/amd64'), '1');
  assert.equal(await missing('list', 'linux/arm64', 'Linux/AMD64'), '23');
  assert.equal(await missing('list', 'windows/amd64'), '');
  assert.equal(await missing('list'), '1234');
});

test('classes are checked before references', async () => {
  const store = memory();
  const services = replica(store, { classes: ['plugin'] });
  assert.deepEqual(await codesOf(services, image(absent('1') as never, [])), ['DENIED']);
  await assert.rejects(put(services, image(absent('1') as never, [])), /unknown manifest class for application\/x/);
});
