/** One tree, three programs: what Berth wrote the others serve, and the reverse, while stopped and side by side. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPushClient, digestOf, type PushClient } from '../support/push-client.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { assertTree, names, type OpenUpload, plantTree, subjectName } from '../support/tree.ts';
import { type Programs, type Server, startOn } from '../support/tree-peer.ts';

/** Runs `work` with a client of one program on the folder, and stops the program. */
async function through<T>(
  t: TestContext,
  server: Server,
  root: string,
  programs: Programs,
  work: (client: PushClient) => Promise<T>,
): Promise<T> {
  const running = await startOn(t, server, root, programs);
  const client = createPushClient(running.url);
  try {
    return await work(client);
  } catch (error) {
    await running.stop();
    t.diagnostic(`${server}: ${running.stderr().slice(-2000)}`);
    throw error;
  } finally {
    await client.close();
    await running.stop();
  }
}

/** Goes on where the other program stopped, with the very Location that it gave. */
async function finishUpload(client: PushClient, { name, location, bytes, stored }: OpenUpload): Promise<void> {
  const status = await client.expect(204, 'GET', location);
  assert.equal(status.headers['range'], `0-${stored - 1}`);
  const middle = stored + 40_000;
  const next = await client.append(new URL(location, client.url).href, bytes.subarray(stored, middle), stored);
  await client.finishUpload(next, digestOf(bytes), bytes.subarray(middle));
  assert.ok((await client.pullBlob(name, digestOf(bytes))).equals(bytes));
}

async function referrersOf(client: PushClient, digest: string): Promise<readonly string[]> {
  const { body } = await client.expect(200, 'GET', `/v2/${subjectName}/referrers/${digest}`);
  return (JSON.parse(body.toString()) as { manifests: { digest: string }[] }).manifests
    .map((found) => found.digest)
    .sort();
}

const pairs: readonly (readonly [Server, Server])[] = [
  ['berth', 'docker-registry'],
  ['berth', 'distribution'],
  ['docker-registry', 'berth'],
  ['distribution', 'berth'],
];

for (const [writer, reader] of pairs) {
  test(`a tree that ${writer} wrote is served by ${reader}: catalog, tags, manifests, blobs, an unfinished upload`, async (t) => {
    const programs = await requireTool(t, 'docker-registry', 'distribution');
    if (!programs) return;
    const root = join(await temporaryFolder(t), 'data');
    const planted = await through(t, writer, root, programs, (client) => plantTree(client, `${writer} to ${reader}`));
    assert.ok(planted.tree.size >= 20 && planted.tree.size === names.length);
    await through(t, reader, root, programs, async (client) => {
      await assertTree(client, planted.tree);
      await finishUpload(client, planted.upload);
      if (reader !== 'berth') return;
      const { subject, referrers } = planted.referred;
      assert.deepEqual(await referrersOf(client, subject.digest), [...referrers].sort(), 'referrers are found again');
    });
    // What the reader did must not have harmed the writer.
    await through(t, writer, root, programs, async (client) => {
      await assertTree(client, planted.tree);
      await client.pullBlob(planted.upload.name, digestOf(planted.upload.bytes));
    });
  });
}
