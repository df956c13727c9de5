/** Uploads that Distribution began in a bucket, gone on with here. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GcsConfig } from '../../registry/config/types.ts';
import { bytesOf, chunksOf, KIB, patternAt } from '../storage/conformance-bytes.ts';
import { groundOf, rejects, skip } from './gcs-ground.ts';

describe('GCS: uploads that Distribution began', { skip }, () => {
  /** As Distribution 3.1 leaves one behind a PATCH: full chunks at the service, the rest and the address in the object. */
  async function begun(config: GcsConfig, whole: Buffer, isLong: boolean): Promise<void> {
    const { endpoint, bucket } = config;
    const key = 'uploads/1/data';
    const full = isLong ? whole.length - (whole.length % (256 * KIB)) : 0;
    let address = '';
    if (isLong) {
      const target = `${endpoint}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&name=${encodeURIComponent(key)}`;
      address = (await fetch(target, { method: 'POST' })).headers.get('location') ?? '';
      const headers = { 'content-range': `bytes 0-${full - 1}/*` };
      const sent = await fetch(address, {
        method: 'PUT',
        headers,
        body: new Uint8Array(whole.subarray(0, full)),
        redirect: 'manual',
      });
      assert.equal(sent.status, 308);
    }
    const metadata = {
      name: key,
      contentType: 'application/x-docker-upload-session',
      metadata: { 'Session-URI': address, Offset: String(full) },
    };
    const form = [
      `--x\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(metadata)}\r\n`,
      `--x\r\ncontent-type: ${metadata.contentType}\r\n\r\n`,
    ].join('');
    const body = Buffer.concat([Buffer.from(form), whole.subarray(full), Buffer.from('\r\n--x--')]);
    const headers = { 'content-type': 'multipart/related; boundary=x' };
    const made = await fetch(`${endpoint}/upload/storage/v1/b/${bucket}/o?uploadType=multipart`, {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
    });
    assert.equal(made.status, 200);
  }

  for (const [what, size, isLong] of [
    ['full chunks and a rest', 700 * KIB, true],
    ['full chunks alone', 512 * KIB, true],
    ['less than a chunk', 1000, false],
  ] as const) {
    test(`${what}: the bytes are gone on with, read and committed, and Distribution finds the upload no more`, async (t) => {
      const { store, config } = await groundOf(t);
      const whole = patternAt(0, size, 5);
      await begun(config, whole, isLong);
      assert.equal(await store.read('/uploads/1/data'), undefined, 'to readers it is not there');
      const upload = store.resumeUpload('/uploads/1/data');
      assert.equal(await upload.size(), size);
      assert.equal(await upload.append(size, chunksOf('more')), size + 4);
      const bytes = Buffer.concat([whole, Buffer.from('more')]);
      assert.ok((await bytesOf(upload.open())).equals(bytes));
      await upload.commit('/object', size + 4);
      assert.ok((await bytesOf(store.open('/object'))).equals(bytes));
      assert.equal(await store.stat('/uploads'), undefined);
    });
  }

  test('everything was sent, only the end is missing: it is read for its digest and committed', async (t) => {
    const { store, config } = await groundOf(t);
    const whole = patternAt(0, 600 * KIB, 5);
    await begun(config, whole, true);
    const upload = store.resumeUpload('/uploads/1/data');
    assert.ok((await bytesOf(upload.open())).equals(whole));
    await upload.commit('/object', whole.length);
    assert.ok((await bytesOf(store.open('/object'))).equals(whole));
  });

  test('an address that leads elsewhere is not followed', async (t) => {
    const { store, config } = await groundOf(t);
    const key = encodeURIComponent('uploads/1/data');
    await begun(config, patternAt(0, 600 * KIB, 5), true);
    const patch = { metadata: { 'Session-URI': 'http://169.254.169.254/latest', Offset: '524288' } };
    const headers = { 'content-type': 'application/json' };
    const url = `${config.endpoint}/storage/v1/b/${config.bucket}/o/${key}`;
    await fetch(url, { method: 'PATCH', headers, body: JSON.stringify(patch) });
    await rejects(store.resumeUpload('/uploads/1/data').append(600 * KIB, chunksOf('x')), /leads to a strange host/);
  });
});
