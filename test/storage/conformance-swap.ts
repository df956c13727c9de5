/** Replacing an object only if it is still what was seen: what leases stand on. */
import assert from 'node:assert/strict';
import type { Case } from './conformance-case.ts';

const PATH = '/leases/one';
const [one, two] = [Buffer.from('one'), Buffer.from('two')];

export const swapCases: readonly Case[] = [
  {
    name: 'swap: only from the content that is there, or from absence where nothing is',
    async run({ store, peer }) {
      assert.equal(await store.swap(PATH, one, two), false);
      assert.equal(await store.read(PATH), undefined);
      assert.equal(await store.swap(PATH, undefined, one), true);
      assert.equal(await peer.swap(PATH, undefined, two), false);
      assert.equal(await peer.swap(PATH, two, one), false);
      assert.deepEqual(await store.read(PATH), one);
      assert.equal(await peer.swap(PATH, one, two), true);
      assert.deepEqual(await store.read(PATH), two);
      assert.equal(await store.swap(PATH, one, Buffer.alloc(0)), false);
      await store.delete(PATH);
      assert.equal(await peer.swap(PATH, two, one), false);
      assert.equal(await peer.swap(PATH, undefined, one), true);
    },
  },
  {
    name: 'swap: contents that were put, empty ones and the same again',
    async run({ store, peer }) {
      await peer.put(PATH, Buffer.alloc(0));
      assert.equal(await store.swap(PATH, undefined, one), false);
      assert.equal(await store.swap(PATH, Buffer.alloc(0), one), true);
      for (let round = 0; round < 5; round++) assert.equal(await store.swap(PATH, one, one), true);
      assert.deepEqual(await peer.read(PATH), one);
      assert.deepEqual(
        (await store.list('/leases'))?.entries.map(({ name }) => name),
        ['one'],
      );
    },
  },
  {
    name: 'swap: of many that want to be first, exactly one is',
    async run({ store, peer }) {
      for (let round = 0; round < 5; round++) {
        const path = `${PATH}${round}`;
        const names = Array.from({ length: 16 }, (_, at) => Buffer.from(`writer ${at}`));
        const won = await Promise.all(names.map((name, at) => (at % 2 ? store : peer).swap(path, undefined, name)));
        assert.equal(won.filter(Boolean).length, 1);
        assert.deepEqual(await store.read(path), names[won.indexOf(true)]);
      }
    },
  },
  {
    name: 'swap: a counter that many count up loses nothing',
    async run({ store, peer }) {
      await store.put(PATH, Buffer.from('0'));
      await Promise.all(
        [store, peer, store, peer].map(async (instance) => {
          for (let counted = 0; counted < 8; ) {
            const seen = await instance.read(PATH);
            assert.ok(seen !== undefined, 'the object is never absent');
            if (await instance.swap(PATH, seen, Buffer.from(String(Number(seen) + 1)))) counted++;
          }
        }),
      );
      assert.equal((await peer.read(PATH))?.toString(), '32');
    },
  },
];
