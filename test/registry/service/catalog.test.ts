/** The catalog's order and pages, over any tree, on stores that list folders and on stores that read keys flat. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCatalog } from '../../../registry/service/catalog.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import type { Store, WalkPage } from '../../../registry/storage/store.ts';

const root = '/docker/registry/v2/repositories';
const some = Buffer.from('x');

/** Component by component, a repository before those below it. */
const inOrder = (names: readonly string[]): string[] =>
  [...names].sort((a, b) => (a.replaceAll('/', '\0') < b.replaceAll('/', '\0') ? -1 : 1));

async function storeOf(repositories: readonly string[], others: readonly string[]): Promise<Store> {
  const store = createMemoryStore();
  const paths = [
    ...repositories.flatMap((name) => [`${name}/_layers/sha256/aa/link`, `${name}/_manifests/tags/a/current/link`]),
    ...others.map((name) => `${name}/_uploads/1/startedat`),
  ];
  await store.putAll(paths.map((path) => ({ path: `${root}/${path}`, content: some })));
  return store;
}

/** The store as a bucket has it: keys in order, so many a page; and listings that are cut like a bucket's. */
function flat(store: Store, pageSize: number): Store {
  async function all(path: string): Promise<string[]> {
    const paths: string[] = [];
    for (const { name, isDirectory } of (await store.list(path))?.entries ?? []) {
      if (isDirectory) paths.push(...(await all(`${path}/${name}`)));
      else paths.push(`${path}/${name}`);
    }
    return paths.sort();
  }
  const walk = async (path: string, options: { after?: string | undefined } = {}): Promise<WalkPage> => {
    const found = (await all(path)).filter((key) => key > (options.after ?? ''));
    const objects = found.slice(0, pageSize).map((key) => ({ path: key, size: 1, modified: 0, isDirectory: false }));
    return { objects, more: found.length > pageSize };
  };
  const list: Store['list'] = (path, options) =>
    store.list(path, { ...options, limit: Math.min(options?.limit ?? 1000, pageSize) });
  return { ...store, walk, list };
}

async function pages(store: Store, limit: number): Promise<string[]> {
  const met: string[] = [];
  for (let more = true; more; ) {
    const page = await createCatalog(store, () => 0).list({ after: met.at(-1), limit });
    assert.ok(page.names.length <= limit);
    met.push(...page.names);
    more = page.more;
    assert.ok(!more || page.names.length > 0);
  }
  return met;
}

const component = fc.stringMatching(/^[a-c0-1]{1,2}([-._][a-c0-1])?$/);
const name = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

test('every repository with manifests once, in order, whatever the page and the store', async () => {
  const trees = fc.record({
    repositories: fc.uniqueArray(name, { maxLength: 25 }),
    others: fc.uniqueArray(name, { maxLength: 5 }),
    limit: fc.integer({ min: 1, max: 30 }),
    pageSize: fc.integer({ min: 2, max: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(trees, async ({ repositories, others, limit, pageSize }) => {
      const store = await storeOf(repositories, others);
      const expected = inOrder(repositories);
      assert.deepEqual(await pages(store, limit), expected);
      assert.deepEqual(await pages(flat(store, pageSize), limit), expected);
    }),
    { numRuns: 60 },
  );
});

test('a page may begin behind a name that is no repository, or no name at all', async () => {
  const store = await storeOf(['a', 'a/b', 'a-b', 'c/d/e', 'f'], ['c']);
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', ['a', 'a/b', 'a-b', 'c/d/e', 'f']],
    ['a/a', ['a/b', 'a-b', 'c/d/e', 'f']],
    ['a/b/zzz', ['a-b', 'c/d/e', 'f']],
    ['b', ['c/d/e', 'f']],
    ['c/d', ['c/d/e', 'f']],
    ['A b/../%', ['a', 'a/b', 'a-b', 'c/d/e', 'f']],
    ['a//b', ['a/b', 'a-b', 'c/d/e', 'f']],
    ['../..', ['a', 'a/b', 'a-b', 'c/d/e', 'f']],
    ['zz', []],
  ];
  for (const each of [store, flat(store, 3)]) {
    for (const [after, names] of cases) {
      const page = await createCatalog(each, () => 0).list({ after, limit: 100 });
      assert.deepEqual(page, { names, more: false }, after);
    }
  }
});
