/** Links: what one points to, and what counts as damage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLinks } from '../../../registry/service/links.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import type { Store } from '../../../registry/storage/store.ts';

const path = '/docker/registry/v2/repositories/app/_layers/link';
const digest = `sha256:${'ab'.repeat(32)}`;

/** A store whose first answers to `read` are cut to so many bytes. */
async function withAnswers(...lengths: readonly number[]): Promise<Store> {
  const store = createMemoryStore();
  await store.put(path, Buffer.from(digest));
  const left = [...lengths];
  return { ...store, read: async (...args) => (await store.read(...args))?.subarray(0, left.shift()) };
}

test('an answer that was cut short is no damage: the link is asked for once more', async () => {
  const told: string[] = [];
  const links = createLinks(await withAnswers(20), (kind) => told.push(kind));
  assert.equal(await links.resolve(path, {}), digest);
  assert.deepEqual(told, []);
});

test('a link that stays too short counts as absent, and is told of once', async () => {
  const told: string[] = [];
  const links = createLinks(await withAnswers(20, 20), (kind) => told.push(kind));
  assert.equal(await links.resolve(path, {}), undefined);
  assert.deepEqual(told, ['link']);
});
