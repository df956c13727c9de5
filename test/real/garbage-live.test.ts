/**
 * Two registries that are pushed to all the time, and garbage collections beside them: what was answered 201 for a manifest
 * is whole, with all that it points to. The same few blobs become garbage and are wanted again over and over.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPushClient, digestOf, type PushClient, UnexpectedStatus } from '../support/push-client.ts';
import { createChance, freshSeed } from '../support/push-client-random.ts';
import { createRawTree, imageOf } from '../support/raw-tree.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { garbageCollect } from '../support/tree-peer.ts';

const program = new URL('../../bin/registry', import.meta.url).pathname;
const names = ['a', 'b', 'c'] as const;
const bytesOf = (number: number): Buffer => Buffer.from(`blob ${number}`);
const blobs = 400;
const tags = 4;

interface Promised {
  readonly digest: string;
  readonly blobs: readonly string[];
}

/** Pushes and deletes until told to end. Gives what each of its tags was last answered 201 for. */
async function pushing(clients: readonly PushClient[], seed: string, isOver: () => boolean) {
  const chance = createChance(seed);
  const promised = new Map<string, Promised>();
  const counts = { pushed: 0, refused: 0, mounted: 0, kept: 0 };
  const have = async (client: PushClient, name: string, number: number): Promise<void> => {
    const digest = digestOf(bytesOf(number));
    const found = await client.send('HEAD', `/v2/${name}/blobs/${digest}`);
    if (found.status === 200) {
      counts.kept++;
      return;
    }
    const from = chance.pick(names);
    const reply = await client.expect([201, 202], 'POST', `/v2/${name}/blobs/uploads/?mount=${digest}&from=${from}`);
    if (reply.status === 201) counts.mounted++;
    else await client.pushBlob(name, bytesOf(number));
  };
  for (let count = 0; !isOver(); count++) {
    const client = clients[count % clients.length] as PushClient;
    const name = chance.pick(names);
    const tag = `${seed.replaceAll(/\W/g, '-')}-${chance.integer(tags)}`;
    const place = `${name}:${tag}`;
    try {
      if (chance.integer(5) === 0) {
        promised.delete(place);
        await client.expect([202, 404], 'DELETE', `/v2/${name}/manifests/${tag}`);
        continue;
      }
      const numbers = Array.from({ length: 3 }, () => chance.integer(blobs));
      for (const number of numbers) await have(client, name, number);
      const [config, ...layers] = numbers.map((number) => {
        const bytes = bytesOf(number);
        return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
      });
      assert.ok(config);
      // Now and then the very same again, which may have become garbage meanwhile.
      const { digest } = await client.pushManifest(name, tag, imageOf(config, layers, { made: chance.integer(3) }));
      promised.set(place, { digest, blobs: numbers.map((number) => digestOf(bytesOf(number))) });
      counts.pushed++;
    } catch (error) {
      // Told so, clients push again; what may not happen is a 201 for what is gone.
      if (!(error instanceof UnexpectedStatus) || ![400, 404, 503].includes(error.reply.status)) throw error;
      counts.refused++;
      promised.delete(place);
    }
  }
  return { promised, counts };
}

test('what registries were told while garbage was collected is whole', async (t) => {
  const root = join(await temporaryFolder(t), 'data');
  const tree = createRawTree(root);
  // So that a run has something to do for a while.
  for (let count = 0; count < 1500; count++) tree.blob(names[count % 3] ?? 'a', `garbage ${count}`);
  const registries = [await startRegistry(t, { root }), await startRegistry(t, { root })];
  const clients = registries.map(({ url }) => createPushClient(url));
  t.after(async () => {
    for (const client of clients) await client.close();
  });
  let isOver = false;
  const seed = freshSeed();
  const workers = ['one', 'two', 'three', 'four'].map((one) => pushing(clients, `${seed}/${one}`, () => isOver));
  const printed: string[] = [];
  try {
    for (let round = 0; round < 2; round++) printed.push(await garbageCollect(program, root, '--delete-untagged'));
  } finally {
    isOver = true;
  }
  const results = await Promise.all(workers);
  const check = async (when: string): Promise<void> => {
    for (const { promised } of results) {
      for (const [place, { digest, blobs: wanted }] of promised) {
        const [name = '', tag = ''] = place.split(':');
        const found = await clients[0]?.send('GET', `/v2/${name}/manifests/${tag}`);
        const where = `seed ${seed}, ${when}, ${place}`;
        assert.equal(found?.status, 200, where);
        assert.equal(digestOf(found.body), digest, where);
        for (const blob of wanted) {
          const reply = await clients[1]?.send('GET', `/v2/${name}/blobs/${blob}`);
          assert.equal(reply?.status, 200, `${where} ${blob}`);
          assert.equal(digestOf(reply.body), blob, where);
        }
      }
    }
  };
  await check('after the runs');
  for (const registry of registries) await registry.stop();
  assert.deepEqual(
    registries.flatMap((registry) => registry.complaints()).filter((line) => !/status=503/.test(line)),
    [],
  );
  const begun = performance.now();
  await garbageCollect(program, root, '--delete-untagged');
  const alone = Math.round(performance.now() - begun);
  const again = await startRegistry(t, { root });
  clients.splice(0, 2, createPushClient(again.url), createPushClient(again.url));
  await check('after a run without registries');
  for (const text of printed) assert.match(text, /blob eligible for deletion/);
  t.diagnostic(`seed ${seed}: ${JSON.stringify(results.map(({ counts }) => counts))}; alone ${alone} ms`);
});
