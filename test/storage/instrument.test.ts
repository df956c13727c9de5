/** The observed store is the store, and its observer hears of each action under Distribution's names. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { failureOf, instrument, type StorageObserver } from '../../registry/storage/instrument.ts';
import { createMemoryStore } from '../../registry/storage/memory.ts';
import { type Store, StoreError } from '../../registry/storage/store.ts';
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
    assert.ok(seconds !== undefined && seconds > 0, `${action} took ${seconds}`);
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

test('a stream that fails after it was opened is told without seconds; what breaks off with its client is not', async () => {
  const heard: [string, number | undefined, string][] = [];
  const memory = createMemoryStore();
  const torn = new StoreError('failed', 's3', '/a', new Error('ECONNRESET'));
  const faulty: Store = {
    ...memory,
    open: async () => new Readable({ read: () => undefined }),
    resumeUpload: (path) => ({ ...memory.resumeUpload(path), append: () => Promise.reject(torn) }),
  };
  const observe: StorageObserver = (action, seconds, error) => {
    if (error !== undefined) heard.push([action, seconds, failureOf(error)]);
  };
  const store = instrument(faulty, observe);
  const stream = await store.open('/a');
  stream?.destroy(torn);
  const left = await store.open('/a');
  left?.destroy(new Error('the client has gone'));
  await assert.rejects(store.resumeUpload('/u').append(0, chunksOf('x')), torn);
  const upload = await instrument(memory, observe).beginUpload('/u');
  const leaving = (async function* () {
    yield Buffer.from('x');
    throw new Error('the client has gone');
  })();
  await assert.rejects(upload.append(0, leaving), /the client has gone/);
  await new Promise(setImmediate);
  assert.deepEqual(heard.toSorted(), [
    ['Reader', undefined, 'failed'],
    ['Writer', undefined, 'failed'],
  ]);
});

test('what went wrong is one of a few words, fit to be a label', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [new StoreError('no-space', 'filesystem', '/a'), 'no-space'],
    [AbortSignal.abort().reason, 'aborted'],
    [new DOMException('', 'TimeoutError'), 'timeout'],
    [new Error('https://user:password@host/'), 'failed'],
    ['text', 'failed'],
  ];
  for (const [error, word] of cases) assert.equal(failureOf(error), word);
});
