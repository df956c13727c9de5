import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, createQueue, type Queue } from '../../../operator/controller/queue.ts';
import { createMetrics } from '../../../operator/metrics.ts';

/** A clock that stands still until it is turned. */
function fakeClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Set<{ at: number; call: () => void }>();
  return {
    now: () => now,
    after(ms, call) {
      const timer = { at: now + ms, call };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        now = Math.max(now, due.at);
        timers.delete(due);
        due.call();
      }
      now = end;
    },
  };
}

function setUp(random = () => 1) {
  const clock = fakeClock();
  return { clock, queue: createQueue({ name: 'test', clock, random, firstDelayMs: 100, maxDelayMs: 1000 }) };
}

/** The keys that can be taken now; each is done at once. */
async function drained(queue: Queue): Promise<string[]> {
  const keys: string[] = [];
  while (queue.depth > 0) {
    const key = await queue.take();
    assert.ok(key !== undefined);
    keys.push(key);
    queue.done(key);
  }
  return keys;
}

test('a key that waits is not added twice, and keys come in the order of their arrival', async () => {
  const { queue } = setUp();
  for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
  assert.deepEqual(await drained(queue), ['a', 'b', 'c']);
});

test('a key added while a worker has it comes back once it is done, and not before', async () => {
  const { queue } = setUp();
  queue.add('a');
  assert.equal(await queue.take(), 'a');
  queue.add('a');
  queue.add('a');
  assert.equal(queue.depth, 0, 'never at two workers');
  queue.done('a');
  assert.deepEqual(await drained(queue), ['a']);
});

test('workers that wait are served in their order', async () => {
  const { queue } = setUp();
  const first = queue.take();
  const second = queue.take();
  queue.add('a');
  queue.add('b');
  assert.deepEqual(await Promise.all([first, second]), ['a', 'b']);
});

test('a delayed key comes when it is due; the earliest of several delays counts', async () => {
  const { queue, clock } = setUp();
  queue.addAfter('late', 500);
  queue.addAfter('a', 300);
  queue.addAfter('a', 100);
  queue.addAfter('a', 200);
  clock.advance(99);
  assert.equal(queue.depth, 0);
  clock.advance(1);
  assert.deepEqual(await drained(queue), ['a']);
  clock.advance(300);
  assert.deepEqual(await drained(queue), [], 'the later delays are void');
  clock.advance(100);
  assert.deepEqual(await drained(queue), ['late']);
});

test('a key added outright does not come again for a delay that it had', async () => {
  const { queue, clock } = setUp();
  queue.addAfter('a', 100);
  queue.add('a');
  assert.deepEqual(await drained(queue), ['a']);
  clock.advance(1000);
  assert.deepEqual(await drained(queue), []);
});

test('back-off doubles with each failure up to its bound, for each key by itself, and starts anew once forgotten', async () => {
  const { queue, clock } = setUp();
  const waits = (key: string): number => {
    queue.retry(key);
    for (let waited = 0; ; waited += 1) {
      if (queue.depth > 0) return waited;
      clock.advance(1);
    }
  };
  const next = async (key: string) => {
    const waited = waits(key);
    assert.deepEqual(await drained(queue), [key]);
    return waited;
  };
  assert.deepEqual([await next('a'), await next('a'), await next('a')], [100, 200, 400]);
  assert.equal(await next('b'), 100);
  assert.deepEqual([await next('a'), await next('a'), await next('a')], [800, 1000, 1000]);
  queue.forget('a');
  assert.equal(await next('a'), 100);
});

test('jitter takes at most a quarter off the back-off', async () => {
  const { queue, clock } = setUp(() => 0);
  queue.retry('a');
  clock.advance(74);
  assert.equal(queue.depth, 0);
  clock.advance(1);
  assert.equal(queue.depth, 1);
});

test('closing hands out nothing more, wakes who waits, and resolves when the last key is done', async () => {
  const { queue, clock } = setUp();
  queue.add('a');
  assert.equal(await queue.take(), 'a');
  queue.add('b');
  queue.addAfter('c', 10);
  let closed = false;
  const closing = queue.close().then(() => {
    closed = true;
  });
  assert.equal(await queue.take(), undefined);
  queue.add('d');
  clock.advance(100);
  assert.equal(queue.depth, 0);
  assert.equal(closed, false, 'a key is still at a worker');
  queue.done('a');
  await closing;
  const waiting = createQueue({ name: 'idle', clock, random: () => 0 });
  const taker = waiting.take();
  await waiting.close();
  assert.equal(await taker, undefined);
});

test('many delays come in the order in which they are due', async () => {
  const { queue, clock } = setUp();
  const due = Array.from({ length: 500 }, (_, index) => (index * 7919) % 1009);
  for (const [index, ms] of due.entries()) queue.addAfter(`k${index}`, ms);
  const expected = [...due.entries()].sort((a, b) => a[1] - b[1]).map(([, ms]) => ms);
  clock.advance(2000);
  const order = (await drained(queue)).map((key) => due[Number(key.slice(1))]);
  assert.deepEqual(order, expected);
});

test('depth, adds and retries are counted under controller-runtime’s names', async () => {
  const metrics = createMetrics();
  const clock = fakeClock();
  const queue = createQueue({ name: 'registry', clock, random: () => 0, metrics: metrics.queue });
  queue.add('a');
  queue.add('b');
  queue.retry('c');
  const { body } = await metrics.text();
  assert.match(body, /^workqueue_depth\{name="registry"\} 2$/m);
  assert.match(body, /^workqueue_adds_total\{name="registry"\} 2$/m);
  assert.match(body, /^workqueue_retries_total\{name="registry"\} 1$/m);
});
