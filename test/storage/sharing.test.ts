/** Requests shared by those who ask at the same time: how many there are, and that no answer is older than its question. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMemoryStore } from '../../registry/storage/memory.ts';
import { createSharing, shareReads } from '../../registry/storage/sharing.ts';

/** Work whose requests the test answers. */
function controlled() {
  const requests: (PromiseWithResolvers<string> & { signal: AbortSignal })[] = [];
  const work = (signal: AbortSignal): Promise<string> => {
    const request = { ...Promise.withResolvers<string>(), signal };
    requests.push(request);
    return request.promise;
  };
  return { requests, work };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('shared requests', () => {
  test('sixteen at once cost two: the first has its own, the others share the next', async () => {
    const { requests, work } = controlled();
    const share = createSharing<string>();
    const asked = Array.from({ length: 16 }, () => share('key', work, undefined));
    assert.equal(requests.length, 1);
    requests[0]?.resolve('old');
    await turn();
    assert.equal(requests.length, 2);
    requests[1]?.resolve('new');
    assert.deepEqual(await Promise.all(asked), ['old', ...Array.from({ length: 15 }, () => 'new')]);
    const later = share('key', work, undefined);
    assert.equal(requests.length, 3, 'nothing is kept');
    requests[2]?.resolve('newest');
    assert.equal(await later, 'newest');
  });

  test('who comes while one is under way never gets that answer, however late it comes', async () => {
    const { requests, work } = controlled();
    const share = createSharing<string>();
    const first = share('key', work, undefined);
    const second = share('key', work, undefined);
    requests[0]?.resolve('before');
    assert.equal(await first, 'before');
    await turn();
    // The second has begun: a third is too late for it as well.
    const third = share('key', work, undefined);
    requests[1]?.resolve('between');
    assert.equal(await second, 'between');
    await turn();
    requests[2]?.resolve('after');
    assert.equal(await third, 'after');
  });

  test('a failure is told to those who shared it, and to nobody after', async () => {
    const { requests, work } = controlled();
    const share = createSharing<string>();
    const asked = [0, 1, 2].map(() => share('key', work, undefined));
    const outcomes = Promise.allSettled(asked);
    requests[0]?.reject(new Error('first'));
    await turn();
    requests[1]?.reject(new Error('second'));
    const messages = (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.message);
    assert.deepEqual(messages, ['first', 'second', 'second']);
    const again = share('key', work, undefined);
    requests[2]?.resolve('fine');
    assert.equal(await again, 'fine');
  });

  test('one who leaves goes at once and disturbs nobody; when all have left the request is called back', async () => {
    const { requests, work } = controlled();
    const share = createSharing<string>();
    const leaver = new AbortController();
    const first = share('key', work, undefined);
    const leaving = share('key', work, leaver.signal);
    const staying = share('key', work, undefined);
    const reason = new Error('left');
    leaver.abort(reason);
    await assert.rejects(leaving, reason);
    requests[0]?.resolve('a');
    await turn();
    assert.equal(requests[1]?.signal.aborted, false);
    requests[1]?.resolve('b');
    assert.deepEqual(await Promise.all([first, staying]), ['a', 'b']);

    const alone = new AbortController();
    const lonely = share('key', work, alone.signal);
    const behind = share('key', work, alone.signal);
    alone.abort(reason);
    await assert.rejects(lonely, reason);
    await assert.rejects(behind, reason);
    assert.equal(requests[2]?.signal.aborted, true);
    requests[2]?.reject(new Error('called back'));
    await turn();
    assert.equal(requests.length, 3, 'nobody waits for a next one');
  });

  test('one that hangs does not hold up those who came after it', async () => {
    const { requests, work } = controlled();
    const share = createSharing<string>(1);
    const hanging = share('key', work, undefined);
    const later = share('key', work, undefined);
    while (requests.length < 2) await turn();
    requests[1]?.resolve('answered');
    assert.equal(await later, 'answered');
    requests[0]?.resolve('at last');
    assert.equal(await hanging, 'at last');
  });

  test('keys have nothing to do with each other', async () => {
    const { requests, work } = controlled();
    const share = createSharing<string>();
    const asked = ['a', 'b'].map((key) => share(key, work, undefined));
    for (const [at, request] of requests.entries()) request.resolve(String(at));
    assert.deepEqual(await Promise.all(asked), ['0', '1']);
  });
});

test('a store that shares: looks and reads of one path, and what was written before is always seen', async () => {
  const store = createMemoryStore();
  const counts = { stat: 0, read: 0 };
  const shared = shareReads({
    ...store,
    stat: (path, options) => {
      counts.stat++;
      return turn().then(() => store.stat(path, options));
    },
    read: (path, options) => {
      counts.read++;
      return turn().then(() => store.read(path, options));
    },
  });
  await shared.put('/object', Buffer.from('one'));
  const reads = Array.from({ length: 16 }, () => shared.read('/object'));
  const stats = Array.from({ length: 16 }, () => shared.stat('/object'));
  for (const bytes of await Promise.all(reads)) assert.equal(bytes?.toString(), 'one');
  for (const stat of await Promise.all(stats)) assert.equal(stat?.size, 3);
  assert.deepEqual(counts, { stat: 2, read: 2 });
  // A reader that came before the write is under way; one that comes after it sees the new bytes.
  const early = shared.read('/object');
  await shared.put('/object', Buffer.from('two!'));
  assert.equal((await shared.read('/object'))?.toString(), 'two!');
  await early;
});
