/** What a collector must not take for garbage: referrers, older formats, other digests, and whatever it does not understand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Digest, digestBytes } from '../../../registry/oci/digest.ts';
import { mediaTypes } from '../../../registry/oci/manifest.ts';
import * as keys from '../../../registry/service/keys.ts';
import { as, createGround, everything, files, has, left, root, run } from './ground.ts';

const all = [true, true, true, true];
const none = [false, false, false, false];
const reasons = (found: Awaited<ReturnType<typeof run>>): string => JSON.stringify(found.warnings);

describe('referrers', () => {
  test('stay with their subject, and theirs with them; those of what goes, go', async () => {
    const { store, image } = createGround();
    const app = await image('app', 'v1');
    const signature = await image('app', undefined, { subject: app.manifest });
    const ofSignature = await image('app', undefined, { subject: signature.manifest });
    const untagged = await image('app');
    const lost = await image('app', undefined, { subject: untagged.manifest });
    const missing = await image('app', undefined, { subject: { ...app.manifest, digest: `sha256:${'0'.repeat(64)}` } });
    await run(store, { untagged: true });
    for (const kept of [app, signature, ofSignature]) assert.deepEqual(await left(store, everything(kept)), all);
    for (const gone of [untagged, lost, missing]) assert.deepEqual(await left(store, everything(gone)), none);
  });

  test('an index may be one, and brings its children; a child of a kept index has its own', async () => {
    const { store, image, index } = createGround();
    const child = await image('app');
    const list = await index('app', 'v1', [child.manifest]);
    const ofChild = await image('app', undefined, { subject: child.manifest });
    const attested = await image('app');
    const attestation = await index('app', undefined, [attested.manifest], { subject: list });
    await run(store, { untagged: true });
    for (const kept of [child, ofChild, attested]) assert.deepEqual(await left(store, everything(kept)), all);
    assert.equal(await has(store, attestation.digest), true);
  });

  test('a fallback tag is a tag', async () => {
    const { store, image, index } = createGround();
    const app = await image('app', 'v1');
    const signature = await image('app');
    await index('app', app.manifest.digest.replace(':', '-'), [signature.manifest]);
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, everything(signature)), all);
  });

  test('entries of our index go with the revision, those of what is there stay', async () => {
    const { store, image, put } = createGround();
    const app = await image('app', 'v1');
    const kept = await image('app', undefined, { subject: app.manifest });
    const gone = await image('app');
    const entry = (digest: Digest): string => keys.referrer(as('app'), app.manifest.digest, digest);
    for (const { manifest } of [kept, gone]) await put(entry(manifest.digest), '{}');
    await put(keys.referrersScanned(as('app')), 'looked at');
    await run(store, { untagged: true });
    assert.notEqual(await store.read(entry(kept.manifest.digest)), undefined);
    assert.equal(await store.read(entry(gone.manifest.digest)), undefined);
    assert.equal(await store.read(keys.referrersScanned(as('app'))), undefined, 'or it would not be looked at again');
  });

  test('hints for mounts go with the content', async () => {
    const { store, image, blob, put } = createGround();
    const { config } = await image('app', 'v1');
    const gone = await blob('app');
    const before = digestBytes('sha256', Buffer.from('went long ago'));
    for (const digest of [config.digest, gone.digest, before]) await put(keys.places(digest), 'app');
    await run(store);
    const rest = await files(store, `${root}/_berth`);
    assert.deepEqual(rest, [keys.places(config.digest)]);
  });
});

/** A schema 1 manifest as the registry of its time stored it: signed, its digest that of the payload. */
function signed(layers: readonly string[]): { readonly body: Buffer; readonly digest: Digest } {
  const fsLayers = layers.map((blobSum) => ({ blobSum }));
  const payload = JSON.stringify({ schemaVersion: 1, name: 'old', tag: 'v1', fsLayers, history: [] }, null, 3);
  const formatLength = payload.length - 2;
  const protection = {
    formatLength,
    formatTail: Buffer.from('\n}').toString('base64url'),
    time: '2015-01-01T00:00:00Z',
  };
  const signature = { protected: Buffer.from(JSON.stringify(protection)).toString('base64url'), signature: 'x' };
  const body = `${payload.slice(0, formatLength)},\n   "signatures": ${JSON.stringify([signature])}\n}`;
  return { body: Buffer.from(body), digest: digestBytes('sha256', Buffer.from(payload)) };
}

describe('older formats', () => {
  test('layers of schema 1, by its signed body too; signatures beside it', async () => {
    const { store, blob, put, tag } = createGround();
    const layers = [await blob('old'), await blob('old')];
    const { body, digest } = signed(layers.map((layer) => layer.digest));
    await put(keys.blobData(digest), body);
    await put(keys.revisionLink(as('old'), digest), digest);
    await tag('old', 'v1', digest);
    const signature = digestBytes('sha256', Buffer.from('a signature'));
    await put(keys.blobData(signature), 'a signature');
    const beside = `${keys.revision(as('old'), digest)}/signatures/${signature.replace(':', '/')}/link`;
    await put(beside, signature);
    const found = await run(store, { untagged: true });
    assert.equal(found.summary.kept.length, 0, reasons(found));
    assert.deepEqual(await left(store, layers), [true, true]);
    assert.equal(await has(store, signature), true);
    await store.delete(keys.tag(as('old'), 'v1'));
    await run(store, { untagged: true });
    assert.deepEqual(await files(store), []);
  });

  for (const reference of ['tarsum.v1+sha256', 'tarsum+sha256', 'tarsum.dev+sha256', 'sha384', 'sha512'] as const) {
    test(`a layer that is named by ${reference}`, async () => {
      const { store, blob, put, manifest } = createGround();
      const [layer, other] = [await blob('old'), await blob('old')];
      const sum = (text: string): string =>
        reference === 'sha384' || reference === 'sha512'
          ? digestBytes(reference, Buffer.from(text)).slice(7)
          : digestBytes('sha256', Buffer.from(text)).slice(7);
      const folder = { 'tarsum+sha256': 'tarsum/v0/sha256' }[reference as string] ?? reference.replace(/[.+]/g, '/');
      const linkOf = (text: string): string => `${keys.layers(as('old'))}/${folder}/${sum(text)}/link`;
      await put(linkOf('in use'), layer.digest);
      await put(linkOf('not in use'), other.digest);
      const config = { ...(await blob('old')), mediaType: 'x' };
      const layers = [{ digest: `${reference}:${sum('in use')}`, size: 1 }];
      await manifest('old', 'v1', { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers });
      await run(store, { untagged: true });
      assert.deepEqual(await left(store, [layer, other]), [true, false]);
      assert.notEqual(await store.read(linkOf('in use')), undefined);
      assert.equal(await store.read(linkOf('not in use')), undefined);
    });
  }

  test('manifests under their SHA-512', async () => {
    const { store, blob, manifest } = createGround();
    const config = await blob('app');
    const content = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [] };
    const kept = await manifest('app', 'v1', content, 'sha512');
    const gone = await manifest('app', undefined, { ...content, annotations: {} }, 'sha512');
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, [kept, config, gone]), [true, true, false]);
  });
});

describe('what cannot be understood', () => {
  const damages: Readonly<Record<string, string>> = {
    'that is empty': '',
    'that is no JSON': 'gone {',
    'of another type': '{"schemaVersion":2,"mediaType":"application/vnd.example.future+json"}',
    'of another version': '{"schemaVersion":3}',
    'whose bytes are not its digest': '{"schemaVersion":2,"layers":[]}',
    'with something strange for a layer': '{"schemaVersion":1,"fsLayers":[{"digest":"x"}]}',
  };
  for (const [what, content] of Object.entries(damages)) {
    test(`a manifest ${what} keeps its repository, and no other`, async () => {
      const { store, image, blob, put } = createGround();
      const damaged = await image('app', 'v1');
      const [untagged, loose] = [await image('app'), await blob('app')];
      const elsewhere = await blob('other');
      await put(keys.blobData(damaged.manifest.digest), content);
      for (const untaggedToo of [false, true]) {
        const found = await run(store, { untagged: untaggedToo });
        assert.deepEqual(await left(store, [...everything(damaged), ...everything(untagged), loose]), [
          ...all,
          ...all,
          true,
        ]);
        assert.equal(await has(store, elsewhere.digest), false);
        assert.deepEqual(found.summary.kept, ['app']);
        assert.match(reasons(found), /push it again/);
      }
    });
  }

  test('without a tag, it is what --delete-untagged is for', async () => {
    const { store, image, put } = createGround();
    const [damaged, kept] = [await image('app'), await image('app', 'v1')];
    await put(keys.blobData(damaged.manifest.digest), 'damaged');
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, [...everything(damaged), ...everything(kept)]), [...none, ...all]);
  });

  test('a damaged tag keeps all that it ever pointed to; a damaged revision link still is one', async () => {
    const { store, image, put } = createGround();
    const images = [await image('app', 'v1'), await image('app', 'v1'), await image('app', 'v2')];
    await put(keys.tagCurrent(as('app'), 'v1'), '');
    await put(keys.revisionLink(as('app'), images[2]?.manifest.digest as Digest), '');
    const found = await run(store, { untagged: true });
    for (const kept of images) assert.deepEqual(await left(store, everything(kept)), all);
    assert.match(reasons(found), /damaged/);
  });

  test('foreign files and folders are left alone, wherever they lie', async () => {
    const { store, image, put } = createGround();
    await image('app', 'v1');
    const hex = '0'.repeat(64);
    const foreign = [
      ...['README', 'blobs/notes.txt', 'blobs/md5/ab/abc/data', 'blobs/sha256/README', 'blobs/sha256/zz/x/data'],
      ...[`blobs/sha256/11/${hex}/data`, `blobs/sha256/${hex}/data`, 'blobs/sha256/00/short/data'],
      ...[`blobs/sha256/00/${hex}/other`, 'repositories/app/_layers/README', 'repositories/app/_layers/sha256/x/link'],
      ...['repositories/app/_manifests/README', 'repositories/app/_manifests/tags/notes.txt'],
      ...['repositories/app/_manifests/revisions/sha256/README', 'repositories/app/_uploads/x/data'],
      ...['repositories/app/_other/file', 'repositories/app/file', 'repositories/_strange/file', '_berth/other'],
    ].map((path) => `${root}/${path}`);
    for (const path of foreign) await put(path, 'foreign');
    await run(store, { untagged: true });
    const rest = new Set(await files(store, '/docker'));
    assert.deepEqual(
      foreign.filter((path) => !rest.has(path)),
      [],
    );
  });

  test('a folder of nobody’s algorithm among the manifests keeps the repository', async () => {
    const { store, image, blob, put } = createGround();
    await image('app', 'v1');
    const { digest } = await blob('app');
    await put(`${keys.revisionsRoot(as('app'))}/blake3/abc/link`, 'blake3:abc');
    assert.deepEqual((await run(store)).summary.kept, ['app']);
    assert.equal(await has(store, digest), true);
  });

  test('a repository whose name breaks the grammar is one all the same', async () => {
    const { store, image } = createGround();
    const odd = await image('Upper/Case', 'v1');
    await run(store, { untagged: true });
    assert.deepEqual(await left(store, everything(odd)), all);
  });
});
