/** A store on its bad days: throttled, torn, silent, lying about lengths. What was acknowledged stays, the rest fails in time. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Store } from '../../registry/storage/store.ts';
import { bytesOf, chunksOf, MIB, pattern, patternAt, pushTo, sha256Of } from '../storage/conformance-bytes.ts';
import { s3Grounds } from '../support/s3-ground.ts';
import type { Fault, SeenCall } from '../support/s3-proxy.ts';

const grounds = await s3Grounds();
after(() => grounds.stop());

const slowDown: Fault = { status: 503, code: 'SlowDown' };
/** Each call of those operations fails so the first time, and passes when it is tried again. */
const firstOf =
  (fault: Fault, ...operations: readonly string[]) =>
  (call: SeenCall): Fault | undefined =>
    operations.includes(call.operation) && call.count === 0 ? fault : undefined;

async function digestAt(store: Store, path: string): Promise<string> {
  const stream = await store.open(path);
  assert.ok(stream, `${path} is absent`);
  return await sha256Of(stream);
}

const rejects = (work: Promise<unknown>, words: RegExp): Promise<void> =>
  assert.rejects(work, (error: Error) => {
    assert.match(error.message, words);
    return true;
  });

describe('throttling', () => {
  test('503 SlowDown and 500 on each kind of call are tried again', async (t) => {
    const { store, proxy, peer, uploads } = await grounds.ground(t);
    const faults: readonly Fault[] = [slowDown, { status: 500, code: 'InternalError' }];
    for (const fault of faults) {
      const met = new Set<string>();
      proxy.fault = ({ operation }) => {
        if (met.has(operation)) return undefined;
        met.add(operation);
        return fault;
      };
      await pushTo(store, '/large', pattern(12 * MIB, 1));
      await store.put('/folder/a', Buffer.from('a'));
      await store.copy('/folder/a', '/folder/b');
      assert.deepEqual(
        (await store.list('/folder'))?.entries.map(({ name }) => name),
        ['a', 'b'],
      );
      assert.equal((await store.stat('/large'))?.size, 12 * MIB);
      assert.equal(await digestAt(store, '/large'), await sha256Of(pattern(12 * MIB, 1)));
      await store.delete('/folder');
      assert.equal(await peer.stat('/folder'), undefined);
      for (const operation of [
        'UploadPart',
        'CompleteMultipartUpload',
        'CreateMultipartUpload',
        'CopyObject',
        'GetObject',
      ]) {
        assert.ok(met.has(operation), operation);
      }
      proxy.fault = () => undefined;
      await store.delete('/large');
    }
    // A lost answer to the beginning of an upload leaves one that nobody knows; a refused one does not.
    assert.deepEqual(await uploads(), []);
  });

  test('throttled without end: a clear error, and bounded attempts', async (t) => {
    const { store, proxy } = await grounds.ground(t);
    proxy.fault = () => slowDown;
    await rejects(store.read('/object', { signal: AbortSignal.timeout(60_000) }), /throttles this registry/);
    assert.ok(proxy.calls.length <= 8, `${proxy.calls.length} attempts`);
  });
});

describe('torn connections', () => {
  test('a stream that is torn goes on where it broke off, of the same version', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t);
    await pushTo(peer, '/object', pattern(9 * MIB, 2));
    let torn = 0;
    proxy.fault = ({ operation }) => (operation === 'GetObject' && torn++ < 4 ? { tearAfter: 2 * MIB } : undefined);
    const stream = await store.open('/object', { start: 8 });
    assert.ok(stream);
    assert.equal(await sha256Of(stream), await sha256Of(chunksOf(patternAt(8, 9 * MIB - 8, 2))));
    const gets = proxy.calls.filter(({ operation }) => operation === 'GetObject');
    assert.ok(gets.length >= 4);
    for (const { headers } of gets.slice(1)) {
      assert.match(String(headers.range), /^bytes=\d+-\d+$/);
      assert.ok(headers['if-match']);
    }
  });

  test('a stream that never gets on ends with an error after a bounded number of tries', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t);
    await pushTo(peer, '/object', pattern(MIB, 2));
    proxy.fault = ({ operation }) => (operation === 'GetObject' ? { tearAfter: 0 } : undefined);
    await rejects(bytesOf(store.open('/object')), /breaks connections off|broke off/);
    assert.ok(proxy.calls.length < 20);
  });

  test('a stream whose object was replaced meanwhile fails instead of mixing versions', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t);
    await pushTo(peer, '/object', pattern(4 * MIB, 1));
    proxy.fault = ({ operation, count }) => (operation === 'GetObject' && count === 0 ? { tearAfter: MIB } : undefined);
    const stream = await store.open('/object');
    await pushTo(peer, '/object', pattern(4 * MIB, 2));
    assert.ok(stream);
    await assert.rejects(sha256Of(stream));
  });

  for (const operation of [
    'UploadPart',
    'CompleteMultipartUpload',
    'PutObject',
    'CopyObject',
    'DeleteObjects',
    'HeadObject',
  ]) {
    for (const fault of ['refuse', 'lose'] as const) {
      test(`${operation}, ${fault === 'lose' ? 'done with its answer lost' : 'never heard of'}: the push succeeds`, async (t) => {
        const { store, proxy, peer, uploads } = await grounds.ground(t);
        proxy.fault = firstOf(fault, operation);
        const upload = await store.beginUpload('/uploads/1/data');
        await upload.append(0, pattern(6 * MIB, 3));
        await upload.append(6 * MIB, chunksOf(patternAt(6 * MIB, 64, 3)));
        await upload.commit('/object', 6 * MIB + 64);
        await store.copy('/object', '/copy');
        assert.equal(await digestAt(peer, '/copy'), await sha256Of(pattern(6 * MIB + 64, 3)));
        assert.deepEqual(await uploads(), []);
      });
    }
  }

  test('a put over a known version whose answer was lost is still the one that won', async (t) => {
    const { store, proxy } = await grounds.ground(t);
    proxy.fault = firstOf('lose', 'PutObject');
    assert.equal(await store.swap('/lease', undefined, Buffer.from('mine')), true);
    assert.equal(await store.swap('/lease', undefined, Buffer.from('other')), false);
    assert.equal((await store.read('/lease'))?.toString(), 'mine');
  });

  test('parts that cannot be stored: the error is told, and the upload goes on from what was', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t, { deadlines: { transfer: 1000 } });
    const upload = await store.beginUpload('/uploads/1/data');
    proxy.fault = ({ operation, count }) => (operation === 'UploadPart' && count >= 2 ? 'refuse' : undefined);
    await rejects(upload.append(0, pattern(30 * MIB, 4)), /s3: failed/);
    proxy.fault = () => undefined;
    const again = peer.resumeUpload('/uploads/1/data');
    const size = await again.size();
    assert.ok(size !== undefined && size <= 30 * MIB && size % (5 * MIB) === 0, String(size));
    await again.append(size, chunksOf(patternAt(size, 30 * MIB - size, 4)));
    await again.commit('/object', 30 * MIB);
    assert.equal(await digestAt(peer, '/object'), await sha256Of(pattern(30 * MIB, 4)));
  });
});

describe('lengths and silence', () => {
  test('an answer that announces more bytes than the object has is an error, never a shorter object', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t);
    await pushTo(peer, '/object', pattern(MIB, 5));
    proxy.fault = ({ operation, count }) =>
      operation === 'GetObject' && count === 0 ? { announce: (length) => length + 1000 } : undefined;
    await assert.rejects(bytesOf(store.open('/object')));
  });

  test('a window of other bytes than asked for is an error', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t);
    await pushTo(peer, '/object', pattern(MIB, 5));
    proxy.fault = ({ operation }) => (operation === 'GetObject' ? { announce: (length) => length - 8 } : undefined);
    await assert.rejects(bytesOf(store.open('/object', { start: 8, end: 4096 })), /other bytes than asked for/);
  });

  test('a body that falls silent is given up and asked for again', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t, { deadlines: { silence: 300 } });
    await pushTo(peer, '/object', pattern(4 * MIB, 6));
    proxy.fault = ({ operation, count }) =>
      operation === 'GetObject' && count === 0 ? { fallSilentAfter: MIB } : undefined;
    const stream = await store.open('/object');
    assert.ok(stream);
    assert.equal(await sha256Of(stream), await sha256Of(pattern(4 * MIB, 6)));
  });

  test('a server that does not answer: the call ends within its deadline, at once when the caller leaves', async (t) => {
    const { store, proxy } = await grounds.ground(t, { deadlines: { attempt: 200, call: 700 } });
    proxy.fault = () => 'hang';
    const calls = [
      () => store.stat('/a'),
      () => store.read('/a'),
      () => store.open('/a'),
      () => store.put('/a', Buffer.from('x')),
      () => store.list('/a'),
      () => store.delete('/a'),
      () => store.swap('/a', undefined, Buffer.from('x')),
      () => store.beginUpload('/a/data'),
      () => store.resumeUpload('/a/data').size(),
    ];
    await Promise.all(calls.map((call) => rejects(call(), /did not answer in time/)));
    const left = new Error('the client has left');
    const client = new AbortController();
    const reading = store.read('/a', { signal: client.signal });
    client.abort(left);
    await assert.rejects(reading, (error) => error === left);
  });
});
