/** The observed store is the store, and its observer hears of each action under Distribution's names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instrument, type StorageObserver } from '../../registry/storage/instrument.ts';
import { createMemoryStore } from '../../registry/storage/memory.ts';
import { storeConformance } from './conformance.ts';
import { chunksOf } from './conformance-bytes.ts';

storeConformance({
  driver: 'inmemory',
  large: false,
  async begin() {
    const store = instrument(createMemoryStore(), () => {});
    return { store, peer: store };
  },
});

test('each action is told once, with its seconds, and with its error only when it failed', async () => {
  const heard: [string, unknown][] = [];
  let clock = 0;
  const observe: StorageObserver = (action, seconds, error) => {
    assert.ok(seconds > 0, `${action} took ${seconds}`);
    heard.push([action, error]);
  };
  const store = instrument(createMemoryStore(), observe, () => clock++);
  await store.put('/a', Buffer.from('x'));
  await store.read('/absent');
  await store.open('/a');
  await store.stat('/a');
  await store.list('/');
  await store.move('/a', '/b');
  const upload = await store.beginUpload('/u');
  await upload.append(0, chunksOf('x'));
  await upload.commit('/c', 1);
  await store.redirectUrl('/b', 'GET');
  await store.delete('/b');
  const fault: unknown = await store.move('/nothing', '/b').catch((error: unknown) => error);
  assert.ok(fault instanceof Error);
  const names = 'PutContent GetContent Reader Stat List Move Writer Move RedirectURL Delete Move';
  assert.equal(heard.map(([action]) => action).join(' '), names);
  assert.deepEqual(
    heard.map(([, error]) => error),
    [...Array.from({ length: 10 }, () => undefined), fault],
  );
});

test('without an observer the store is handed back as it is', () => {
  const store = createMemoryStore();
  assert.equal(instrument(store, undefined), store);
});
