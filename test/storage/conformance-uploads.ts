/** Upload sessions: begin, append, resume, meet, commit. One list of cases, which is why it is longer than other files. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { bytesOf, chunksOf, KIB, MIB, pattern, patternAt, pushTo, sha256Of } from './conformance-bytes.ts';
import { type Case, type Ground, rejectsWith } from './conformance-case.ts';

const PATH = '/uploads/1/data';

async function appendsThrice({ store, peer }: Ground, size: number): Promise<void> {
  const upload = await store.beginUpload(PATH);
  assert.equal(await upload.size(), 0);
  for (const [part, instance] of [store, peer, store].entries()) {
    const again = instance.resumeUpload(PATH);
    assert.equal(await again.size(), part * size);
    assert.equal(await again.append(part * size, chunksOf(patternAt(part * size, size, 6))), (part + 1) * size);
  }
  assert.equal(await upload.size(), 3 * size);
  await peer.resumeUpload(PATH).commit('/object', 3 * size);
  assert.equal(await upload.size(), undefined);
  assert.ok((await bytesOf(store.open('/object'))).equals(patternAt(0, 3 * size, 6)));
}

export const uploadCases: readonly Case[] = [
  {
    name: 'ContinueStreamAppendLarge: three appends of 10 MiB through changing instances',
    run: (ground) => appendsThrice(ground, 10 * MIB),
  },
  {
    name: 'ContinueStreamAppendSmall: three appends of 32 bytes through changing instances',
    run: (ground) => appendsThrice(ground, 32),
  },
  {
    name: 'WriteZeroByteStreamThenAppend: an empty append is an append',
    async run({ store, peer }) {
      const upload = await store.beginUpload(PATH);
      assert.equal(await upload.append(0, chunksOf()), 0);
      assert.equal(await peer.resumeUpload(PATH).size(), 0);
      assert.equal(await upload.append(0, chunksOf('later')), 5);
      await upload.commit('/object', 5);
      assert.equal((await peer.read('/object'))?.toString(), 'later');
    },
  },
  {
    name: 'WriteZeroByteContentThenAppend: an object put empty can be appended to as a session',
    async run({ store }) {
      await store.put(PATH, Buffer.alloc(0));
      const upload = store.resumeUpload(PATH);
      assert.equal(await upload.append(0, chunksOf('a', 'b')), 2);
      await upload.commit('/object', 2);
      assert.equal((await store.read('/object'))?.toString(), 'ab');
    },
  },
  {
    name: 'readers of the final place never see a session',
    async run({ store }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, chunksOf('bytes'));
      assert.equal(await store.stat('/object'), undefined);
      await upload.commit('/object', 5);
      assert.equal((await store.read('/object'))?.toString(), 'bytes');
      assert.equal(await store.stat(PATH), undefined);
    },
  },
  {
    name: 'beginning again at the same place starts from nothing',
    async run({ store }) {
      await (await store.beginUpload(PATH)).append(0, chunksOf('old and long'));
      const upload = await store.beginUpload(PATH);
      assert.equal(await upload.size(), 0);
      await upload.append(0, chunksOf('new'));
      await upload.commit('/object', 3);
      assert.equal((await store.read('/object'))?.toString(), 'new');
    },
  },
  {
    name: 'a session begun with an object beside it: both are there, and both go with the folder',
    async run({ store, peer }) {
      const beside = { path: '/uploads/1/startedat', content: Buffer.from('today') };
      const upload = await store.beginUpload(PATH, { beside });
      assert.equal((await peer.read('/uploads/1/startedat'))?.toString(), 'today');
      assert.equal(await peer.resumeUpload(PATH).size(), 0);
      assert.equal(await upload.append(0, chunksOf('some')), 4);
      assert.equal(await peer.resumeUpload(PATH).size(), 4);
      await store.delete('/uploads/1', { uploads: true });
      assert.equal(await peer.resumeUpload(PATH).size(), undefined);
      const empty = await store.beginUpload(PATH, { beside });
      await empty.commit('/object', 0);
      assert.equal((await store.read('/object'))?.length, 0);
      await store.delete('/uploads/1');
      assert.equal(await empty.size(), undefined);
    },
  },
  {
    name: 'a last piece that was meant for a place is there after the commit, and nowhere before',
    async run({ store, peer }) {
      for (const size of [0, 5, 300_000]) {
        const upload = await store.beginUpload(PATH);
        const options = { last: true, target: '/blobs/object', length: size };
        assert.equal(await upload.append(0, pattern(size, 3), options), size);
        assert.equal(await peer.stat('/blobs/object'), undefined);
        await upload.commit('/blobs/object', size);
        upload.release?.();
        assert.deepEqual(await bytesOf(peer.open('/blobs/object')), patternAt(0, size, 3));
        assert.equal(await upload.size(), undefined);
        await store.delete('/blobs');
      }
    },
  },
  {
    name: 'a last piece that nobody commits: the session can be dropped, or goes on from where it is said to be',
    async run({ store, peer }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, chunksOf('one '));
      await upload.append(4, chunksOf('lost?'), { last: true });
      upload.release?.();
      const again = peer.resumeUpload(PATH);
      const size = await again.size();
      assert.ok(size === 4 || size === 9, String(size));
      await again.append(size, chunksOf('two'));
      const expected = size === 4 ? 'one two' : 'one lost?two';
      assert.equal((await bytesOf(again.open())).toString(), expected);
      await store.delete('/uploads/1');
      assert.equal(await again.size(), undefined);
    },
  },
  {
    name: 'append takes the stored size as its offset, and nothing else',
    async run({ store, peer }, { driver }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, chunksOf('0123456789'));
      for (const offset of [0, 4, 11, 1000]) {
        await rejectsWith(upload.append(offset, chunksOf('x')), 'conflict', driver);
      }
      for (const offset of [-1, 0.5]) await rejectsWith(upload.append(offset, chunksOf('x')), 'invalid-offset', driver);
      assert.equal(await peer.resumeUpload(PATH).append(10, chunksOf('ab')), 12);
      assert.equal((await bytesOf(upload.open())).toString(), '0123456789ab');
    },
  },
  {
    name: 'a piece of another length than announced is taken back',
    async run({ store, peer }, { driver }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, chunksOf('kept'), { length: 4 });
      for (const piece of ['', 'short', 'far too long']) {
        await rejectsWith(upload.append(4, chunksOf(piece), { length: 6 }), 'invalid-length', driver);
      }
      assert.equal(await peer.resumeUpload(PATH).size(), 4);
      assert.equal(await upload.append(4, chunksOf('-', 'right'), { length: 6 }), 10);
      assert.equal((await bytesOf(upload.open())).toString(), 'kept-right');
    },
  },
  {
    name: 'of pieces that meet at one offset one is stored whole and the others leave no trace',
    async run({ store, peer }, { driver }) {
      for (let round = 0; round < 10; round++) {
        const upload = await store.beginUpload(PATH);
        await upload.append(0, chunksOf('begin '));
        const pieces = ['first', 'second', 'third', 'fourth'].map((word) => Buffer.alloc(300_000, word));
        const outcomes = await Promise.allSettled(
          pieces.map((piece, at) => (at % 2 === 0 ? store : peer).resumeUpload(PATH).append(6, chunksOf(piece))),
        );
        const won = pieces.filter((_, at) => outcomes[at]?.status === 'fulfilled');
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') await rejectsWith(Promise.reject(outcome.reason), 'conflict', driver);
        }
        assert.equal(won.length, 1, 'exactly one is told that its piece was stored');
        assert.deepEqual(await bytesOf(upload.open()), Buffer.concat([Buffer.from('begin '), ...won]));
        await store.delete('/uploads');
      }
    },
  },
  {
    name: 'a piece that is under way elsewhere while the upload is committed never reaches the object',
    async run({ store, peer }, { driver }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, chunksOf('right'));
      const hold = Promise.withResolvers<void>();
      async function* slow() {
        await hold.promise;
        yield Buffer.alloc(3 * MIB, 'wrong');
      }
      const stray = upload.append(5, slow());
      const failed = rejectsWith(stray, 'conflict', driver);
      await peer.resumeUpload(PATH).commit('/object', 5);
      hold.resolve();
      await failed;
      assert.equal((await peer.read('/object'))?.toString(), 'right');
    },
  },
  {
    name: 'a commit of another size than is stored changes nothing',
    async run({ store }, { driver }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, chunksOf('bytes'));
      for (const size of [0, 4, 6]) await rejectsWith(upload.commit('/object', size), 'conflict', driver);
      assert.equal(await store.stat('/object'), undefined);
      assert.equal(await upload.size(), 5);
      await upload.commit('/object', 5);
    },
  },
  {
    name: 'flushed pieces, and windows of what is stored so far',
    async run({ store, peer }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, pattern(256 * KIB, 1), { flushFrom: 256 * KIB });
      const window = { start: 64 * KIB, end: 128 * KIB };
      assert.deepEqual(await bytesOf(peer.resumeUpload(PATH).open(window)), patternAt(window.start, 64 * KIB, 1));
    },
  },
  {
    name: 'pieces of every size before a last one of every size: all bytes are there after the commit',
    async run({ store }) {
      const sizes = [0, 1000, 2 * MIB, 5 * MIB, 7 * MIB];
      for (const first of sizes) {
        for (const last of sizes) {
          const upload = await store.beginUpload(PATH);
          const whole = patternAt(0, first + last, 9);
          if (first > 0) await upload.append(0, chunksOf(whole.subarray(0, first)));
          const again = store.resumeUpload(PATH);
          await again.append(first, chunksOf(whole.subarray(first)), { last: true });
          await again.commit('/object', whole.length);
          const found = await bytesOf(store.open('/object'));
          assert.ok(found.equals(whole), `${first} bytes, then ${last}`);
        }
      }
    },
  },
  {
    name: 'the last piece can be read and committed by who sent it',
    async run({ store }) {
      const upload = await store.beginUpload(PATH);
      await upload.append(0, chunksOf('one '));
      await upload.append(4, chunksOf('two'), { last: true });
      assert.equal((await bytesOf(upload.open())).toString(), 'one two');
      await upload.commit('/object', 7);
      assert.equal((await store.read('/object'))?.toString(), 'one two');
      assert.equal(await upload.size(), undefined);
    },
  },
  {
    name: 'onChunk sees each byte once, in order',
    async run({ store }) {
      const hash = createHash('sha256');
      let seen = 0;
      const upload = await store.beginUpload(PATH);
      const onChunk = (chunk: Uint8Array) => {
        seen += chunk.length;
        hash.update(chunk);
      };
      await upload.append(0, pattern(5 * MIB + 24, 9), { onChunk });
      assert.equal(seen, 5 * MIB + 24);
      assert.equal(hash.digest('hex'), await sha256Of(pattern(5 * MIB + 24, 9)));
    },
  },
  {
    name: 'thousands of tiny chunks arrive whole',
    async run({ store }) {
      const bytes = patternAt(0, 5000, 8);
      const upload = await store.beginUpload(PATH);
      const chunks = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
      assert.equal(await upload.append(0, chunksOf(...chunks)), 5000);
      assert.deepEqual(await bytesOf(upload.open()), bytes);
    },
  },
  {
    name: 'a source that breaks off leaves the prefix that arrived, and its own error is thrown',
    async run({ store, peer }) {
      const torn = new Error('connection reset');
      const upload = await store.beginUpload(PATH);
      async function* source() {
        yield* pattern(2 * MIB + 8, 4);
        throw torn;
      }
      await assert.rejects(upload.append(0, source()), (error) => error === torn);
      const size = await peer.resumeUpload(PATH).size();
      assert.equal(size, 2 * MIB + 8);
      await upload.append(size, chunksOf(patternAt(size, 64, 4)));
      assert.ok((await bytesOf(upload.open())).equals(patternAt(0, size + 64, 4)));
    },
  },
  {
    name: 'a signal ends an append whose source hangs, and what arrived stays',
    async run({ store, peer }) {
      const client = new AbortController();
      const reason = new Error('deadline');
      const hang = Promise.withResolvers<void>();
      const upload = await store.beginUpload(PATH);
      async function* source() {
        yield Buffer.from('arrived');
        setImmediate(() => client.abort(reason));
        await hang.promise;
      }
      const append = upload.append(0, source(), { signal: client.signal });
      await assert.rejects(append, (error) => error === reason);
      hang.resolve();
      assert.equal((await bytesOf(peer.resumeUpload(PATH).open())).toString(), 'arrived');
    },
  },
  {
    name: 'an onChunk that throws ends the append with its error',
    async run({ store }) {
      const fault = new Error('too large');
      const upload = await store.beginUpload(PATH);
      const onChunk = () => {
        throw fault;
      };
      await assert.rejects(upload.append(0, chunksOf('bytes'), { onChunk }), (error) => error === fault);
      assert.equal(await upload.size(), 0);
    },
  },
  {
    name: 'a commit replaces what is there',
    async run({ store, peer }) {
      await store.put('/object', Buffer.from('damaged and longer'));
      await pushTo(store, '/object', chunksOf('whole'));
      assert.equal((await peer.read('/object'))?.toString(), 'whole');
      assert.equal((await peer.stat('/object'))?.size, 5);
    },
  },
  {
    name: 'a session that is gone: size and open say so, the others throw not-found, the target stays',
    async run({ store }, { driver }) {
      await store.put('/object', Buffer.from('stays'));
      const upload = await store.beginUpload(PATH);
      await store.delete('/uploads/1');
      assert.equal(await upload.size(), undefined);
      assert.equal(await upload.open(), undefined);
      await rejectsWith(upload.append(0, chunksOf('x')), 'not-found', driver);
      await rejectsWith(upload.commit('/object', 0), 'not-found', driver);
      assert.equal((await store.read('/object'))?.toString(), 'stays');
    },
  },
  {
    name: 'two instances commit different bytes to one place at once: one of them wins whole',
    async run({ store, peer }) {
      for (let round = 0; round < 20; round++) {
        const [one, two] = await Promise.all([
          store.beginUpload('/uploads/1/data'),
          peer.beginUpload('/uploads/2/data'),
        ]);
        await Promise.all([one.append(0, chunksOf('first')), two.append(0, chunksOf('second'))]);
        await Promise.all([one.commit('/blobs/x/data', 5), two.commit('/blobs/x/data', 6)]);
        assert.match(String(await store.read('/blobs/x/data')), /^(first|second)$/);
        await store.delete('/blobs');
      }
    },
  },
];
