/** The memory for parts: bounded, lent in order, and never kept by clients that are slow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPartMemory, type PartMemory } from '../../registry/storage/s3-memory.ts';
import { createSender, type Sender } from '../../registry/storage/s3-sender.ts';
import type { Piece } from '../../registry/storage/s3-session.ts';
import { KIB, patternAt } from './conformance-bytes.ts';

const size = 256 * KIB;

/** A sender into memory: what it sent and put aside, and in what order. */
function rig(memory: PartMemory) {
  const parts: Buffer[] = [];
  const aside = new Map<string, Buffer>();
  let next = 1;
  let stored = 0;
  const sender: Sender = createSender({
    chunk: size,
    memory,
    tail: [],
    signal: undefined,
    number: async () => next++,
    async send(number, bytes) {
      await sleep(5);
      parts[number - 1] = Buffer.from(bytes);
      return { number, etag: `"${number}"` };
    },
    async fill(target, tail) {
      let at = 0;
      for (const piece of tail) {
        const bytes = aside.get('key' in piece ? piece.key : '') ?? Buffer.alloc(0);
        target.set(bytes, at);
        at += bytes.length;
      }
    },
    async store(bytes): Promise<Piece> {
      const key = `aside ${stored++}`;
      const kept = Buffer.from(bytes);
      await sleep(1);
      aside.set(key, kept);
      return { key, size: kept.length };
    },
  });
  return { sender, all: () => Buffer.concat(parts), asides: () => aside.size };
}

async function push(
  { sender }: ReturnType<typeof rig>,
  from: number,
  to: number,
  seed: number,
  pause = 0,
): Promise<void> {
  for (let at = from; at < to; at += 32 * KIB) {
    await sender.add(patternAt(at, Math.min(32 * KIB, to - at), seed));
    if (pause > 0) await sleep(pause);
  }
}

test('no more buffers than there are, lent in the order of asking', async () => {
  const memory = createPartMemory({ bytes: size, count: 2, patience: 10_000 });
  const [first, second] = [await memory.lend(() => {}, undefined), await memory.lend(() => {}, undefined)];
  const order: string[] = [];
  const waiting = ['a', 'b'].map((name) =>
    memory
      .lend(() => {}, undefined)
      .then((loan) => {
        order.push(name);
        return loan;
      }),
  );
  await sleep(20);
  assert.deepEqual(order, []);
  first.end();
  (await waiting[0])?.end();
  second.end();
  (await waiting[1])?.end();
  assert.deepEqual(order, ['a', 'b']);
});

test('who leaves the queue is forgotten, with its own reason', async () => {
  const memory = createPartMemory({ bytes: size, count: 1, patience: 10_000 });
  const loan = await memory.lend(() => {}, undefined);
  const client = new AbortController();
  const left = new Error('the client has left');
  const waiting = memory.lend(() => {}, client.signal);
  client.abort(left);
  await assert.rejects(waiting, (error) => error === left);
  loan.end();
  (await memory.lend(() => {}, undefined)).end();
});

test('clients that are slow give their buffers up, and their bytes stay whole and in order', async () => {
  const memory = createPartMemory({ bytes: size, count: 2, patience: 20 });
  const slow = [rig(memory), rig(memory)];
  const total = 2 * size + 80 * KIB;
  for (const [seed, each] of slow.entries()) await push(each, 0, 160 * KIB, seed);
  // Both buffers are taken, and nobody fills them.
  const fast = rig(memory);
  await push(fast, 0, 4 * size, 9);
  await fast.sender.finish();
  assert.ok(fast.all().equals(patternAt(0, 4 * size, 9)));
  assert.ok(slow.some((each) => each.asides() > 0));
  for (const [seed, each] of slow.entries()) {
    await push(each, 160 * KIB, total, seed);
  }
  for (const [seed, each] of slow.entries()) {
    await each.sender.finish();
    assert.ok(each.all().equals(patternAt(0, total, seed)), `upload ${seed}`);
    await each.sender.close();
  }
  await fast.sender.close();
});
