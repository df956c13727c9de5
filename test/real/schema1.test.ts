/** Schema 1 between Berth, docker-registry 2.8 on the same folder, and skopeo as a client of both. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { createPushClient, digestOf, type PushClient, types } from '../support/push-client.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import {
  createSigner,
  openManifest,
  type Signer,
  schema1Manifest,
  schema1Type,
  signManifest,
} from '../support/schema1-signer.ts';
import { missing, tools } from '../support/tools.ts';
import { type Programs, type Server, startOn } from '../support/tree-peer.ts';

const execute = promisify(execFile);
const skip = await missing('docker-registry', 'skopeo', 'distribution');
const programs = (await tools('docker-registry', 'skopeo', 'distribution')) as Programs & { skopeo: string };
const enabled = { compatibility: { schema1: { enabled: true } } };

const layers = [Buffer.from('below'), Buffer.alloc(70_000, 'middle'), Buffer.from('above')];
const signers: readonly (readonly Signer[])[] = [
  ...['ES256', 'ES384', 'ES512', 'RS256', 'RS512'].map((alg) => [createSigner(alg)]),
  [createSigner('ES256'), createSigner('RS256')],
];

/** Tags and their payloads. */
type Pushed = ReadonlyMap<string, Buffer>;

/** One manifest for each kind of key, in the forms that clients had, and one that was pushed by digest. */
async function pushAll(client: PushClient, name: string): Promise<Pushed> {
  for (const layer of layers) await client.pushBlob(name, layer);
  const pushed = new Map<string, Buffer>();
  for (const [at, keys] of signers.entries()) {
    const tag = `v${at}`;
    const manifest = schema1Manifest(name, tag, layers);
    const { body, payload, digest } = signManifest(manifest, keys, { indent: at % 2 === 0 ? 3 : 0 });
    const headers = { 'content-type': at % 3 === 0 ? 'application/json' : schema1Type };
    const reply = await client.expect(201, 'PUT', `/v2/${name}/manifests/${tag}`, { headers, body });
    assert.equal(reply.headers['docker-content-digest'], digest, `digest of ${tag}`);
    pushed.set(tag, payload);
  }
  return pushed;
}

async function assertServed(client: PushClient, name: string, pushed: Pushed, server: Server): Promise<void> {
  assert.deepEqual([...(await client.tags(name))].sort(), [...pushed.keys()]);
  for (const [tag, payload] of pushed) {
    for (const reference of [tag, digestOf(payload)]) {
      const reply = await client.expect(200, 'GET', `/v2/${name}/manifests/${reference}`, {
        headers: { accept: schema1Type },
      });
      assert.equal(reply.headers['content-type'], schema1Type);
      assert.equal(reply.headers['docker-content-digest'], digestOf(payload), `${server}: digest of ${reference}`);
      assert.ok(openManifest(reply.body).payload.equals(payload), `${server}: payload of ${reference}`);
    }
  }
  for (const layer of layers) await client.pullBlob(name, digestOf(layer));
}

describe('schema 1 between registries', { skip }, () => {
  for (const [writer, reader] of [
    ['docker-registry', 'berth'],
    ['berth', 'docker-registry'],
  ] as const) {
    test(`what ${writer} stored is served by ${reader}, extended, and served by ${writer} again`, async (t) => {
      const root = join(await temporaryFolder(t), 'data');
      const [first, second] = [
        await startOn(t, writer, root, programs, enabled),
        await startOn(t, reader, root, programs, enabled),
      ];
      const [one, two] = [createPushClient(first.url), createPushClient(second.url)];
      t.after(() => Promise.all([one.close(), two.close()]).then(() => undefined));
      const pushed = await pushAll(one, 'from/writer');
      await assertServed(two, 'from/writer', pushed, reader);
      const back = await pushAll(two, 'from/reader');
      await assertServed(one, 'from/reader', back, writer);
      assert.deepEqual([...first.complaints(), ...second.complaints()], []);
    });
  }

  test("refusals are 2.8's, where those were no faults of its own", async (t) => {
    const folder = await temporaryFolder(t);
    const name = 'refused/here';
    const answers = async (server: Server): Promise<readonly unknown[]> => {
      const { url } = await startOn(t, server, join(folder, server), programs, enabled);
      const client = createPushClient(url);
      t.after(() => client.close());
      const put = async (body: Buffer, reference = 'v1') => {
        const reply = await client.send('PUT', `/v2/${name}/manifests/${reference}`, { body });
        const errors = reply.status === 201 ? [] : (JSON.parse(reply.body.toString()).errors as { code: string }[]);
        return [reply.status, ...errors.map(({ code }) => code)];
      };
      const [keys] = signers;
      const manifest = schema1Manifest(name, 'v1', layers);
      const sign = (more: object = {}) => signManifest({ ...manifest, ...more }, keys ?? []).body;
      const broken = signManifest(manifest, keys ?? [], {
        tamper: (one) => ({ ...one, signature: Buffer.alloc(64, 1).toString('base64url') }),
      }).body;
      const unknown = [await put(sign())];
      for (const layer of layers) await client.pushBlob(name, layer);
      return [
        ...unknown,
        await put(Buffer.from(JSON.stringify(manifest))),
        await put(Buffer.from('no JSON')),
        await put(broken),
        await put(sign({ name: '' })),
        await put(sign(), digestOf(sign())),
        await put(sign({ tag: 'other', name: 'other/name' })),
        await put(sign({ name: 'host:5000/other/name' })),
      ];
    };
    assert.deepEqual(await answers('berth'), await answers('docker-registry'));
  });
});

/** Configurations as builders of all kinds write them. */
const steps = [
  { created: '2016-01-01T00:00:00Z', created_by: '/bin/sh -c #(nop) ADD file:a in / ' },
  { created: '2016-01-02T03:04:05.120300Z', created_by: 'ENV a="<b>&c"\u2028\b\f\t\u0001é', empty_layer: true },
  { created: '2016-01-03T00:00:00.100+02:00', created_by: 'RUN x', author: 'A <a@b>', comment: 'buildkit' },
  { created_by: 'RUN without a date' },
];
const rootfs = { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) };
const configs: Readonly<Record<string, string>> = {
  plain: JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Cmd: ['sh'] }, history: steps, rootfs }),
  indented: JSON.stringify(
    { history: steps, architecture: 'arm64', rootfs, created: null, z: [1, { y: '<' }] },
    null,
    2,
  ),
  literal: `{"architecture":"amd64","size":1.00e2,"text":"\\u0041\\/\\u003c<>&","big":12345678901234567890,"Z":1,"a":{},"é":[ ],
    "history":${JSON.stringify(steps)},"rootfs":${JSON.stringify(rootfs)}}`,
  'ends empty': JSON.stringify({
    history: [...steps, { created: '2016-01-04T00:00:00Z', created_by: 'CMD x', empty_layer: true }],
    rootfs,
    id: 'old',
    parent: 'older',
    throwaway: 'x',
  }),
  'of Windows': JSON.stringify({
    architecture: 'amd64',
    history: steps,
    rootfs: { ...rootfs, base_layer: 'windowsservercore' },
  }),
  'one step': JSON.stringify({ history: [{ empty_layer: true }], rootfs: { type: 'layers' } }),
};

async function pushSchema2(
  client: PushClient,
  name: string,
  tag: string,
  config: string,
  from: readonly Buffer[] = layers,
): Promise<string> {
  const bytes = Buffer.from(config);
  const { diff_ids: ids = [] } = (JSON.parse(config) as { rootfs: { diff_ids?: string[] } }).rootfs;
  const used = from.slice(0, ids.length);
  for (const layer of used) await client.pushBlob(name, layer);
  const manifest = {
    schemaVersion: 2,
    mediaType: types.dockerManifest,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      digest: await client.pushBlob(name, bytes),
      size: bytes.length,
    },
    layers: used.map((layer) => ({
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      digest: digestOf(layer),
      size: layer.length,
    })),
  };
  return (await client.pushManifest(name, tag, manifest, types.dockerManifest)).digest;
}

describe('conversion to schema 1', { skip }, () => {
  test("payloads and digests are docker-registry's, byte for byte, whatever the configuration looks like", async (t) => {
    const folder = await temporaryFolder(t);
    const root = join(folder, 'data');
    const name = 'convert/me';
    const berth = await startOn(t, 'berth', root, programs, enabled);
    const client = createPushClient(berth.url);
    t.after(() => client.close());
    const digests = new Map<string, string>();
    for (const [at, config] of Object.values(configs).entries()) {
      digests.set(`v${at}`, await pushSchema2(client, name, `v${at}`, config));
    }
    const manifests = [
      {
        mediaType: types.dockerManifest,
        digest: digests.get('v0'),
        size: 1,
        platform: { os: 'linux', architecture: 'amd64' },
      },
    ];
    await client.pushManifest(
      name,
      'list',
      { schemaVersion: 2, mediaType: types.dockerList, manifests },
      types.dockerList,
    );
    // A tree of its own, so that each has to provide the empty layer itself.
    await cp(root, join(folder, 'copy'), { recursive: true });
    const peer = createPushClient((await startOn(t, 'docker-registry', join(folder, 'copy'), programs, enabled)).url);
    t.after(() => peer.close());
    for (const tag of [...digests.keys(), 'list']) {
      const [ours, theirs] = await Promise.all(
        [client, peer].map(async (from) => {
          const reply = await from.expect(200, 'GET', `/v2/${name}/manifests/${tag}`);
          assert.equal(reply.headers['content-type'], schema1Type);
          const { payload, digest } = openManifest(reply.body);
          assert.equal(reply.headers['docker-content-digest'], digest);
          const { fsLayers } = JSON.parse(payload.toString()) as { fsLayers: { blobSum: string }[] };
          for (const { blobSum } of fsLayers) await from.pullBlob(name, blobSum);
          return payload.toString();
        }),
      );
      assert.equal(ours, theirs, `${tag}: ${Object.keys(configs)[Number(tag.slice(1))]}`);
    }
    assert.deepEqual(berth.complaints(), []);
  });
});

describe('skopeo', { skip }, () => {
  test('pushes schema 1 to Berth and pulls it back, from Berth and from docker-registry on the same folder', async (t) => {
    const folder = await temporaryFolder(t);
    const root = join(folder, 'data');
    const berth = await startRegistry(t, { root, config: enabled });
    const client = createPushClient(berth.url);
    t.after(() => client.close());
    const tar = Buffer.alloc(1024);
    const layer = gzipSync(tar);
    const history = [{ created_by: 'ADD' }, { created_by: 'ENV', empty_layer: true }];
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      history,
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    });
    await pushSchema2(client, 'library/hello', '1.0', config, [layer]);
    const policy = join(folder, 'policy.json');
    await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
    const env = { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder };
    const skopeo = (...args: string[]) =>
      execute(programs.skopeo, ['--policy', policy, ...args], { env, timeout: 60_000 });
    const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const at = (port: number, name: string) => `docker://127.0.0.1:${port}/${name}`;
    await skopeo(
      'copy',
      ...plain,
      '--format',
      'v2s1',
      at(berth.port, 'library/hello:1.0'),
      at(berth.port, 'old/hello:1.0'),
    );
    const peer = await startOn(t, 'docker-registry', root, programs, enabled);
    for (const port of [berth.port, peer.port]) {
      const { stdout } = await skopeo('inspect', '--raw', '--tls-verify=false', at(port, 'old/hello:1.0'));
      assert.equal(openManifest(Buffer.from(stdout)).keys.length, 1);
      const target = join(folder, `dir-${port}`);
      await mkdir(target);
      await skopeo('copy', ...plain, at(port, 'old/hello:1.0'), `dir:${target}`);
      const again = `again/hello:${port}`;
      await skopeo('copy', ...plain, '--format', 'v2s2', `dir:${target}`, at(berth.port, again));
    }
    await skopeo('copy', ...plain, at(peer.port, 'old/hello:1.0'), at(berth.port, 'third/hello:1.0'));
    assert.deepEqual(berth.complaints(), []);
  });
});
