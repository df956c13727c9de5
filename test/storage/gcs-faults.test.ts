/** A bucket on its bad days: throttled, torn, with answers that get lost, missing, or closed to us; and what Distribution left. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, describe, type TestContext, test } from 'node:test';
import type { GcsConfig } from '../../registry/config/types.ts';
import { type Logger, silent } from '../../registry/log.ts';
import { createGcsStore } from '../../registry/storage/gcs.ts';
import { checkGcsBucket } from '../../registry/storage/gcs-check.ts';
import type { Store } from '../../registry/storage/store.ts';
import { type FakeGcs, startFakeGcs } from '../support/fake-gcs.ts';
import { type Fault, type S3Proxy, type SeenCall, startS3Proxy } from '../support/s3-proxy.ts';
import { missing } from '../support/tools.ts';
import { bytesOf, chunksOf, KIB, MIB, pattern, patternAt, pushTo, sha256Of } from './conformance-bytes.ts';

const skip = await missing('fake-gcs-server');
let emulator: Promise<FakeGcs> | undefined;
after(async () => (await emulator)?.stop());

interface Ground {
  readonly store: Store;
  /** Past the proxy. */
  readonly peer: Store;
  readonly proxy: S3Proxy;
  readonly config: GcsConfig;
}

function storeOf(t: TestContext, config: GcsConfig, log: Logger = silent): Store {
  const store = createGcsStore({ config, log, userAgent: 'berth/test' });
  t.after(() => store.close());
  return store;
}

async function groundOf(t: TestContext): Promise<Ground> {
  emulator ??= startFakeGcs();
  const direct = await (await emulator).bucket({ chunksize: MIB });
  const proxy = await startS3Proxy(t, { port: Number(new URL((await emulator).url).port) });
  const config = { ...direct, endpoint: proxy.endpoint };
  return { store: storeOf(t, config), peer: storeOf(t, direct), proxy, config };
}

/** What the proxy sees, by the words of the JSON API. */
function kindOf({ operation, path, query }: SeenCall): string {
  if (operation === 'DeleteObject') return 'delete';
  if (path.endsWith('/compose')) return 'compose';
  if (path.includes('/rewriteTo/')) return 'rewrite';
  if (query.has('uploadType')) return query.has('upload_id') ? 'chunk' : `insert ${query.get('uploadType')}`;
  if (query.get('alt') === 'media') return 'media';
  return path.endsWith('/o') ? 'list' : 'get';
}

const rejects = (work: Promise<unknown>, words: RegExp): Promise<void> =>
  assert.rejects(work, (error: Error) => {
    assert.match(error.message, words);
    return true;
  });

async function pushes(store: Store, peer: Store): Promise<void> {
  // 40 pieces, so that joining them takes two rounds.
  await pushTo(store, '/large', pattern(40 * MIB, 1));
  await store.put('/folder/a', Buffer.from('a'));
  await store.copy('/folder/a', '/folder/b');
  const page = await store.list('/folder');
  assert.deepEqual(
    page?.entries.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal((await store.stat('/large'))?.size, 40 * MIB);
  assert.equal(await sha256Of((await store.open('/large')) ?? chunksOf()), await sha256Of(pattern(40 * MIB, 1)));
  await store.delete('/folder');
  assert.equal(await peer.stat('/folder'), undefined);
  assert.deepEqual(
    (await peer.list('/'))?.entries.map(({ name }) => name),
    ['large'],
    'no piece is left',
  );
}

describe('GCS: a busy service', { skip }, () => {
  test('429 and 503 on each kind of call are tried again', async (t) => {
    for (const status of [429, 503]) {
      const { store, peer, proxy } = await groundOf(t);
      const met = new Set<string>();
      proxy.fault = (call) => {
        const kind = kindOf(call);
        if (met.has(kind)) return undefined;
        met.add(kind);
        return { status, code: 'busy' };
      };
      await pushes(store, peer);
      for (const kind of ['insert media', 'compose', 'rewrite', 'media', 'get', 'list', 'delete']) {
        assert.ok(met.has(kind), `${kind} was not met: ${[...met].join(', ')}`);
      }
    }
  });

  test('busy without end: an error that names the bucket, after a bounded number of tries', async (t) => {
    const { store, proxy, config } = await groundOf(t);
    proxy.fault = () => ({ status: 503, code: 'busy' });
    await rejects(store.read('/object'), new RegExp(`bucket "${config.bucket}" at .* answered 503`));
    assert.equal(proxy.calls.length, 6);
  });
});

describe('GCS: connections that break', { skip }, () => {
  for (const kind of ['insert media', 'compose', 'delete', 'rewrite', 'list']) {
    for (const fault of ['refuse', 'lose'] as const) {
      test(`${kind}, ${fault === 'lose' ? 'done with its answer lost' : 'never heard of'}: pushes succeed`, async (t) => {
        const { store, peer, proxy } = await groundOf(t);
        let met = 0;
        proxy.fault = (call): Fault | undefined => (kindOf(call) === kind && met++ % 3 === 0 ? fault : undefined);
        await pushes(store, peer);
        assert.ok(met > 0);
      });
    }
  }

  test('a swap whose answer was lost is still the one that won', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    let lost = 0;
    proxy.fault = (call) => (kindOf(call) === 'insert media' && lost++ === 0 ? 'lose' : undefined);
    assert.equal(await store.swap('/lease', undefined, Buffer.from('mine')), true);
    lost = 0;
    assert.equal(await store.swap('/lease', Buffer.from('mine'), Buffer.from('more')), true);
    assert.equal((await peer.read('/lease'))?.toString(), 'more');
  });

  test('a stream that is torn goes on where it broke off, of the same version', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await pushTo(peer, '/object', pattern(9 * MIB, 2));
    let torn = 0;
    proxy.fault = (call) => (kindOf(call) === 'media' && torn++ < 3 ? { tearAfter: 2 * MIB } : undefined);
    const bytes = await bytesOf(store.open('/object', { start: 8 }));
    assert.ok(bytes.equals(patternAt(8, 9 * MIB - 8, 2)));
    for (const { query } of proxy.calls.slice(1)) assert.ok(query.has('generation'));
  });

  test('an answer that announces more bytes than the object has is an error, never a shorter object', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await peer.put('/object', patternAt(0, 64 * KIB, 2));
    proxy.fault = (call) => (kindOf(call) === 'media' ? { announce: (length) => length + 1000 } : undefined);
    await assert.rejects(bytesOf(store.open('/object')));
    await assert.rejects(store.read('/object'));
  });

  test('a stream whose object was replaced meanwhile fails instead of mixing versions', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await pushTo(peer, '/object', pattern(4 * MIB, 1));
    let torn = 0;
    proxy.fault = (call) => (kindOf(call) === 'media' && torn++ === 0 ? { tearAfter: MIB } : undefined);
    const stream = await store.open('/object');
    await pushTo(peer, '/object', pattern(4 * MIB, 2));
    await assert.rejects(sha256Of(stream ?? chunksOf()));
  });

  test('a service that does not answer is left at once when the caller leaves', async (t) => {
    const { store, proxy } = await groundOf(t);
    proxy.fault = () => 'hang';
    const reason = new Error('the client has left');
    const client = new AbortController();
    setTimeout(() => client.abort(reason), 50);
    await assert.rejects(store.read('/object', { signal: client.signal }), (error) => error === reason);
  });
});

describe('GCS: what is wrong is told with its remedy', { skip }, () => {
  test('no service, refusals, and keys that are none', async (t) => {
    const { store, proxy, config } = await groundOf(t);
    proxy.fault = () => ({ status: 403, code: 'AccessDenied' });
    const denied = /denies access: give this service account the role "Storage Object Admin"/;
    await rejects(store.read('/object'), denied);
    await rejects(checkGcsBucket(config, 'berth/test'), denied);
    proxy.fault = () => ({ status: 401, code: 'unauthorized' });
    await rejects(checkGcsBucket(config, 'berth/test'), /does not accept the credentials: check storage\.gcs\.keyfile/);
    proxy.fault = () => ({ status: 503, code: 'busy' });
    assert.match(
      String(await checkGcsBucket(config, 'berth/test')),
      /answered 503 .*; it is tried again with each request/,
    );
    const nobody = { ...config, endpoint: 'http://127.0.0.1:1' };
    assert.match(
      String(await checkGcsBucket(nobody, 'berth/test')),
      /nothing listens at http:\/\/127\.0\.0\.1:1: check/,
    );
    const noFile = { ...config, keyfile: '/nowhere/key.json' };
    await rejects(
      checkGcsBucket(noFile, 'berth/test'),
      /the file storage\.gcs\.keyfile cannot be read: .*\/nowhere\/key\.json/,
    );
    const noKey = { ...config, credentials: { type: 'service_account', client_email: 'a@b', private_key: 'none' } };
    await rejects(checkGcsBucket(noKey, 'berth/test'), /the credentials of storage\.gcs are not accepted/);
    proxy.fault = () => undefined;
    assert.equal(await checkGcsBucket(config, 'berth/test'), undefined);
  });

  test('a redirect is a signed URL for GET, for twenty minutes; who has no key serves by itself', async (t) => {
    const { config, store } = await groundOf(t);
    assert.equal(await store.redirectUrl('/object', 'GET'), undefined);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' })).replaceAll('\n', '\\n');
    const credentials = { type: 'service_account', client_email: 'berth@test', private_key: pem };
    const signing = storeOf(t, { ...config, credentials });
    const { pathname, searchParams } = new URL((await signing.redirectUrl('/a/object', 'GET')) ?? '');
    assert.equal(pathname, `/${config.bucket}/a/object`);
    assert.equal(searchParams.get('X-Goog-Algorithm'), 'GOOG4-RSA-SHA256');
    assert.match(searchParams.get('X-Goog-Credential') ?? '', /^berth@test\//);
    const life = Number(searchParams.get('X-Goog-Expires'));
    assert.ok(life > 1190 && life <= 1200, `${life} s`);
    assert.equal(await signing.redirectUrl('/a/object', 'HEAD'), undefined);
  });

  test('URLs that cannot be signed are told once, and blobs are sent from here', async (t) => {
    const { config } = await groundOf(t);
    const told: string[] = [];
    const log = { ...silent, warn: (_: object, message: string) => void told.push(message) };
    const credentials = { type: 'service_account', client_email: 'berth@test', private_key: 'none' };
    const store = storeOf(t, { ...config, credentials }, log);
    for (let round = 0; round < 3; round++) assert.equal(await store.redirectUrl('/object', 'GET'), undefined);
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /cannot be redirected .* the credentials of storage\.gcs are not accepted/);
  });
});

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
