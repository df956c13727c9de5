/** Upload sessions that several processes work on, or whose store refuses: whose bytes they are, and what is left over. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { AbortMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { Store, Upload } from '../../registry/storage/store.ts';
import { bytesOf, chunksOf, MIB, pattern, patternAt, pushTo, sha256Of } from '../storage/conformance-bytes.ts';
import { eventually } from '../support/eventually.ts';
import { type S3Ground, s3Grounds } from '../support/s3-ground.ts';

const grounds = await s3Grounds();
after(() => grounds.stop());

const SESSION = '/uploads/1/data';
const beside = { path: '/uploads/1/startedat', content: Buffer.from('now') };

async function digestAt(store: Store, path: string): Promise<string> {
  const stream = await store.open(path);
  assert.ok(stream, `${path} is absent`);
  return await sha256Of(stream);
}

/** The outcome of a commit: that of the bytes or a conflict, nothing else. */
async function finish(upload: Upload, target: string, size: number): Promise<boolean> {
  try {
    await upload.commit(target, size);
    return true;
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, 'conflict');
    return false;
  }
}

const MORE = 6 * MIB;

/** One has won, with its own bytes behind the first `before`, and nothing of the other is there. */
async function onlyOne({ peer, uploads, keys }: S3Ground, winners: readonly number[], before: number): Promise<void> {
  assert.equal(winners.length, 1);
  const [at = -1] = winners;
  assert.ok((await bytesOf(peer.open(`/blobs/${at}`, { start: before }))).equals(patternAt(0, MORE, at + 2)));
  assert.deepEqual(await uploads(), []);
  assert.deepEqual(await keys(), [`blobs/${at}`, 'uploads/1/startedat']);
}

describe('two who finish one upload differently', () => {
  for (const [name, before, readsBack] of [
    ['with parts from before', 11 * MIB, false],
    ['without a byte before, of which one reads back what it has', 0, true],
    ['without a byte before', 0, false],
  ] as const) {
    for (const [first, order] of [
      ['the first', [0, 1]],
      ['the second', [1, 0]],
    ] as const) {
      test(`${name}, ${first} commits first: each digest has its own bytes or none`, async (t) => {
        const ground = await grounds.ground(t);
        const { store, peer } = ground;
        await store.beginUpload(SESSION, { beside });
        await store.resumeUpload(SESSION).append(0, pattern(before, 1));
        const sessions = [store.resumeUpload(SESSION), peer.resumeUpload(SESSION)] as const;
        for (const [at, upload] of sessions.entries()) {
          await upload.append(before, pattern(MORE, at + 2), { last: true });
        }
        const winners: number[] = [];
        for (const at of order) {
          if (readsBack && at === 1) await sessions[at].open().then((stream) => stream?.resume());
          if (await finish(sessions[at], `/blobs/${at}`, before + MORE)) winners.push(at);
        }
        for (const upload of sessions) await upload.release?.();
        await onlyOne(ground, winners, before);
      });
    }
  }

  test('a completion that another has made already is not taken for this one, whatever its length', async (t) => {
    const { store, peer, server, config } = await grounds.ground(t);
    const options = { last: true, target: '/blobs/x' };
    await store.beginUpload(SESSION, { beside });
    const upload = store.resumeUpload(SESSION);
    await upload.append(0, pattern(6 * MIB, 1), options);
    await pushTo(peer, '/blobs/x', pattern(6 * MIB, 2));
    const Bucket = config.bucket;
    const { Uploads = [] } = await server.client.send(new ListMultipartUploadsCommand({ Bucket }));
    for (const { Key, UploadId } of Uploads) {
      await server.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    }
    // The record is gone as well: nothing says that the object is ours but its ETag.
    await peer.delete('/uploads/1/session.data');
    await assert.rejects(upload.commit('/blobs/x', 6 * MIB));
    assert.equal(await digestAt(store, '/blobs/x'), await sha256Of(pattern(6 * MIB, 2)));
  });

  test('one process assembled the bytes and died: another finishes, and continues, from what is recorded', async (t) => {
    const { store, peer, proxy, uploads, keys } = await grounds.ground(t);
    const size = 12 * MIB;
    const refused = { status: 403, code: 'AccessDenied' };
    for (const id of ['1', '2']) {
      const path = `/uploads/${id}/data`;
      await store.beginUpload(path, { beside: { ...beside, path: `/uploads/${id}/startedat` } });
      await store.resumeUpload(path).append(0, pattern(size, 1));
      // What follows the completion fails, as if the process had ended there.
      proxy.fault = ({ path }) => (path.includes('/blobs/') ? refused : undefined);
      await assert.rejects(store.resumeUpload(path).commit('/blobs/x', size));
      proxy.fault = () => undefined;
    }
    await peer.resumeUpload('/uploads/1/data').commit('/blobs/1', size);
    assert.equal(await digestAt(store, '/blobs/1'), await sha256Of(pattern(size, 1)));
    const other = peer.resumeUpload('/uploads/2/data');
    assert.equal(await other.size(), size);
    await other.append(size, chunksOf(patternAt(size, 6 * MIB, 1)));
    await store.resumeUpload('/uploads/2/data').commit('/blobs/2', size + 6 * MIB);
    assert.equal(await digestAt(store, '/blobs/2'), await sha256Of(pattern(size + 6 * MIB, 1)));
    await peer.delete('/uploads');
    assert.deepEqual(await uploads(), []);
    assert.deepEqual(await keys(), ['blobs/1', 'blobs/2']);
  });
});

describe('what is left over', () => {
  for (const direct of [false, true]) {
    test(`an upload taken over from a process that hangs is aborted${direct ? ', by one that goes straight to its place' : ''}`, async (t) => {
      const { store, peer, uploads, keys } = await grounds.ground(t);
      await store.beginUpload(SESSION, { beside });
      const away = new AbortController();
      const hang = Promise.withResolvers<void>();
      async function* dying() {
        yield patternAt(0, 11 * MIB, 1);
        await hang.promise;
      }
      const old = store.resumeUpload(SESSION).append(0, dying(), { signal: away.signal });
      const failed = assert.rejects(old);
      await eventually(async () => assert.equal((await uploads()).length, 1));
      // Recorded as well, so that it is there to be taken over.
      await eventually(async () => assert.ok((await keys()).includes('uploads/1/session.data')));
      const newer = peer.resumeUpload(SESSION);
      const target = direct ? { target: '/blobs/x' } : {};
      await newer.append(0, pattern(12 * MIB, 2), { last: true, ...target });
      await newer.commit('/blobs/x', 12 * MIB);
      assert.equal(await digestAt(peer, '/blobs/x'), await sha256Of(pattern(12 * MIB, 2)));
      away.abort(new Error('ended'));
      hang.resolve();
      await failed;
      assert.deepEqual(await uploads(), []);
      assert.deepEqual(await keys(), ['blobs/x', 'uploads/1/startedat']);
    });
  }

  test('a session is not forgotten while its record cannot be read, since that names what is under way', async (t) => {
    const { store, peer, proxy, uploads, keys } = await grounds.ground(t);
    await store.beginUpload(SESSION, { beside });
    await store.resumeUpload(SESSION).append(0, pattern(6 * MIB, 1));
    proxy.fault = ({ operation, path }) =>
      operation === 'GetObject' && path.endsWith('/session.data') ? { status: 403, code: 'AccessDenied' } : undefined;
    await assert.rejects(store.delete('/uploads/1'), /denied/);
    assert.ok((await keys()).includes('uploads/1/session.data'));
    proxy.fault = () => undefined;
    await store.delete('/uploads/1');
    assert.deepEqual(await uploads(), []);
    // One that is no record at all is no reason to keep anything.
    await store.put('/uploads/2/session.data', Buffer.from('{'));
    assert.equal(await peer.delete('/uploads/2'), true);
    assert.deepEqual(await keys(), []);
  });
});

describe('reading back', () => {
  test('a tail behind parts is in the record all the time: a failure on the way loses none of it', async (t) => {
    const { store, peer, proxy } = await grounds.ground(t);
    const size = 5 * MIB + 200_000;
    for (const fails of ['CompleteMultipartUpload', 'PutObject', 'HeadObject'] as const) {
      for (const count of [0, 1, 2]) {
        await store.beginUpload(SESSION, { beside });
        await store.resumeUpload(SESSION).append(0, chunksOf(patternAt(0, size, 1)));
        let met = 0;
        proxy.fault = ({ operation }) =>
          operation === fails && met++ === count ? { status: 403, code: 'AccessDenied' } : undefined;
        await store
          .resumeUpload(SESSION)
          .open()
          .then(
            (stream) => stream?.destroy(),
            () => {},
          );
        proxy.fault = () => undefined;
        const again = peer.resumeUpload(SESSION);
        assert.equal(await again.size(), size);
        assert.ok((await bytesOf(again.open())).equals(patternAt(0, size, 1)));
        await again.commit('/object', size);
        assert.equal(await digestAt(store, '/object'), await sha256Of(chunksOf(patternAt(0, size, 1))));
        await peer.delete('/uploads/1');
      }
    }
  });

  test('a tail of many pieces is read piece by piece, as far as it is wanted', async (t) => {
    const { store, peer, proxy } = await grounds.ground(t);
    await store.beginUpload(SESSION, { beside });
    const piece = 400_000;
    for (let at = 0; at < 10; at++) {
      const upload = store.resumeUpload(SESSION);
      await upload.append(at * piece, chunksOf(patternAt(at * piece, piece, 1)));
    }
    const upload = store.resumeUpload(SESSION);
    await upload.size();
    proxy.counted();
    const window = await bytesOf(upload.open({ start: 8, end: piece + 8 }));
    assert.ok(window.equals(patternAt(8, piece, 1)));
    assert.equal(proxy.counted().GetObject, 2);
    const stream = await store.resumeUpload(SESSION).open();
    assert.ok(stream);
    stream.once('readable', () => {});
    await eventually(async () => assert.ok(proxy.calls.some(({ path }) => path.includes('/piece.'))));
    await setTimeout(100);
    // The reader has taken nothing yet: no more is on its way than what a stream keeps ready.
    assert.ok((proxy.counted().GetObject ?? 0) < 6);
    assert.equal(await sha256Of(stream), await sha256Of(pattern(10 * piece, 1)));
    await peer.delete('/uploads/1');
  });
});

describe('a store that refuses', () => {
  test('a multipart upload that cannot be begun: bytes acknowledged before stay', async (t) => {
    const { store, peer, proxy } = await grounds.ground(t);
    await store.beginUpload(SESSION, { beside });
    const size = 200_000;
    await store.resumeUpload(SESSION).append(0, chunksOf(patternAt(0, size, 1)));
    proxy.fault = ({ operation }) =>
      operation === 'CreateMultipartUpload' ? { status: 403, code: 'AccessDenied' } : undefined;
    const more = () => chunksOf(patternAt(size, 12 * MIB, 1));
    await assert.rejects(store.resumeUpload(SESSION).append(size, more()), /denied/);
    proxy.fault = () => undefined;
    const again = peer.resumeUpload(SESSION);
    assert.equal(await again.size(), size);
    assert.ok((await bytesOf(again.open())).equals(patternAt(0, size, 1)));
    await again.append(size, more());
    await again.commit('/object', size + 12 * MIB);
    assert.equal(await digestAt(store, '/object'), await sha256Of(pattern(size + 12 * MIB, 1)));
  });
});
