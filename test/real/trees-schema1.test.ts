/**
 * Trees of the years of schema 1: written by docker-registry 2.8 with clients' own signatures and by skopeo, with what time
 * does to a tree. Berth serves them, adds to them, and leaves them to the program that wrote them.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { createPushClient, digestOf, type PushClient, type PushedManifest, types } from '../support/push-client.ts';
import { type Json, type RegistryProcess, temporaryFolder } from '../support/registry-process.ts';
import { createSigner, openManifest, schema1Manifest, schema1Type, signManifest } from '../support/schema1-signer.ts';
import { requireTool } from '../support/tools.ts';
import { type Programs, type Server, startOn } from '../support/tree-peer.ts';

const run = promisify(execFile);
const takesSchema1: Json = { compatibility: { schema1: { enabled: true } } };
const emptyDigest = digestOf(Buffer.from('a digest that nothing has'));

interface Old {
  readonly name: string;
  readonly tag: string;
  /** Of the payload, without signatures. */
  readonly digest: string;
  readonly layers: readonly Buffer[];
}

const layersOf = (text: string): Buffer[] => [
  gzipSync(Buffer.from(`${text} one`)),
  gzipSync(Buffer.from(`${text} two`)),
];

async function pushOld(client: PushClient, name: string, tag: string): Promise<Old> {
  const layers = layersOf(`${name}:${tag}`);
  for (const layer of layers) await client.pushBlob(name, layer);
  const { body, digest } = signManifest(schema1Manifest(name, tag, layers), [createSigner('ES256')]);
  await client.expect(201, 'PUT', `/v2/${name}/manifests/${tag}`, { headers: { 'content-type': schema1Type }, body });
  return { name, tag, digest, layers };
}

/** An image with a history, without which nothing can be made into schema 1. */
async function pushDocker(client: PushClient, name: string, tag: string): Promise<PushedManifest> {
  const plain = [Buffer.from(`${name} one`), Buffer.from(`${name} two`)];
  const layers = plain.map((layer) => gzipSync(layer));
  const config = Buffer.from(
    JSON.stringify({
      ...{ architecture: 'amd64', os: 'linux', created: '2016-01-01T00:00:00Z', config: { Cmd: ['/hello'] } },
      rootfs: { type: 'layers', diff_ids: plain.map((layer) => digestOf(layer)) },
      history: plain.map((_, at) => ({ created: '2016-01-01T00:00:00Z', created_by: `step ${at}` })),
    }),
  );
  for (const bytes of [config, ...layers]) await client.pushBlob(name, bytes);
  const part = (mediaType: string, bytes: Buffer) => ({ mediaType, size: bytes.length, digest: digestOf(bytes) });
  const content = {
    schemaVersion: 2,
    mediaType: types.dockerManifest,
    config: part('application/vnd.docker.container.image.v1+json', config),
    layers: layers.map((layer) => part('application/vnd.docker.image.rootfs.diff.tar.gzip', layer)),
  };
  return client.pushManifest(name, tag, content, types.dockerManifest);
}

/** The manifest by tag and by digest, its signature, its layers. */
async function assertOld(client: PushClient, { name, tag, digest, layers }: Old): Promise<void> {
  for (const reference of [tag, digest]) {
    const { headers, body } = await client.expect(200, 'GET', `/v2/${name}/manifests/${reference}`);
    assert.equal(headers['content-type'], schema1Type);
    assert.equal(headers['docker-content-digest'], digest);
    const opened = openManifest(body);
    assert.equal(opened.digest, digest, 'the payload is the one that was signed');
    assert.ok(opened.keys.length > 0);
  }
  for (const layer of layers) await client.pullBlob(name, digestOf(layer));
}

/** What ten years leave in a tree, beside what is asked for below. */
async function age(root: string, { name, digest }: Old): Promise<void> {
  const v2 = join(root, 'docker/registry/v2');
  const repository = join(v2, 'repositories', name);
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  const hex = emptyDigest.slice(7);
  // Links that a crash left empty, or whose content a collection took.
  await write(join(repository, '_manifests/tags/crashed/current/link'), '');
  await write(join(repository, '_manifests/tags/dangling/current/link'), emptyDigest);
  await write(join(repository, `_manifests/revisions/sha256/${hex}/link`), emptyDigest);
  await write(join(repository, `_layers/sha256/${hex}/link`), emptyDigest);
  // A tag that was deleted by hand, as people did while there was no other way.
  await write(join(repository, '_manifests/tags/emptied/index/sha256', digest.slice(7), 'link'), digest);
  // 2.0 linked layers by tarsum; up to 2.4 signatures lay beside the revision.
  await write(join(repository, `_layers/tarsum/v1/sha256/${hex}/link`), emptyDigest);
  await write(join(repository, `_manifests/revisions/sha256/${hex}/signatures/sha256/${hex}/link`), emptyDigest);
  // Uploads that nobody ended, one of them without its date.
  await write(join(repository, '_uploads/0190e0f0-0000-4000-8000-000000000001/startedat'), '2016-01-01T00:00:00Z');
  await write(join(repository, '_uploads/0190e0f0-0000-4000-8000-000000000001/data'), 'half a layer');
  await write(join(repository, '_uploads/0190e0f0-0000-4000-8000-000000000002/data'), 'half a layer');
  for (const folder of [v2, join(v2, 'repositories'), repository, join(repository, '_manifests/tags')]) {
    await write(join(folder, '.DS_Store'), 'not ours');
    await write(join(folder, 'lost+found/file'), 'not ours');
  }
}

interface Ground {
  readonly root: string;
  readonly programs: Programs;
  through<T>(
    server: Server,
    config: Json,
    work: (client: PushClient, process: RegistryProcess) => Promise<T>,
  ): Promise<T>;
}

async function ground(t: TestContext): Promise<Ground | undefined> {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return undefined;
  const root = join(await temporaryFolder(t), 'data');
  return {
    root,
    programs,
    async through(server, config, work) {
      const running = await startOn(t, server, root, programs, config);
      const client = createPushClient(running.url);
      try {
        return await work(client, running);
      } finally {
        await client.close();
        await running.stop();
      }
    },
  };
}

test('images of schema 1 that 2.8 took in, in a tree that has aged: served, added to, and served by 2.8 and 3.1 again', async (t) => {
  const found = await ground(t);
  if (!found) return;
  const { root, through } = found;
  const planted = await through('docker-registry', takesSchema1, async (client) => {
    const old = [
      await pushOld(client, 'old/app', 'v1'),
      await pushOld(client, 'old/app', 'v2'),
      await pushOld(client, 'old', 'latest'),
    ];
    const docker = await pushDocker(client, 'docker/app', 'v1');
    const gone = await pushOld(client, 'old/gone', 'v1');
    await client.expect(202, 'DELETE', `/v2/old/gone/manifests/${gone.digest}`);
    return { old, docker, gone };
  });
  const [first] = planted.old;
  assert.ok(first);
  await age(root, first);

  const added = await through('berth', {}, async (client, berth) => {
    for (const old of planted.old) await assertOld(client, old);
    assert.deepEqual(await client.tags('old/app'), ['dangling', 'v1', 'v2']);
    for (const tag of ['crashed', 'dangling', 'emptied', emptyDigest]) {
      await client.expect(404, 'GET', `/v2/old/app/manifests/${tag}`);
    }
    await client.expect(404, 'GET', `/v2/old/app/blobs/${emptyDigest}`);
    await client.expect(404, 'GET', '/v2/old/gone/manifests/v1');
    assert.equal((await client.pullManifest('docker/app', 'v1')).digest, planted.docker.digest);
    await client.expect(204, 'GET', '/v2/old/app/blobs/uploads/0190e0f0-0000-4000-8000-000000000001');
    // Pushes are refused without the key, and name it.
    const { body } = signManifest(schema1Manifest('old/app', 'v9', first.layers), [createSigner('ES256')]);
    const refused = await client.expect(400, 'PUT', '/v2/old/app/manifests/v9', {
      headers: { 'content-type': schema1Type },
      body,
    });
    assert.match(refused.body.toString(), /compatibility\.schema1\.enabled/);
    // New images beside the old ones; an old tag moves on; a damaged one is repaired.
    const moved = await client.pushImage('old/app', 'v2', [Buffer.from('new')]);
    await client.pushImage('old/app', 'crashed', [Buffer.from('new')]);
    await client.expect(202, 'DELETE', '/v2/old/app/manifests/dangling');
    await client.expect(201, 'POST', `/v2/new/blobs/uploads/?mount=${digestOf(first.layers[0] ?? body)}&from=old/app`);
    assert.deepEqual(berth.complaints(), []);
    return moved;
  });

  for (const server of ['docker-registry', 'distribution'] as const) {
    await through(server, server === 'docker-registry' ? takesSchema1 : {}, async (client) => {
      // 3.1 knows schema 1 no more.
      if (server === 'docker-registry') {
        for (const old of planted.old.filter(({ tag }) => tag !== 'v2')) await assertOld(client, old);
      }
      // Both list whatever lies in the folder, other programs' files too.
      const tags = await client.tags('old/app');
      for (const tag of ['crashed', 'v1', 'v2']) assert.ok(tags.includes(tag), `${server}: ${tags.join(' ')}`);
      assert.ok(!tags.includes('dangling'));
      assert.equal((await client.pullManifest('old/app', 'v2')).digest, added.digest);
      assert.equal((await client.pullManifest('docker/app', 'v1')).digest, planted.docker.digest);
      await client.pullBlob('new', digestOf(first.layers[0] ?? Buffer.alloc(0)));
    });
  }
  // And with the key they are taken again, served by 2.8 in turn.
  const again = await through('berth', takesSchema1, (client) => pushOld(client, 'old/app', 'v3'));
  await through('docker-registry', takesSchema1, async (client) => {
    await assertOld(client, again);
    await assertOld(client, first);
  });
});

test('skopeo writes schema 1 through 2.8 and through Berth, and copies it from either', async (t) => {
  const found = await ground(t);
  const tools = await requireTool(t, 'skopeo');
  if (!found || !tools) return;
  const { root, through } = found;
  const policy = join(dirname(root), 'policy.json');
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const skopeo = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, HOME: dirname(root), XDG_RUNTIME_DIR: dirname(root) };
    return (await run(tools.skopeo, ['--policy', policy, ...args], { timeout: 60_000, env })).stdout;
  };
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  for (const [writer, reader] of [
    ['docker-registry', 'berth'],
    ['berth', 'docker-registry'],
  ] as const) {
    const name = `by-${writer}`;
    await through(writer, takesSchema1, async (client, { port }) => {
      await pushDocker(client, name, 'source');
      const image = `docker://127.0.0.1:${port}/${name}`;
      await skopeo('copy', ...plain, '--format', 'v2s1', `${image}:source`, `${image}:old`);
    });
    await through(reader, takesSchema1, async (client, { port }) => {
      const { headers, body } = await client.expect(200, 'GET', `/v2/${name}/manifests/old`);
      assert.equal(headers['content-type'], schema1Type);
      assert.equal(openManifest(body).digest, headers['docker-content-digest']);
      const image = `docker://127.0.0.1:${port}/${name}`;
      const layout = join(dirname(root), `layout-${writer}`);
      await skopeo('copy', ...plain, `${image}:old`, `dir:${layout}`);
      assert.ok(existsSync(join(layout, 'manifest.json')));
      await skopeo('copy', ...plain, `${image}:old`, `docker://127.0.0.1:${port}/copied/${writer}:v1`);
    });
  }
});
