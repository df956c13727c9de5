/** The in-memory driver under the storage suite. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '../../registry/storage/memory.ts';
import { storeConformance } from './conformance.ts';

storeConformance({
  driver: 'inmemory',
  // 5 GiB are more than a process of its kind is given.
  large: false,
  async begin() {
    const store = createMemoryStore();
    return { store, peer: store };
  },
});

test('of a group that cannot be written whole, what points to the others is not there', async () => {
  const store = createMemoryStore();
  await store.put('/file', Buffer.from('x'));
  const puts = [
    { path: '/tag', content: Buffer.from('to it'), last: true },
    { path: '/file/below', content: Buffer.from('it') },
  ];
  await assert.rejects(store.putAll(puts), { code: 'failed' });
  assert.equal(await store.stat('/tag'), undefined);
});
