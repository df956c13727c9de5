/** A bucket on its bad days: throttled, torn, with answers that get lost, missing, or closed to us. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { silent } from '../../registry/log.ts';
import { checkGcsBucket } from '../../registry/storage/gcs-check.ts';
import type { Store, Upload } from '../../registry/storage/store.ts';
import { bytesOf, chunksOf, KIB, MIB, pattern, patternAt, pushTo, sha256Of } from '../storage/conformance-bytes.ts';
import type { Fault } from '../support/s3-proxy.ts';
import { groundOf, kindOf, rejects, skip, storeOf } from './gcs-ground.ts';

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

describe('GCS: refusals', { skip }, () => {
  /** The bucket refuses this call for good, and says what it says of a condition that does not hold. */
  const refused = { status: 412, code: 'conditionNotMet' };

  test('a write without a condition that is refused is an error: a 2xx never stands for bytes that are not there', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    proxy.fault = (call) => (kindOf(call) === 'insert media' ? refused : undefined);
    await rejects(store.put('/object', Buffer.from('x')), /answered 412/);
    await rejects(store.putAll([{ path: '/object', content: Buffer.from('x') }]), /answered 412/);
    await rejects(store.beginUpload('/uploads/1/data'), /answered 412/);
    proxy.fault = () => undefined;
    const upload = await store.beginUpload('/uploads/1/data');
    for (const bytes of ['', 'few']) {
      await upload.append(0, chunksOf(bytes), { last: true, target: '/object' });
      proxy.fault = (call) => (kindOf(call) === 'insert media' ? refused : undefined);
      await rejects(upload.commit('/object', bytes.length), /answered 412/);
      proxy.fault = () => undefined;
    }
    assert.equal(await peer.stat('/object'), undefined);
    assert.equal(await upload.size(), 0, 'the session is still there');
  });

  test('a deletion that is refused is an error, and not an object that was not there', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await peer.put('/object', Buffer.from('x'));
    proxy.fault = (call) => (kindOf(call) === 'delete' ? refused : undefined);
    await rejects(store.delete('/object'), /answered 412/);
    assert.equal((await peer.read('/object'))?.toString(), 'x');
  });

  test('a session that somebody else changed is not ended by a deletion that was tried twice', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    const upload = await store.beginUpload('/uploads/1/data');
    await upload.append(0, chunksOf('piece'));
    let tries = 0;
    proxy.fault = (call) => {
      if (kindOf(call) !== 'delete' || !call.path.endsWith('session.data')) return undefined;
      return tries++ === 0 ? { status: 503, code: 'busy' } : { status: 404, code: 'notFound' };
    };
    await assert.rejects(upload.commit('/object', 5), { code: 'conflict' });
    assert.equal(tries, 2);
    assert.equal(await peer.resumeUpload('/uploads/1/data').size(), 5);
  });
});

describe('GCS: many uploads at once', { skip }, () => {
  test('silent clients have half of the memory at most; the next one sends pieces, which can make room', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    const awake = Promise.withResolvers<void>();
    async function* silent(started: () => void): AsyncGenerator<Buffer> {
      yield Buffer.from('a');
      started();
      await awake.promise;
    }
    const session = async (name: string): Promise<Upload> =>
      await store.beginUpload(`/uploads/${name}/data`, {
        beside: { path: `/uploads/${name}/date`, content: Buffer.from('d') },
      });
    const options = { last: true, target: '/object' };
    // 128 MiB, half of it, 512 KiB each.
    const pushes: Promise<number>[] = [];
    for (let count = 0; count < 128; count++) {
      const upload = await session(String(count));
      await new Promise<void>((started) => pushes.push(upload.append(0, silent(started), options)));
    }
    const upload = await session('next');
    proxy.calls.length = 0;
    await upload.append(0, pattern(MIB, 1), options);
    assert.equal(proxy.calls.filter((call) => kindOf(call) === 'chunk').length, 0);
    await upload.commit('/object', MIB);
    assert.equal(await sha256Of((await peer.open('/object')) ?? chunksOf()), await sha256Of(pattern(MIB, 1)));
    awake.resolve();
    assert.deepEqual(new Set(await Promise.all(pushes)), new Set([1]));
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
    const { config, store, peer, direct } = await groundOf(t);
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
    // The emulator follows it without looking at the signature.
    await peer.put('/a/object', Buffer.from('content'));
    const url = await storeOf(t, { ...direct, credentials }).redirectUrl('/a/object', 'GET');
    const answer = await fetch(url ?? '');
    assert.equal(await answer.text(), 'content');
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
