/** Berth and Distribution on one folder at the same time: what one does, the other knows at once. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPushClient, digestOf, imageManifest, type PushClient, types } from '../support/push-client.ts';
import { createChance, freshSeed } from '../support/push-client-random.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { type Peer, startOn } from '../support/tree-peer.ts';

const peers: readonly Peer[] = ['distribution', 'docker-registry'];

/** Clients of Berth and of a peer, on one fresh folder. */
async function sideBySide(t: TestContext, peer: Peer): Promise<{ berth: PushClient; other: PushClient } | undefined> {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return undefined;
  const root = join(await temporaryFolder(t), 'data');
  const berth = createPushClient((await startOn(t, 'berth', root, programs)).url);
  const other = createPushClient((await startOn(t, peer, root, programs)).url);
  t.after(() => Promise.all([berth.close(), other.close()]).then(() => undefined));
  return { berth, other };
}

const tagDigest = async (client: PushClient, name: string, tag: string): Promise<string | undefined> => {
  const reply = await client.send('HEAD', `/v2/${name}/manifests/${tag}`, { headers: { accept: types.manifest } });
  assert.ok(reply.status === 200 || reply.status === 404, `HEAD ${tag}: ${reply.status}`);
  return reply.status === 200 ? reply.headers['docker-content-digest'] : undefined;
};

async function referrers(client: PushClient, name: string, digest: string): Promise<readonly string[]> {
  const { body } = await client.expect(200, 'GET', `/v2/${name}/referrers/${digest}`);
  return (JSON.parse(body.toString()) as { manifests: { digest: string }[] }).manifests
    .map((found) => found.digest)
    .sort();
}

for (const peer of peers) {
  test(`${peer} moves, deletes and pushes beside Berth, whose caches are warm: seen at once`, async (t) => {
    const both = await sideBySide(t, peer);
    if (!both) return;
    const { berth, other } = both;
    const layer = (text: string): Buffer => Buffer.from(text.repeat(1000));

    const first = await other.pushImage('app', 'v1', [layer('first')]);
    assert.equal(await tagDigest(berth, 'app', 'v1'), first.digest);
    assert.deepEqual(await berth.tags('app'), ['v1']);
    await berth.pullManifest('app', first.digest);

    const second = await other.pushImage('app', 'v1', [layer('second')]);
    assert.equal(await tagDigest(berth, 'app', 'v1'), second.digest, 'a moved tag');
    await other.pushImage('app', 'v2', [layer('second')]);
    assert.deepEqual(await berth.tags('app'), ['v1', 'v2'], 'a new tag');

    await other.expect(202, 'DELETE', `/v2/app/manifests/${second.digest}`);
    assert.equal(await tagDigest(berth, 'app', 'v1'), undefined, 'a deleted manifest takes its tags along');
    await berth.expect(404, 'GET', `/v2/app/manifests/${second.digest}`);
    assert.deepEqual(await berth.tags('app'), []);

    await berth.pullBlob('app', digestOf(layer('second')));
    await other.expect(202, 'DELETE', `/v2/app/blobs/${digestOf(layer('second'))}`);
    await berth.expect(404, 'GET', `/v2/app/blobs/${digestOf(layer('second'))}`);
    await berth.expect(404, 'HEAD', `/v2/app/blobs/${digestOf(layer('second'))}`);
    const refused = imageManifest({ digest: digestOf(layer('first')), size: 5000 }, [
      { digest: digestOf(layer('second')), size: 6000 },
    ]);
    await berth.expect(400, 'PUT', '/v2/app/manifests/torn', {
      headers: { 'content-type': types.manifest },
      body: Buffer.from(JSON.stringify(refused)),
    });

    await berth.pushImage('app', 'v3', [layer('third')]);
    assert.deepEqual(await other.tags('app'), ['v3'], 'and the reverse');
    const { digest } = await berth.pushImage('new/one', 'v1', [layer('third')]);
    assert.equal(await tagDigest(other, 'new/one', 'v1'), digest);
    assert.deepEqual(await other.catalog(), ['app', 'new/one']);
    await berth.expect(202, 'DELETE', `/v2/new/one/manifests/${digest}`);
    assert.equal(await tagDigest(other, 'new/one', 'v1'), undefined);
    await other.expect(404, 'GET', `/v2/new/one/manifests/${digest}`);
  });

  test(`referrers that ${peer} takes in or deletes are listed by Berth accordingly`, async (t) => {
    const both = await sideBySide(t, peer);
    if (!both) return;
    const { berth, other } = both;
    const pushed = await berth.pushImage('app', 'v1', [Buffer.from('layer')]);
    const subject = { mediaType: types.manifest, digest: pushed.digest, size: pushed.bytes.length };
    assert.deepEqual(await referrers(berth, 'app', subject.digest), []);
    const push = (client: PushClient, note: string) => {
      const config = { digest: digestOf(Buffer.from('layer')), size: 5 };
      return client.pushManifest('app', note, imageManifest(config, [], { subject, annotations: { note } }));
    };
    const [mine, theirs] = [await push(berth, 'mine'), await push(other, 'theirs')];
    assert.deepEqual(await referrers(berth, 'app', subject.digest), [mine.digest, theirs.digest].sort());
    for (const { digest } of [theirs, mine]) await other.expect(202, 'DELETE', `/v2/app/manifests/${digest}`);
    assert.deepEqual(await referrers(berth, 'app', subject.digest), []);
    assert.equal((await push(other, 'theirs')).digest, theirs.digest);
    assert.deepEqual(await referrers(berth, 'app', subject.digest), [theirs.digest], 'one that came back');
  });

  test(`pieces of one upload go to Berth and ${peer} in turn`, async (t) => {
    const both = await sideBySide(t, peer);
    if (!both) return;
    const chance = createChance(freshSeed());
    t.diagnostic(`SEED=${chance.seed}`);
    const clients = [both.berth, both.other] as const;
    for (let round = 0; round < 12; round++) {
      const bytes = chance.bytes(50_000 + chance.size(2_000_000));
      let location = await chance.pick([...clients]).beginUpload('app');
      let offset = 0;
      const at = (client: PushClient): string => {
        const { pathname, search } = new URL(location);
        return client.url + pathname + search;
      };
      for (let piece = 0; piece < 4; piece++) {
        const client = chance.pick([...clients]);
        const end = offset + 1 + chance.integer(bytes.length - offset - 1);
        location = await client.append(at(client), bytes.subarray(offset, end), offset);
        offset = end;
        if (offset >= bytes.length - 2) break;
      }
      const last = chance.pick([...clients]);
      await last.finishUpload(at(last), digestOf(bytes), bytes.subarray(offset));
      for (const client of clients) assert.ok((await client.pullBlob('app', digestOf(bytes))).equals(bytes));
    }
  });
}
