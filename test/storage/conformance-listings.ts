/** Listings: order, pages, versions, and what others change. */
import assert from 'node:assert/strict';
import type { Page, Store } from '../../registry/storage/store.ts';
import type { Case } from './conformance-case.ts';

const some = Buffer.from('some');

async function fill(store: Store, paths: readonly string[]): Promise<void> {
  await store.putAll(
    paths.map((path) => ({ path, content: some })),
    { durable: false },
  );
}

function namesOf(page: Page | undefined): string[] {
  assert.ok(page !== undefined, 'the directory is absent');
  return page.entries.map(({ name }) => name);
}

/** Long enough for a driver to trust what it keeps. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 40));

export const listingCases: readonly Case[] = [
  {
    name: 'RootExists: / can be listed from the start',
    async run({ store }) {
      const page = await store.list('/');
      assert.deepEqual(page?.entries, []);
      assert.equal(page?.more, false);
    },
  },
  {
    name: 'List: direct children only, sorted by bytes, with their kind; nothing for a missing directory',
    async run({ store, peer }) {
      const names = Array.from({ length: 50 }, (_, i) => `${'aB-_.0'[i % 6]}${i}`);
      await fill(store, [...names.map((name) => `/parent/${name}`), '/parent/deep/er/1', '/parents/1']);
      const page = await peer.list('/parent');
      assert.deepEqual(namesOf(page), [...names, 'deep'].sort());
      for (const { name, isDirectory } of page?.entries ?? []) assert.equal(isDirectory, name === 'deep');
      assert.deepEqual(namesOf(await store.list('/')), ['parent', 'parents']);
      assert.deepEqual(namesOf(await store.list('/parent/deep')), ['er']);
      assert.equal(await store.list('/missing'), undefined);
    },
  },
  {
    name: 'an object is not a directory: listing it gives nothing',
    async run({ store }) {
      await store.put('/object', some);
      assert.equal(await store.list('/object'), undefined);
    },
  },
  {
    name: 'after and limit cut pages; more tells whether names are left behind the page',
    async run({ store }) {
      await fill(
        store,
        ['a', 'b', 'c', 'd', 'e'].map((name) => `/folder/${name}`),
      );
      const pages: [{ after?: string; limit?: number }, string, boolean][] = [
        [{}, 'abcde', false],
        [{ limit: 2 }, 'ab', true],
        [{ limit: 5 }, 'abcde', false],
        [{ limit: 6 }, 'abcde', false],
        [{ limit: 0 }, '', true],
        [{ after: 'b' }, 'cde', false],
        [{ after: 'b', limit: 1 }, 'c', true],
        [{ after: 'd', limit: 1 }, 'e', false],
        [{ after: 'bb', limit: 2 }, 'cd', true],
        [{ after: 'B' }, 'abcde', false],
        [{ after: 'e' }, '', false],
        [{ after: 'zzz', limit: 3 }, '', false],
        [{ after: '' }, 'abcde', false],
      ];
      for (const [options, names, more] of pages) {
        const page = await store.list('/folder', options);
        assert.equal(namesOf(page).join(''), names, JSON.stringify(options));
        assert.equal(page?.more, more, JSON.stringify(options));
      }
    },
  },
  {
    name: 'a walk by pages meets each of 1000 names once, in order',
    async run({ store }) {
      const names = Array.from({ length: 1000 }, (_, i) => `v1.${i}`);
      await fill(
        store,
        names.map((name) => `/tags/${name}/link`),
      );
      const met: string[] = [];
      for (let more = true; more; ) {
        const after = met.at(-1);
        const page = await store.list('/tags', { limit: 97, ...(after === undefined ? {} : { after }) });
        met.push(...namesOf(page));
        more = page?.more ?? false;
      }
      assert.deepEqual(met, [...names].sort());
    },
  },
  {
    name: 'a listing sees at once what another instance added, removed and replaced',
    async run({ store, peer }) {
      await peer.put('/folder/first', some, { durable: false });
      for (let round = 0; round < 100; round++) {
        await peer.put(`/folder/n${round}`, some, { durable: false });
        assert.ok(namesOf(await store.list('/folder')).includes(`n${round}`));
        if (round % 3 === 0) await peer.delete(`/folder/n${round}`);
        else await peer.move(`/folder/n${round}`, '/folder/same');
        assert.ok(!namesOf(await store.list('/folder')).includes(`n${round}`));
      }
      await peer.delete('/folder');
      assert.equal(await store.list('/folder'), undefined);
      await peer.put('/folder/again', some);
      assert.deepEqual(namesOf(await store.list('/folder')), ['again']);
    },
  },
  {
    name: 'version is the same while nothing changes and another one after each change',
    async run({ store, peer }) {
      await store.put('/folder/a', some);
      await settle();
      const seen = new Set<string>();
      for (const change of [
        async () => {},
        async () => peer.put('/folder/b', some),
        async () => peer.delete('/folder/b'),
        async () => peer.put('/folder/b/c', some),
        async () => {
          await peer.delete('/folder');
          await peer.put('/folder/a', some);
        },
      ]) {
        await change();
        const young = (await store.list('/folder'))?.version;
        await settle();
        const first = await store.list('/folder');
        const second = await store.list('/folder');
        assert.equal(second?.version, first?.version);
        for (const version of new Set([young, first?.version])) {
          if (version === undefined) continue;
          assert.ok(!seen.has(version), version);
          seen.add(version);
        }
      }
    },
  },
  {
    name: 'maxAgeMs: an answer may be old, but 0 never is',
    async run({ store, peer }) {
      await store.put('/folder/a', some);
      assert.deepEqual(namesOf(await store.list('/folder', { maxAgeMs: 60_000 })), ['a']);
      await peer.put('/folder/b', some);
      const old = namesOf(await store.list('/folder', { maxAgeMs: 60_000 }));
      assert.equal(old[0], 'a');
      assert.deepEqual(namesOf(await store.list('/folder', { maxAgeMs: 0 })), ['a', 'b']);
      assert.deepEqual(namesOf(await store.list('/folder', { maxAgeMs: 60_000 })), ['a', 'b']);
      assert.deepEqual(namesOf(await store.list('/folder')), ['a', 'b']);
    },
  },
];
