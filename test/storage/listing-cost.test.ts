/** What pages of the catalog and of tags cost on a disk: storage calls grow with the page, not with the tree. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RepositoryName } from '../../registry/oci/name.ts';
import { createCatalog } from '../../registry/service/catalog.ts';
import { createLinks } from '../../registry/service/links.ts';
import { createTags } from '../../registry/service/tags.ts';
import { instrument } from '../../registry/storage/instrument.ts';
import type { Store } from '../../registry/storage/store.ts';
import { storeAt, temporaryFolder } from './filesystem-ground.ts';

const below = 'docker/registry/v2/repositories';

/** A store on a folder, and how many calls it took since the last time that was asked. */
async function ground(t: TestContext): Promise<{ root: string; store: Store; calls(): number }> {
  const root = join(await temporaryFolder(t), 'data');
  let count = 0;
  const store = instrument(storeAt(t, root), () => {
    count++;
  });
  return {
    root,
    store,
    calls() {
      const counted = count;
      count = 0;
      return counted;
    },
  };
}

/** Pages of 100 at the start, amid and at the end, and one of 1000, each in a process that has seen nothing yet. */
async function catalogCosts(t: TestContext, repositories: number): Promise<number[]> {
  const { root, store, calls } = await ground(t);
  const names = Array.from(
    { length: repositories },
    (_, at) => `team-${String(at % 50).padStart(2, '0')}/app-${at}`,
  ).sort();
  for (const name of names) mkdirSync(join(root, below, name, '_manifests'), { recursive: true });
  const costs: number[] = [];
  for (const [first, limit] of [
    [0, 100],
    [repositories / 2, 100],
    [repositories - 100, 100],
    [0, 1000],
  ] as const) {
    calls();
    const page = await createCatalog(store, () => performance.now()).list({ after: names[first - 1], limit });
    assert.deepEqual(page.names, names.slice(first, first + limit));
    // What was asked for ahead of its time may still be on its way.
    await new Promise(setImmediate);
    costs.push(calls());
  }
  return costs;
}

test('catalog of 10,000 repositories: a page costs a call for each of its names and some ahead, as it does of 1,000', async (t) => {
  const [few, many] = [await catalogCosts(t, 1000), await catalogCosts(t, 10_000)];
  t.diagnostic(`calls: ${few.join(', ')} of 1,000; ${many.join(', ')} of 10,000`);
  for (const costs of [few, many]) {
    for (const cost of costs.slice(0, 3)) assert.ok(cost <= 100 + 64, `a page of 100 cost ${cost} calls`);
    assert.ok((costs[3] ?? Number.NaN) <= 1000 + 128, `a page of 1000 cost ${costs[3]} calls`);
  }
});

test('3,000 tags: a page costs a look at each of its tags once, and one listing from then on', async (t) => {
  const { root, store, calls } = await ground(t);
  const tags = Array.from({ length: 3000 }, (_, at) => `v${Math.floor(at / 100)}.${at % 100}`).sort();
  for (const tag of tags) {
    const folder = join(root, below, 'app/_manifests/tags', tag, 'current');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'link'), `sha256:${'a'.repeat(64)}`);
  }
  const links = createLinks(store, () => {});
  for (const [first, limit] of [
    [0, 100],
    [1500, 100],
    [2900, 100],
    [0, 1000],
  ] as const) {
    const service = createTags(store, links, 16);
    calls();
    for (const most of [limit + 4, 2]) {
      const listing = await service.list('app' as RepositoryName, { limit, after: tags[first - 1] });
      assert.deepEqual(listing?.names, tags.slice(first, first + limit));
      const cost = calls();
      assert.ok(cost <= most, `a page of ${limit} behind ${first} cost ${cost} calls`);
    }
  }
});
