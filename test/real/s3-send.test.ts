/** Objects sent on without a stream in between: every byte or an error, as for those that read a stream. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { after, test } from 'node:test';
import type { ObjectStream } from '../../registry/storage/store.ts';
import { MIB, pattern, patternAt, pushTo, sha256Of } from '../storage/conformance-bytes.ts';
import { eventually } from '../support/eventually.ts';
import { s3Grounds } from '../support/s3-ground.ts';

const grounds = await s3Grounds();
after(() => grounds.stop());

const SIZE = 9 * MIB;

/** Looks at each chunk a while after it came, as a socket does that is slow. */
function target(pause = 1) {
  const hash = createHash('sha256');
  let bytes = 0;
  const writable = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      setTimeout(() => {
        hash.update(chunk);
        bytes += chunk.length;
        done();
      }, pause);
    },
  });
  return { writable, bytes: () => bytes, digest: () => hash.digest('hex') };
}

async function sendTo(stream: ObjectStream | undefined, writable: Writable): Promise<void> {
  assert.ok(stream?.sendTo, 'it cannot be sent');
  await stream.sendTo(writable);
}

test('whole, and a window of it', async (t) => {
  const { store, peer } = await grounds.ground(t);
  await pushTo(peer, '/object', pattern(SIZE, 1));
  const whole = target();
  await sendTo(await store.open('/object'), whole.writable);
  assert.equal(whole.digest(), await sha256Of(pattern(SIZE, 1)));
  assert.equal(whole.writable.writableFinished, true);
  const window = target();
  await sendTo(await store.open('/object', { start: 8, end: 5 * MIB }), window.writable);
  assert.equal(
    window.digest(),
    createHash('sha256')
      .update(patternAt(8, 5 * MIB - 8, 1))
      .digest('hex'),
  );
  await store.put('/empty', Buffer.alloc(0));
  const empty = target();
  await sendTo(await store.open('/empty'), empty.writable);
  assert.deepEqual([empty.bytes(), empty.writable.writableFinished], [0, true]);
});

test('connections that tear or fall silent: it goes on where it was, of the same version', async (t) => {
  const { store, proxy, peer } = await grounds.ground(t, { deadlines: { silence: 300 } });
  await pushTo(peer, '/object', pattern(SIZE, 1));
  let met = 0;
  proxy.fault = ({ operation }) => {
    if (operation !== 'GetObject' || met++ >= 4) return undefined;
    return met % 2 === 0 ? { fallSilentAfter: MIB } : { tearAfter: 2 * MIB };
  };
  const { writable, digest } = target();
  await sendTo(await store.open('/object'), writable);
  assert.equal(digest(), await sha256Of(pattern(SIZE, 1)));
  const gets = proxy.calls.filter(({ operation }) => operation === 'GetObject');
  assert.ok(gets.length >= 4);
  for (const { headers } of gets.slice(1)) assert.ok(headers['if-match']);
});

test('what cannot be had whole fails, and ends its target, which has never seen other bytes', async (t) => {
  const { store, proxy, peer } = await grounds.ground(t);
  await pushTo(peer, '/object', pattern(SIZE, 1));
  proxy.fault = ({ operation, count }) => (operation === 'GetObject' && count === 0 ? { tearAfter: MIB } : undefined);
  const stream = await store.open('/object');
  await pushTo(peer, '/object', pattern(SIZE, 2));
  const { writable, bytes } = target();
  await assert.rejects(sendTo(stream, writable));
  assert.equal(writable.destroyed, true);
  assert.equal(writable.writableFinished, false);
  assert.ok(bytes() <= MIB);
  await store.delete('/object');
  await assert.rejects(async () => sendTo(await store.open('/object'), target().writable), /cannot be sent/);
});

test('a target that leaves, and a caller that does: the connection is given up', async (t) => {
  const { store, proxy, peer } = await grounds.ground(t);
  await pushTo(peer, '/object', pattern(SIZE, 1));
  for (const leaves of ['target', 'caller', 'both before']) {
    const { writable } = target(20);
    const caller = new AbortController();
    const reason = new Error('left');
    const stream = await store.open('/object', undefined, { signal: caller.signal });
    stream?.on('error', () => {});
    writable.on('error', () => {});
    if (leaves === 'both before') writable.destroy();
    const sending = sendTo(stream, writable);
    setTimeout(() => (leaves === 'target' ? writable.destroy() : caller.abort(reason)), 30);
    await assert.rejects(sending);
    await eventually(() => assert.ok(stream?.destroyed && writable.destroyed));
  }
  proxy.counted();
  const again = target(0);
  await sendTo(await store.open('/object'), again.writable);
  assert.equal(again.digest(), await sha256Of(pattern(SIZE, 1)));
});
