/** Trees of other registries, collected by Berth: what manifests name stays, for their own programs too; the rest is gone. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { createPushClient, digestOf, type PushClient } from '../support/push-client.ts';
import { type Json, temporaryFolder } from '../support/registry-process.ts';
import { startS3, storageSection } from '../support/s3-server.ts';
import { createSigner, openManifest, schema1Manifest, schema1Type, signManifest } from '../support/schema1-signer.ts';
import { requireTool, skip } from '../support/tools.ts';
import { assertTree, plantTree, takeLoose } from '../support/tree.ts';
import { garbageCollectOf, type Programs, type Server, startOn } from '../support/tree-peer.ts';

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

const v2 = 'docker/registry/v2';
const berth = new URL('../../bin/registry', import.meta.url).pathname;

interface Ground {
  /** Lays a file below `docker/registry/v2`, past every registry. */
  put(path: string, text: string): Promise<void>;
  through<T>(server: Server, work: (client: PushClient) => Promise<T>, more?: Json): Promise<T>;
  /** Berth's `garbage-collect`; resolves with what it printed. */
  collect(...flags: readonly string[]): Promise<string>;
}

async function ground(t: TestContext, where: 'folder' | 'bucket'): Promise<Ground | undefined> {
  const programs: Programs | undefined = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return undefined;
  const root = join(await temporaryFolder(t), 'data');
  let config: Json = {};
  let put: Ground['put'] = async (path, text) => {
    const file = join(root, v2, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  };
  if (where === 'bucket') {
    if ('reason' in s3) {
      skip(t, s3.reason);
      return undefined;
    }
    const { client } = s3;
    const bucket = await s3.bucket();
    config = { storage: { ...storageSection(bucket), redirect: { disable: true } } };
    put = async (path, text) => {
      await client.send(new PutObjectCommand({ Bucket: bucket.bucket, Key: `${v2}/${path}`, Body: Buffer.from(text) }));
    };
  }
  return {
    put,
    async through(server, work, more = {}) {
      const running = await startOn(t, server, root, programs, { ...config, ...more });
      const client = createPushClient(running.url);
      try {
        const done = await work(client);
        if (server === 'berth') assert.deepEqual(running.complaints(), []);
        return done;
      } finally {
        await client.close();
        await running.stop();
      }
    },
    async collect(...flags) {
      // Buckets date what they hold by the second, and what is as young as a collection's start is spared.
      if (where === 'bucket') await delay(1100);
      return await garbageCollectOf(berth, root, config, ...flags);
    },
  };
}

const cases: readonly (readonly [Server, 'folder' | 'bucket'])[] = [
  ['distribution', 'folder'],
  ['docker-registry', 'folder'],
  ['berth', 'folder'],
  ['distribution', 'bucket'],
  ['docker-registry', 'bucket'],
  ['berth', 'bucket'],
];

for (const [writer, where] of cases) {
  test(`a ${where} that ${writer} filled, collected by Berth`, async (t) => {
    const found = await ground(t, where);
    if (!found) return;
    const { through, collect } = found;
    // 2.8 cannot store an empty blob in a bucket.
    const empty = writer !== 'docker-registry' || where === 'folder';
    const { tree, upload } = await through(writer, (client) =>
      plantTree(client, `${writer} in a ${where}, collected`, { empty }),
    );
    const told = await collect('--dry-run');
    assert.match(told, /blob eligible for deletion/);
    await through('berth', (client) => assertTree(client, tree));
    await collect();
    const loose = takeLoose(tree);
    assert.ok(loose.size > 0);
    await through('berth', async (client) => {
      await assertTree(client, tree);
      for (const [name, contents] of loose) {
        for (const bytes of contents) {
          await client.expect(404, 'HEAD', `/v2/${name}/blobs/${digestOf(bytes)}`);
          await client.pushBlob(name, bytes);
        }
      }
      await client.finishUpload(
        client.url + upload.location,
        digestOf(upload.bytes),
        upload.bytes.subarray(upload.stored),
      );
      await client.pushImage('a', 'afterwards', [Buffer.from('afterwards')]);
    });
    for (const [name, contents] of loose) {
      const repository = tree.get(name);
      for (const bytes of contents) {
        repository?.gone.blobs.delete(digestOf(bytes));
        repository?.blobs.set(digestOf(bytes), bytes);
      }
    }
    const peer = writer === 'docker-registry' ? 'docker-registry' : 'distribution';
    await through(peer, async (client) => {
      await client.pullManifest('a', 'afterwards');
      for (const [name, { manifests }] of tree) {
        for (const digest of manifests.keys()) await client.pullManifest(name, digest);
      }
      for (const [name, contents] of loose) for (const bytes of contents) await client.pullBlob(name, digestOf(bytes));
      await client.pullBlob(upload.name, digestOf(upload.bytes));
    });
  });
}

for (const where of ['folder', 'bucket'] as const) {
  test(`a ${where} with schema 1 that has aged, collected by Berth: its images stay whole for 2.8`, async (t) => {
    const found = await ground(t, where);
    if (!found) return;
    const { put, through, collect } = found;
    const schema1: Json = { compatibility: { schema1: { enabled: true } } };
    const layers = [Buffer.from('old layer one'), Buffer.from('old layer two')];
    const loose = Buffer.from('no image names this');
    const signed = signManifest(schema1Manifest('old/app', 'v1', layers), [createSigner('ES256')]);
    await through(
      'docker-registry',
      async (client) => {
        for (const bytes of [...layers, loose]) await client.pushBlob('old/app', bytes);
        await client.expect(201, 'PUT', '/v2/old/app/manifests/v1', {
          headers: { 'content-type': schema1Type },
          body: signed.body,
        });
        await client.pushImage('new/app', 'v1', [Buffer.from('new layer')]);
        // A repository whose manifest cannot be read keeps all it has.
        await client.pushBlob('odd/app', Buffer.from('not a manifest'));
        await client.pushBlob('odd/app', Buffer.from('kept, since nobody knows'));
      },
      schema1,
    );
    // A signature of a version before 2.5, which nothing but its folder names.
    const signature = Buffer.from('{"header":{}}');
    await put(
      `blobs/sha256/${digestOf(signature).slice(7, 9)}/${digestOf(signature).slice(7)}/data`,
      signature.toString(),
    );
    const hex = digestOf(signature).slice(7);
    const revision = `repositories/old/app/_manifests/revisions/sha256/${signed.digest.slice(7)}`;
    await put(`${revision}/signatures/sha256/${hex}/link`, digestOf(signature));
    await put('repositories/old/app/_manifests/tags/crashed/current/link', '');
    await put('repositories/.DS_Store', 'not ours');
    const odd = digestOf(Buffer.from('not a manifest'));
    await put(`repositories/odd/app/_manifests/revisions/sha256/${odd.slice(7)}/link`, odd);
    await put('repositories/odd/app/_manifests/tags/v1/current/link', odd);

    await collect();
    await through('berth', async (client) => {
      await client.expect(404, 'GET', `/v2/old/app/blobs/${digestOf(loose)}`);
      await client.pullManifest('new/app', 'v1');
      await client.pullBlob('odd/app', digestOf(Buffer.from('kept, since nobody knows')));
    });
    await through(
      'docker-registry',
      async (client) => {
        const { body } = await client.expect(200, 'GET', '/v2/old/app/manifests/v1');
        assert.equal(openManifest(body).digest, signed.digest);
        for (const bytes of layers) await client.pullBlob('old/app', digestOf(bytes));
        await client.pullManifest('new/app', 'v1');
      },
      schema1,
    );
  });
}
