/**
 * Schema 1 over HTTP: what is taken and refused, how it is served, and what old clients are given of newer images.
 * One story over one registry and one signer, which is why it is longer than other files.
 */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPushClient, digestOf, type PushClient, type Reply, types } from '../support/push-client.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import {
  createSigner,
  fingerprintOf,
  openManifest,
  type SignedManifest,
  schema1Manifest,
  schema1Type,
  signManifest,
} from '../support/schema1-signer.ts';

const name = 'library/old';
const layers = [Buffer.from('the layer below'), Buffer.from('the layer above')];
const signer = createSigner('ES256');
const emptyTar = 'sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4';

interface Ground {
  readonly root: string;
  readonly registry: RegistryProcess;
  readonly client: PushClient;
}

async function prepare(t: TestContext, config: object = {}, root?: string): Promise<Ground> {
  const folder = root ?? join(await temporaryFolder(t), 'data');
  const options = { compatibility: { schema1: { enabled: true } }, ...config };
  const registry = await startRegistry(t, { root: folder, config: options });
  const client = createPushClient(registry.url);
  t.after(() => client.close());
  return { root: folder, registry, client };
}

const pushLayers = (client: PushClient, repository = name) =>
  Promise.all(layers.map((layer) => client.pushBlob(repository, layer)));

const put = (client: PushClient, reference: string, body: Buffer, contentType?: string): Promise<Reply> =>
  client.send('PUT', `/v2/${name}/manifests/${reference}`, {
    headers: contentType === undefined ? {} : { 'content-type': contentType },
    body,
  });

const codesOf = ({ body }: Reply): readonly string[] =>
  (JSON.parse(body.toString()) as { errors: { code: string }[] }).errors.map(({ code }) => code);

const get = (client: PushClient, reference: string, accept?: string, method: 'GET' | 'HEAD' = 'GET'): Promise<Reply> =>
  client.send(method, `/v2/${name}/manifests/${reference}`, { headers: accept === undefined ? {} : { accept } });

const sign = (more: object = {}, options = {}): SignedManifest =>
  signManifest({ ...schema1Manifest(name, 'v1', layers), ...more }, [signer], options);

test('a push without a Content-Type, as JSON or by name means schema 1; the digest is that of the payload', async (t) => {
  const { client, registry } = await prepare(t);
  await pushLayers(client);
  const contentTypes = [
    undefined,
    'application/json',
    'application/json; charset=utf-8',
    schema1Type,
    'application/vnd.docker.distribution.manifest.v1+json',
  ];
  for (const [at, contentType] of contentTypes.entries()) {
    const { body, digest, payload } = sign({ tag: `v${at}` });
    const reply = await put(client, `v${at}`, body, contentType);
    assert.equal(reply.status, 201, contentType);
    assert.equal(reply.headers['docker-content-digest'], digest);
    assert.ok(reply.headers['location']?.endsWith(`/v2/${name}/manifests/${digest}`));
    for (const reference of [`v${at}`, digest]) {
      const served = await get(client, reference, schema1Type);
      assert.equal(served.status, 200);
      assert.equal(served.headers['content-type'], schema1Type);
      assert.equal(served.headers['docker-content-digest'], digest);
      assert.equal(served.headers['etag'], `"${digest}"`);
      assert.ok(openManifest(served.body).payload.equals(payload));
      const head = await get(client, reference, schema1Type, 'HEAD');
      assert.equal(head.headers['content-length'], String(served.body.length));
    }
    // The payload is a blob like any other manifest's bytes, whole and without signatures.
    const { body: again } = await put(client, digest, body, contentType);
    assert.equal(again.length, 0);
  }
  assert.deepEqual(registry.complaints(), []);
});

test('what is wrong with a push is told in order: name, history, signature, layers', async (t) => {
  const { client } = await prepare(t);
  const refused = async (body: Buffer, codes: readonly string[], reference = 'v1') => {
    const reply = await put(client, reference, body);
    assert.equal(reply.status, 400, reply.body.toString());
    assert.deepEqual(codesOf(reply), codes);
  };
  await refused(sign().body, ['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN']);
  await pushLayers(client);
  await refused(sign({ name: 'Upper' }).body, ['NAME_INVALID']);
  await refused(sign({ history: [] }).body, ['MANIFEST_INVALID']);
  const broken = { tamper: (one: object) => ({ ...one, signature: Buffer.alloc(64, 1).toString('base64url') }) };
  await refused(sign({}, broken).body, ['MANIFEST_UNVERIFIED']);
  const missing = [...schema1Layers(), { blobSum: `sha256:${'0'.repeat(64)}` }];
  await refused(sign({ name: '', fsLayers: missing }, broken).body, [
    'NAME_INVALID',
    'MANIFEST_INVALID',
    'MANIFEST_UNVERIFIED',
    'MANIFEST_BLOB_UNKNOWN',
  ]);
  await refused(Buffer.from(JSON.stringify(schema1Manifest(name, 'v1', layers))), ['MANIFEST_INVALID']);
  await refused(Buffer.from(''), ['MANIFEST_INVALID']);
  await refused(Buffer.from('{}'), ['MANIFEST_INVALID']);
  await refused(sign({ schemaVersion: 2 }).body, ['MANIFEST_INVALID']);
  await refused(sign({ fsLayers: [{ blobSum: 'sha256:short' }] }).body, ['DIGEST_INVALID']);
  await refused(sign().body, ['DIGEST_INVALID'], digestOf(sign().body));
  // The tag in the manifest is nobody's business, nor is its name as long as it is one.
  assert.equal((await put(client, 'other', sign({ tag: 'v1', name: 'host:5000/some/where' }).body)).status, 201);
  assert.equal((await put(client, sign().digest, sign().body)).status, 201);
  await client.expect(404, 'GET', `/v2/${name}/manifests/v1`);
});

const schema1Layers = () => (schema1Manifest(name, 'v1', layers) as { fsLayers: object[] }).fsLayers;

test('switched off, a push is refused with the key that would allow it; what is stored is served', async (t) => {
  const first = await prepare(t);
  await pushLayers(first.client);
  const { body, digest, payload } = sign();
  assert.equal((await put(first.client, 'v1', body)).status, 201);
  await first.registry.stop();

  const { client } = await prepare(t, { compatibility: undefined }, first.root);
  for (const contentType of [undefined, 'application/json', schema1Type]) {
    const reply = await put(client, 'v2', body, contentType);
    assert.equal(reply.status, 400);
    assert.match(reply.body.toString(), /MANIFEST_INVALID.*compatibility\.schema1\.enabled/);
  }
  for (const accept of [undefined, '*/*', types.manifest, schema1Type]) {
    const served = await get(client, 'v1', accept);
    assert.equal(served.status, 200);
    assert.equal(served.headers['docker-content-digest'], digest);
    assert.ok(openManifest(served.body).payload.equals(payload));
  }
});

test('replicas with one http.secret sign with one key; a key file comes first, and one that is none ends the start', async (t) => {
  const first = await prepare(t);
  await pushLayers(first.client);
  assert.equal((await put(first.client, 'v1', sign().body)).status, 201);
  const second = await prepare(t, {}, first.root);
  const keys = async ({ client }: Ground) => openManifest((await get(client, 'v1')).body).keys;
  assert.deepEqual(await keys(first), await keys(second));

  const { key } = createSigner('ES384');
  const signingkeyfile = join(await temporaryFolder(t), 'key.json');
  await writeFile(signingkeyfile, JSON.stringify({ ...key.export({ format: 'jwk' }), kid: fingerprintOf(key) }));
  const third = await prepare(t, { compatibility: { schema1: { signingkeyfile } } }, first.root);
  assert.deepEqual(await keys(third), [fingerprintOf(key)]);
  await assert.rejects(
    prepare(t, { compatibility: { schema1: { signingkeyfile: first.root } } }, first.root),
    /compatibility\.schema1\.signingkeyfile: .* cannot be used/,
  );
});

test('signatures that older versions stored are served, damaged or missing ones are replaced by one of our own', async (t) => {
  const { client, root, registry } = await prepare(t);
  await pushLayers(client);
  const other = createSigner('RS256');
  const { body, digest } = signManifest(schema1Manifest(name, 'v1', layers), [signer, other]);
  assert.equal((await put(client, 'v1', body)).status, 201);
  const own = openManifest((await get(client, 'v1')).body).keys;
  assert.equal(own.length, 1);

  const tree = join(root, 'docker/registry/v2');
  const revision = join(tree, `repositories/${name}/_manifests/revisions/sha256`, digest.slice(7));
  const { signatures } = JSON.parse(body.toString()) as { signatures: object[] };
  const blobs = signatures.map((signature) => Buffer.from(JSON.stringify(signature)));
  const store = async (bytes: Buffer, as = digestOf(bytes)) => {
    const [data, link] = [
      join(tree, 'blobs/sha256', as.slice(7, 9), as.slice(7)),
      join(revision, 'signatures/sha256', as.slice(7)),
    ];
    for (const folder of [data, link]) await mkdir(folder, { recursive: true });
    await writeFile(join(data, 'data'), bytes);
    await writeFile(join(link, 'link'), as);
    return { data, link };
  };
  const places = await Promise.all(blobs.map((bytes) => store(bytes)));
  const keys = async () => [...openManifest((await get(client, 'v1')).body).keys].sort();
  const stored = [fingerprintOf(signer.key), fingerprintOf(other.key)].sort();
  assert.deepEqual(await keys(), stored);
  assert.equal((await get(client, 'v1')).headers['docker-content-digest'], digest);

  // One of them is gone, the other garbage that a signature of another payload stands beside.
  await rm(places[1]?.link ?? '', { recursive: true });
  assert.deepEqual(await keys(), [fingerprintOf(signer.key)]);
  await writeFile(join(places[0]?.link ?? '', 'link'), 'garbage');
  assert.deepEqual(await keys(), own);
  const foreign = JSON.parse(signManifest({ schemaVersion: 1 }, [signer]).body.toString()).signatures[0];
  await store(Buffer.from(JSON.stringify(foreign)));
  await store(Buffer.from('no JSON'));
  assert.deepEqual(await keys(), own);
  assert.deepEqual(registry.complaints(), []);
});

/** An image of Docker's schema 2 with a step that changes no file. */
async function pushSchema2(client: PushClient, tag: string, more: object = {}): Promise<string> {
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/bin/sh', '-c', 'a < b && c'] },
      history: [
        { created: '2016-01-01T00:00:00Z', created_by: 'ADD file' },
        { created: '2016-01-02T00:00:00.120Z', created_by: 'ENV a=b', empty_layer: true },
        { created: '2016-01-03T00:00:00+00:00', created_by: 'RUN x', author: 'me', comment: 'hm' },
      ],
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
      ...more,
    }),
  );
  await pushLayers(client);
  const manifest = {
    schemaVersion: 2,
    mediaType: types.dockerManifest,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      digest: await client.pushBlob(name, config),
      size: config.length,
    },
    layers: layers.map((layer) => ({
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      digest: digestOf(layer),
      size: layer.length,
    })),
  };
  const pushed = await client.pushManifest(name, tag, manifest, types.dockerManifest);
  return pushed.digest;
}

const blobSums = (body: Buffer): readonly string[] =>
  (JSON.parse(body.toString()) as { fsLayers: { blobSum: string }[] }).fsLayers.map(({ blobSum }) => blobSum);

test('an image of schema 2 is converted by tag, for clients that accept nothing newer', async (t) => {
  const { client } = await prepare(t);
  const digest = await pushSchema2(client, 'v1');
  for (const accept of [
    undefined,
    schema1Type,
    'application/json',
    `application/vnd.docker.distribution.manifest.v1+json`,
  ]) {
    const served = await get(client, 'v1', accept);
    assert.equal(served.status, 200, served.body.toString());
    assert.equal(served.headers['content-type'], schema1Type);
    const opened = openManifest(served.body);
    assert.equal(served.headers['docker-content-digest'], opened.digest);
    const again = await client.send('GET', `/v2/${name}/manifests/v1`, {
      headers: { ...(accept === undefined ? {} : { accept }), 'if-none-match': `"${opened.digest}"` },
    });
    assert.equal(again.status, 304);
    const sums = blobSums(served.body);
    assert.deepEqual(sums, [digestOf(layers[1] ?? Buffer.alloc(0)), emptyTar, digestOf(layers[0] ?? Buffer.alloc(0))]);
    for (const sum of sums) await client.pullBlob(name, sum);
  }
  for (const accept of ['*/*', types.dockerManifest, `${schema1Type}, ${types.dockerManifest}`, types.manifest]) {
    const served = await get(client, 'v1', accept);
    assert.equal(served.headers['content-type'], types.dockerManifest, accept);
    assert.equal(served.headers['docker-content-digest'], digest);
  }
  assert.equal((await get(client, digest)).headers['content-type'], types.dockerManifest, 'never by digest');
});

test('a manifest list is its image for linux/amd64 to clients that know no lists', async (t) => {
  const { client } = await prepare(t);
  const digest = await pushSchema2(client, 'amd');
  const other = await pushSchema2(client, 'arm', { architecture: 'arm64' });
  const child = (of: string, architecture: string) => ({
    mediaType: types.dockerManifest,
    digest: of,
    size: 1,
    platform: { os: 'linux', architecture },
  });
  const list = (...manifests: object[]) => ({ schemaVersion: 2, mediaType: types.dockerList, manifests });
  await client.pushManifest(name, 'list', list(child(other, 'arm64'), child(digest, 'amd64')), types.dockerList);
  await client.pushManifest(name, 'other', list(child(other, 'arm64')), types.dockerList);
  assert.equal((await get(client, 'list', types.dockerManifest)).headers['docker-content-digest'], digest);
  const converted = await get(client, 'list');
  assert.equal(converted.headers['content-type'], schema1Type);
  assert.equal(converted.headers['docker-content-digest'], openManifest(converted.body).digest);
  for (const accept of ['*/*', types.dockerList, `${types.index}, ${types.manifest}`]) {
    assert.equal((await get(client, 'list', accept)).headers['content-type'], types.dockerList, accept);
  }
  const none = await get(client, 'other', types.dockerManifest);
  assert.equal(none.status, 404);
  assert.deepEqual(codesOf(none), ['MANIFEST_UNKNOWN']);
});

test('what cannot be converted is MANIFEST_INVALID; switched off, nothing is converted', async (t) => {
  const { client, root } = await prepare(t);
  const wrong = [
    { history: [] },
    { history: undefined },
    { rootfs: undefined },
    { rootfs: { type: 'layers', diff_ids: [digestOf(Buffer.from('x'))] } },
    { history: [{ created: 'yesterday' }] },
    { history: [{}, {}, {}] },
    { architecture: 5 },
  ];
  for (const [at, more] of wrong.entries()) {
    await pushSchema2(client, `wrong-${at}`, more);
    const reply = await get(client, `wrong-${at}`);
    assert.equal(reply.status, 400, JSON.stringify(more));
    assert.deepEqual(codesOf(reply), ['MANIFEST_INVALID']);
  }
  await pushSchema2(client, 'v1');
  const { client: off } = await prepare(t, { compatibility: { schema1: { enabled: false } } }, root);
  for (const accept of [undefined, schema1Type]) {
    assert.equal((await get(off, 'v1', accept)).headers['content-type'], types.dockerManifest);
  }
});
