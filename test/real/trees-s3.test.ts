/** One tree in one bucket, three programs: what each wrote the others serve, and what Berth adds harms nobody. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { createPushClient, digestOf, type PushClient } from '../support/push-client.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { keysIn, uploadsIn } from '../support/s3-bucket.ts';
import { startS3, storageSection } from '../support/s3-server.ts';
import { requireTool, skip } from '../support/tools.ts';
import { assertTree, plantTree, subjectName } from '../support/tree.ts';
import { type Server, startOn } from '../support/tree-peer.ts';

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

const pairs: readonly (readonly [Server, Server])[] = [
  ['distribution', 'berth'],
  ['docker-registry', 'berth'],
  ['berth', 'distribution'],
  ['berth', 'docker-registry'],
];

for (const [writer, reader] of pairs) {
  test(`a bucket that ${writer} filled is served by ${reader}, added to, and served by ${writer} again`, async (t) => {
    const programs = await requireTool(t, 'docker-registry', 'distribution');
    if (!programs) return;
    if ('reason' in s3) return skip(t, s3.reason);
    const config = await s3.bucket({ rootdirectory: 'some/root' });
    const storage = { ...storageSection(config), redirect: { disable: true } };
    const root = join(await temporaryFolder(t), 'data');

    async function through<T>(server: Server, work: (client: PushClient) => Promise<T>): Promise<T> {
      const running = await startOn(t, server, root, programs as NonNullable<typeof programs>, { storage });
      const client = createPushClient(running.url);
      try {
        const done = await work(client);
        if (server === 'berth') assert.deepEqual(running.complaints(), []);
        return done;
      } finally {
        await client.close();
        await running.stop();
      }
    }

    const options = { empty: writer !== 'docker-registry' };
    const { tree, referred, upload } = await through(writer, (client) =>
      plantTree(client, `${writer} to ${reader} in a bucket`, options),
    );
    const added = await through(reader, async (client) => {
      await assertTree(client, tree);
      if (reader === 'berth') {
        // An upload that the other program began, and what it was never asked for.
        await client.finishUpload(
          client.url + upload.location,
          digestOf(upload.bytes),
          upload.bytes.subarray(upload.stored),
        );
        await client.pullBlob(upload.name, digestOf(upload.bytes));
        const { body } = await client.expect(200, 'GET', `/v2/${subjectName}/referrers/${referred.subject.digest}`);
        const found = (JSON.parse(body.toString()) as { manifests: { digest: string }[] }).manifests;
        assert.deepEqual(found.map(({ digest }) => digest).sort(), [...referred.referrers].sort());
      } else await client.expect(404, 'GET', upload.location);
      return client.pushImage('a/b', 'added', [Buffer.from(`by ${reader}`)]);
    });
    tree.get('a/b')?.tags.set('added', added.digest);
    await through(writer, async (client) => {
      await assertTree(client, tree);
      if (reader === 'berth') await client.pullBlob(upload.name, digestOf(upload.bytes));
    });
    if (reader === 'berth') {
      assert.deepEqual(await uploadsIn(s3.client, config.bucket), []);
      const left = (await keysIn(s3.client, config.bucket)).filter((key) => key.includes('/_uploads/'));
      assert.deepEqual(left, [], 'what the finished upload had is gone');
    }
  });
}

test('a bucket that has aged: broken links, foreign objects and old uploads are passed over, and repaired by the next push', async (t) => {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return;
  if ('reason' in s3) return skip(t, s3.reason);
  const { client: raw } = s3;
  const config = await s3.bucket();
  const storage = { ...storageSection(config), redirect: { disable: true } };
  const root = join(await temporaryFolder(t), 'data');
  const distribution = createPushClient((await startOn(t, 'distribution', root, programs, { storage })).url);
  t.after(() => distribution.close());
  const layer = Buffer.from('layer');
  const { digest } = await distribution.pushImage('aged', 'v1', [layer]);
  await distribution.pushImage('aged', 'gone', [Buffer.from('gone')]);
  await distribution.expect(202, 'DELETE', '/v2/aged/manifests/gone');
  const nowhere = digestOf(Buffer.from('nowhere'));
  const hex = nowhere.slice(7);
  const v2 = 'docker/registry/v2';
  const aged = `${v2}/repositories/aged`;
  const objects: Readonly<Record<string, string>> = {
    [`${aged}/_manifests/tags/empty/current/link`]: '',
    [`${aged}/_manifests/tags/dangling/current/link`]: nowhere,
    [`${aged}/_manifests/tags/only-history/index/sha256/${digest.slice(7)}/link`]: digest,
    [`${aged}/_manifests/revisions/sha256/${hex}/link`]: nowhere,
    [`${aged}/_manifests/revisions/sha256/${hex}/signatures/sha256/${hex}/link`]: nowhere,
    [`${aged}/_layers/sha256/${hex}/link`]: nowhere,
    [`${aged}/_layers/tarsum/v1/sha256/${hex}/link`]: nowhere,
    [`${aged}/_uploads/0190e0f0-0000-4000-8000-000000000001/startedat`]: '2016-01-01T00:00:00Z',
    [`${aged}/_uploads/0190e0f0-0000-4000-8000-000000000002/hashstates/sha256/0`]: 'half',
    [`${aged}/.DS_Store`]: 'not ours',
    [`${v2}/repositories/.DS_Store`]: 'not ours',
    [`${v2}/blobs/sha256/lost+found/data`]: 'not ours',
    'lost+found/file': 'not ours',
  };
  for (const [Key, Body] of Object.entries(objects)) {
    await raw.send(new PutObjectCommand({ Bucket: config.bucket, Key, Body: Buffer.from(Body) }));
  }
  const running = await startOn(t, 'berth', root, programs, { storage });
  const berth = createPushClient(running.url);
  t.after(() => berth.close());
  assert.deepEqual(await berth.catalog(), ['aged']);
  assert.ok((await berth.tags('aged')).includes('v1') && !(await berth.tags('aged')).includes('gone'));
  for (const tag of ['empty', 'dangling', 'only-history', 'gone', nowhere]) {
    await berth.expect(404, 'GET', `/v2/aged/manifests/${tag}`);
  }
  await berth.expect(404, 'GET', `/v2/aged/blobs/${nowhere}`);
  assert.equal((await berth.pullManifest('aged', 'v1')).digest, digest);
  const repaired = await berth.pushImage('aged', 'empty', [layer, Buffer.from('more')]);
  await berth.pushBlob('aged', Buffer.from('nowhere'));
  for (const client of [berth, distribution]) {
    assert.equal((await client.pullManifest('aged', 'empty')).digest, repaired.digest);
    assert.equal((await client.pullManifest('aged', 'v1')).digest, digest);
    await client.pullBlob('aged', nowhere);
  }
  assert.deepEqual(running.complaints(), []);
});
