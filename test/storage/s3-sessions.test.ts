/** Upload sessions that several processes work on, or whose store refuses: whose bytes they are, and what is left over. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Store } from '../../registry/storage/store.ts';
import { s3Grounds } from '../support/s3-ground.ts';
import { bytesOf, chunksOf, MIB, pattern, patternAt, sha256Of } from './conformance-bytes.ts';

const grounds = await s3Grounds();
after(() => grounds.stop());

const SESSION = '/uploads/1/data';
const beside = { path: '/uploads/1/startedat', content: Buffer.from('now') };

async function digestAt(store: Store, path: string): Promise<string> {
  const stream = await store.open(path);
  assert.ok(stream, `${path} is absent`);
  return await sha256Of(stream);
}

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
