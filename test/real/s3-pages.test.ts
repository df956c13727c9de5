/** What pages of the catalog and of tags cost on a bucket: requests grow with the page, not with the tree. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import type { RepositoryName } from '../../registry/oci/name.ts';
import { createCatalog } from '../../registry/service/catalog.ts';
import { createLinks } from '../../registry/service/links.ts';
import { createTags, type Tags } from '../../registry/service/tags.ts';
import { type S3Ground, s3Grounds } from '../support/s3-ground.ts';
import { kind } from '../support/s3-server.ts';

const grounds = await s3Grounds();
after(() => grounds.stop());

const skip = kind === 'versitygw' ? false : 'the tree is laid past the server, whose objects are plain files';
const root = 'docker/registry/v2/repositories';

/** Lays objects as files: 10^5 of them would take a server minutes. */
async function lay({ server, config }: S3Ground, paths: readonly string[], content: string): Promise<void> {
  const made = new Set<string>();
  for (const path of paths) {
    const file = join(server.folder, config.bucket, path);
    const folder = dirname(file);
    if (!made.has(folder)) await mkdir(folder, { recursive: true });
    made.add(folder);
    await writeFile(file, content);
  }
}

const sum = (counts: Partial<Record<string, number>>): number =>
  Object.values(counts).reduce<number>((all, count) => all + (count ?? 0), 0);

test('catalog of 10,000 repositories: a page of 100 costs a few requests, at its start, amid and at its end', {
  skip,
}, async (t) => {
  const ground = await grounds.ground(t);
  const names = Array.from({ length: 10_000 }, (_, at) => `team-${String(at % 50).padStart(2, '0')}/app-${at}`).sort();
  await lay(
    ground,
    names.map((name) => `${root}/${name}/_manifests/some`),
    'sha256:aa',
  );
  const cost = async (behind: string | undefined, limit: number) => {
    ground.proxy.counted();
    const page = await createCatalog(ground.store, () => performance.now()).list({ after: behind, limit });
    return { page, requests: sum(ground.proxy.counted()) };
  };
  for (const [behind, first] of [
    [undefined, 0],
    [names[4999], 5000],
    [names[9899], 9900],
  ] as const) {
    const { page, requests } = await cost(behind, 100);
    assert.deepEqual(page.names, names.slice(first, first + 100));
    assert.ok(requests <= 12, `a page behind ${behind} cost ${requests} requests`);
  }
  const { page, requests } = await cost(undefined, 1000);
  assert.deepEqual(page.names, names.slice(0, 1000));
  assert.ok(requests <= 40, `a page of 1000 cost ${requests} requests`);
});

test('repositories too large for a page of keys cost one request each', { skip }, async (t) => {
  const ground = await grounds.ground(t);
  const names = Array.from({ length: 20 }, (_, at) => `r${String(at).padStart(2, '0')}`);
  const keysOf = (name: string) => [
    ...Array.from({ length: 1100 }, (_, at) => `${root}/${name}/_layers/sha256/${String(at).padStart(4, '0')}/link`),
    `${root}/${name}/_manifests/tags/a/current/link`,
  ];
  await lay(ground, names.slice(0, 8).flatMap(keysOf), '');
  await lay(
    ground,
    names.slice(8).map((name) => `${root}/${name}/_manifests/tags/a/current/link`),
    '',
  );
  const page = await createCatalog(ground.store, () => performance.now()).list({ after: undefined, limit: 6 });
  assert.deepEqual(page.names, names.slice(0, 6));
  const requests = sum(ground.proxy.counted());
  assert.ok(requests <= 6 + 16, `${requests} requests`);
});

test('tags: a page costs listings that grow with the page, and no look at each tag', { skip }, async (t) => {
  const ground = await grounds.ground(t);
  const tags = Array.from({ length: 3000 }, (_, at) => `v${Math.floor(at / 100)}.${at % 100}`).sort();
  const below = `${root}/app/_manifests/tags`;
  const history = (tag: string): string => `${below}/${tag}/index/sha256/${'a'.repeat(64)}/link`;
  await lay(
    ground,
    tags.flatMap((tag) => [`${below}/${tag}/current/link`, history(tag)]),
    digest,
  );
  // Pushes under way, or torn: without a current link, and with an empty one.
  await lay(ground, [history('v0.0-torn'), history('v5')], digest);
  await lay(ground, [`${below}/v5/current/link`], '');
  const service = tagsOf(ground);
  for (const [first, limit, most] of [
    [0, 100, 6],
    [1500, 100, 5],
    [2899, 100, 5],
    [0, 1000, 8],
  ] as const) {
    const request = { limit, after: tags[first - 1] };
    ground.proxy.counted();
    for (const time of ['first', 'second']) {
      const listing = await service.list('app' as RepositoryName, request);
      assert.deepEqual(listing?.names, tags.slice(first, first + limit));
      const counts = ground.proxy.counted();
      assert.ok((counts.GetObject ?? 0) <= 2, `${counts.GetObject} looks`);
      assert.ok((counts.ListObjectsV2 ?? 0) <= most, `${counts.ListObjectsV2} listings the ${time} time`);
    }
  }
});

test('tags with long histories: a look at each is cheaper than listing those', { skip }, async (t) => {
  const ground = await grounds.ground(t);
  const tags = Array.from({ length: 40 }, (_, at) => `v${String(at).padStart(2, '0')}`);
  const below = `${root}/app/_manifests/tags`;
  const history = (tag: string): string[] =>
    Array.from({ length: 120 }, (_, at) => `${below}/${tag}/index/sha256/${String(at).padStart(64, '0')}/link`);
  await lay(
    ground,
    tags
      .slice(1)
      .map((tag) => `${below}/${tag}/current/link`)
      .concat(tags.flatMap(history)),
    digest,
  );
  const listing = await tagsOf(ground).list('app' as RepositoryName, { limit: 30, after: undefined });
  assert.deepEqual(listing?.names, tags.slice(1, 31));
  const { GetObject = 0, ListObjectsV2 = 0 } = ground.proxy.counted();
  assert.ok(GetObject <= 32, `${GetObject} looks`);
  assert.ok(ListObjectsV2 <= 40, `${ListObjectsV2} listings`);
});

const digest = `sha256:${'a'.repeat(64)}`;

function tagsOf({ store }: S3Ground): Tags {
  return createTags(
    store,
    createLinks(store, () => {}),
    16,
  );
}
