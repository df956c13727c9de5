/** Bytes cut into parts within memory that the whole process shares: bounded, in line, and never kept by slow clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryShare, type MemoryShare } from '../../registry/storage/memory-share.ts';
import { GRAIN, type PartsOptions, sendInParts } from '../../registry/storage/parts.ts';
import { KIB, MIB, patternAt } from './conformance-bytes.ts';

/** What an upload takes at least: a part that is sent, and one that is filled. */
const LEAST = 2 * GRAIN;
/** Milliseconds of a turn here. */
const TURN = 10;

/** The share, and how many seats of it are taken at once at most. */
function counted(memory: MemoryShare): MemoryShare & { readonly most: () => number } {
  let taken = 0;
  let most = 0;
  const count = <T extends { leave(): void }>(seat: T): T => {
    most = Math.max(most, ++taken);
    const leave = (): void => {
      seat.leave();
      taken--;
    };
    return { ...seat, leave };
  };
  return {
    join: async (least, signal) => count(await memory.join(least, signal)),
    joinFirmly: (least) => {
      const seat = memory.joinFirmly(least);
      return seat && count(seat);
    },
    most: () => most,
  };
}

/** One upload: what it sent, and what it saw. */
function rig(memory: MemoryShare, over: Partial<PartsOptions> = {}) {
  const parts: Buffer[] = [];
  let seen = 0;
  const options: PartsOptions = {
    onChunk: (chunk) => {
      seen += chunk.length;
    },
    signal: undefined,
    length: undefined,
    memory,
    largest: 8 * MIB,
    parallel: 8,
    before: 0,
    async send({ bytes, index }) {
      await sleep(1);
      parts[index] = Buffer.from(bytes);
    },
    ...over,
  };
  return {
    push: (source: AsyncIterable<Uint8Array>) => sendInParts(source, options),
    all: () => Buffer.concat(parts),
    parts,
    seen: () => seen,
  };
}

/** `size` bytes; those from `stop` on only when `more` says so. */
async function* source(size: number, seed: number, stop = size, more: Promise<unknown> = Promise.resolve()) {
  for (let at = 0; at < size; at += 50 * KIB) {
    if (at >= stop) await more;
    yield patternAt(at, Math.min(50 * KIB, size - at), seed);
  }
}

test('many uploads at once: no more of them hold memory than it is enough for, and every byte arrives', async () => {
  const memory = counted(createMemoryShare(4 * LEAST, TURN));
  const rigs = Array.from({ length: 40 }, () => rig(memory));
  const sent = await Promise.all(rigs.map(({ push }, seed) => push(source(2 * MIB, seed))));
  assert.equal(memory.most(), 4);
  for (const [seed, { all }] of rigs.entries()) {
    assert.deepEqual(sent[seed], { bytes: 2 * MIB, broken: undefined });
    assert.ok(all().equals(patternAt(0, 2 * MIB, seed)));
  }
});

test('clients that fall silent give up their place after a turn, and go on later without losing a byte', async () => {
  const memory = counted(createMemoryShare(4 * LEAST, TURN));
  const awake = Promise.withResolvers<void>();
  const silent = Array.from({ length: 8 }, () => rig(memory));
  const sleeping = silent.map(({ push }, seed) => push(source(MIB, seed, 300 * KIB, awake.promise)));
  const busy = rig(memory);
  await busy.push(source(3 * MIB, 9));
  assert.ok(busy.all().equals(patternAt(0, 3 * MIB, 9)), 'they keep nobody out');
  awake.resolve();
  await Promise.all(sleeping);
  for (const [seed, { all }] of silent.entries()) assert.ok(all().equals(patternAt(0, MIB, seed)));
  assert.equal(memory.most(), 4);
});

test('one alone sends large parts, several at once; with others they get smaller', async () => {
  const memory = createMemoryShare(16 * MIB, TURN);
  const alone = rig(memory);
  await alone.push(source(16 * MIB, 1));
  assert.equal(alone.parts[0]?.length, 4 * MIB);
  const others = await Promise.all(Array.from({ length: 31 }, () => memory.join(LEAST, undefined)));
  const crowded = rig(memory);
  await crowded.push(source(MIB, 1));
  assert.equal(crowded.parts[0]?.length, GRAIN);
  for (const { leave } of others) leave();
});

test('a client that leaves while he waits for memory: what was not sent does not count as arrived', async () => {
  const memory = createMemoryShare(LEAST, TURN);
  const firm = await memory.join(LEAST, undefined);
  const client = new AbortController();
  const waiting = rig(memory, { signal: client.signal });
  const pushed = waiting.push(source(MIB, 1));
  await sleep(3 * TURN);
  const reason = new Error('the client has left');
  client.abort(reason);
  assert.deepEqual(await pushed, { bytes: 0, broken: { error: reason } });
  assert.equal(waiting.seen(), 0);
  firm.leave();
  const next = rig(memory);
  await next.push(source(MIB, 2));
  assert.ok(next.all().equals(patternAt(0, MIB, 2)), 'the line goes on without him');
});

test('seats that are never called back get half of the memory, and keep their parts even', async () => {
  const memory = createMemoryShare(4 * LEAST, TURN);
  const firm = memory.joinFirmly(LEAST);
  const other = memory.joinFirmly(LEAST);
  assert.ok(firm && other);
  assert.equal(memory.joinFirmly(LEAST), undefined);
  const awake = Promise.withResolvers<void>();
  const even = rig(memory, { seat: firm, parallel: 1 });
  const pushed = even.push(source(MIB, 1, 300 * KIB, awake.promise));
  const rest = Array.from({ length: 6 }, () => rig(memory));
  await Promise.all(rest.map(({ push }, seed) => push(source(MIB, seed))));
  awake.resolve();
  await pushed;
  assert.ok(even.all().equals(patternAt(0, MIB, 1)));
  for (const part of even.parts.slice(0, -1)) assert.equal(part.length % GRAIN, 0);
  other.leave();
  assert.ok(memory.joinFirmly(LEAST), 'free again');
});

test('a part that cannot be sent ends the upload, even if its client has fallen silent', async () => {
  const memory = createMemoryShare(LEAST, TURN);
  const refused = new Error('refused');
  const failing = rig(memory, { send: () => Promise.reject(refused) });
  const pushed = failing.push(source(MIB, 1, 100 * KIB, new Promise(() => {})));
  const [outcome] = await Promise.allSettled([pushed, rig(memory).push(source(MIB, 2))]);
  assert.deepEqual(outcome, { status: 'rejected', reason: refused });
});
