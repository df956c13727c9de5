/** Reading as a stream: windows, sizes, many at once. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { bytesOf, chunksOf, KIB, MIB, pattern, patternAt, pushTo, sha256Of } from './conformance-bytes.ts';
import { type Case, rejectsWith } from './conformance-case.ts';

const long = process.env['BERTH_LONG'] === '1';

const CONTENTS: Readonly<Record<string, readonly (string | Uint8Array)[]>> = {
  'WriteReadStreams1: one byte': ['a'],
  'WriteReadStreams2: text beyond ASCII': ['\u65e5\u672c', '\u8a9e'],
  'WriteReadStreams3: 32 bytes in small pieces': ['0123456789', '', 'abcdef', '0123456789abcdef'],
  'WriteReadStreams4: 1 MiB in one piece': [patternAt(0, MIB, 4)],
  'WriteReadStreamsNonUTF8: bytes that are no text': [Buffer.from('\x80\x80\xff\x00', 'latin1')],
  'no bytes at all': [],
};

export const streamCases: readonly Case[] = [
  ...Object.entries(CONTENTS).map(
    ([name, chunks]): Case => ({
      name,
      async run({ store, peer }) {
        await pushTo(store, '/folder/object', chunksOf(...chunks));
        const whole = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)));
        assert.deepEqual(await bytesOf(store.open('/folder/object')), whole);
        assert.deepEqual(await peer.read('/folder/object'), whole);
      },
    }),
  ),
  {
    name: `WriteReadLargeStreams: ${long ? '5 GiB' : '256 MiB (5 GiB with BERTH_LONG=1)'}, the digest is right on both ways`,
    async run({ store, peer }, { large }) {
      const size = long && large ? 5 * 1024 * MIB + 8 : 256 * MIB + 8;
      const expected = await sha256Of(pattern(size, 7));
      await pushTo(store, '/large', pattern(size, 7));
      assert.equal((await peer.stat('/large'))?.size, size);
      const stream = await peer.open('/large');
      assert.ok(stream !== undefined);
      assert.equal(await sha256Of(stream), expected);
    },
  },
  {
    name: 'ReaderWithOffset: windows at the start, inside, at the end and behind it',
    async run({ store }, { driver }) {
      const size = 96;
      const whole = patternAt(0, size, 1);
      await store.put('/object', whole);
      for (const start of [0, 1, 32, 64, 95, 96, 97, 10_000]) {
        assert.deepEqual(await bytesOf(store.open('/object', { start })), whole.subarray(start), `from ${start}`);
        for (const end of [0, 1, 32, 95, 96, 97]) {
          const expected = whole.subarray(start, Math.max(start, end));
          assert.deepEqual(await bytesOf(store.open('/object', { start, end })), expected, `${start} to ${end}`);
        }
      }
      for (const start of [-1, 0.5, Number.NaN]) {
        await rejectsWith(store.open('/object', { start }), 'invalid-offset', driver);
      }
    },
  },
  {
    name: 'windows of a large object, over the bounds of any buffer',
    async run({ store }) {
      const size = 3 * MIB + 8;
      await pushTo(store, '/object', pattern(size, 3));
      const whole = patternAt(0, size, 3);
      for (const [start, end] of [
        [0, size],
        [MIB - 1, MIB + 1],
        [8, 2 * MIB + 8],
        [2 * MIB, size],
        [size - 1, size],
      ] as const) {
        assert.ok(whole.subarray(start, end).equals(await bytesOf(store.open('/object', { start, end }))), `${start}`);
      }
    },
  },
  {
    name: 'ReadNonexistentStream: undefined at any offset',
    async run({ store }) {
      assert.equal(await store.open('/nothing', { start: 0 }), undefined);
      assert.equal(await store.open('/nothing/at/all', { start: 64 }), undefined);
    },
  },
  {
    name: 'ConcurrentStreamReads: 10 readers at random offsets of 128 MiB',
    async run({ store }) {
      const size = 128 * MIB;
      await pushTo(store, '/object', pattern(size, 5));
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const start = randomInt(size / 8) * 8;
          const end = Math.min(size, start + 4 * MIB);
          const bytes = await bytesOf(store.open('/object', { start, end }));
          assert.ok(bytes.equals(patternAt(start, end - start, 5)), `from ${start}`);
        }),
      );
    },
  },
  {
    name: `ConcurrentFileStreams: 32 uploads of ${long ? 32 : 4} MiB at once`,
    async run({ store, peer }) {
      const size = (long ? 32 : 4) * MIB;
      await Promise.all(
        Array.from({ length: 32 }, async (_, seed) => {
          await pushTo(store, `/object/${seed}`, pattern(size, seed));
          const stream = await peer.open(`/object/${seed}`);
          assert.ok(stream !== undefined);
          assert.equal(await sha256Of(stream), await sha256Of(pattern(size, seed)));
        }),
      );
    },
  },
  {
    name: 'a stream that is given up does no harm, before its first byte or amid',
    async run({ store }) {
      await pushTo(store, '/object', pattern(8 * MIB, 2));
      for (let round = 0; round < 20; round++) {
        const unread = await store.open('/object');
        unread?.destroy();
        const begun = await store.open('/object');
        assert.ok(begun !== undefined);
        for await (const chunk of begun) {
          assert.ok(chunk.length > 0);
          break;
        }
        assert.equal(begun.destroyed, true);
      }
      assert.equal((await bytesOf(store.open('/object', { start: 0, end: 64 * KIB }))).length, 64 * KIB);
    },
  },
  {
    name: 'a reader that has begun goes on with the old bytes when the object is replaced or deleted',
    async run({ store, peer }) {
      const size = 4 * MIB;
      await pushTo(store, '/object', pattern(size, 1));
      const replaced = await store.open('/object');
      await pushTo(peer, '/object', pattern(size, 2));
      const deleted = await store.open('/object');
      await peer.delete('/object');
      assert.ok(replaced !== undefined && deleted !== undefined);
      assert.equal(await sha256Of(replaced), await sha256Of(pattern(size, 1)));
      assert.equal(await sha256Of(deleted), await sha256Of(pattern(size, 2)));
    },
  },
];
