/** A container on its bad days: busy, torn, with answers that get lost, missing, or closed to us. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkContainer, findBase } from '../../registry/storage/azure-check.ts';
import type { Store } from '../../registry/storage/store.ts';
import { bytesOf, chunksOf, MIB, pattern, patternAt, pushTo, sha256Of } from '../storage/conformance-bytes.ts';
import type { Fault } from '../support/s3-proxy.ts';
import { groundOf, kindOf, rejects, skip, storeOf } from './azure-ground.ts';

async function pushes(store: Store, peer: Store): Promise<void> {
  await pushTo(store, '/large', pattern(12 * MIB, 1));
  await store.put('/folder/a', Buffer.from('a'));
  await store.copy('/folder/a', '/folder/b');
  const page = await store.list('/folder');
  assert.deepEqual(
    page?.entries.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal((await store.stat('/large'))?.size, 12 * MIB);
  assert.equal(await sha256Of((await store.open('/large')) ?? chunksOf()), await sha256Of(pattern(12 * MIB, 1)));
  const direct = await store.beginUpload('/uploads/2/data', {
    beside: { path: '/uploads/2/date', content: Buffer.from('d') },
  });
  await direct.append(0, pattern(3 * MIB, 2), { last: true, target: '/direct' });
  await direct.commit('/direct', 3 * MIB);
  assert.equal(await sha256Of((await peer.open('/direct')) ?? chunksOf()), await sha256Of(pattern(3 * MIB, 2)));
  await store.delete('/folder');
  assert.equal(await peer.stat('/folder'), undefined);
}

describe('Azure: a busy service', { skip }, () => {
  test('503 on each kind of call is tried again', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    const met = new Set<string>();
    proxy.fault = (call) => {
      const kind = kindOf(call);
      if (met.has(kind)) return undefined;
      met.add(kind);
      return { status: 503, code: 'ServerBusy' };
    };
    await pushes(store, peer);
    for (const kind of ['PutObject block', 'PutObject blocklist', 'GetObject list', 'GetObject', 'PutObject']) {
      assert.ok(met.has(kind), `${kind} was not met: ${[...met].join(', ')}`);
    }
  });

  test('busy without end: an error that names the container, after a bounded number of tries', async (t) => {
    const { store, proxy, config } = await groundOf(t);
    proxy.fault = () => ({ status: 503, code: 'ServerBusy' });
    await rejects(store.read('/object'), new RegExp(`container "${config.container}" at .* answered 503`));
    assert.equal(proxy.calls.length, config.maxretries + 1);
  });
});

describe('Azure: connections that break', { skip }, () => {
  for (const kind of ['PutObject block', 'PutObject blocklist', 'PutObject', 'DeleteObject']) {
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
    proxy.fault = ({ operation }) => (operation === 'PutObject' && lost++ === 0 ? 'lose' : undefined);
    assert.equal(await store.swap('/lease', undefined, Buffer.from('mine')), true);
    lost = 0;
    assert.equal(await store.swap('/lease', Buffer.from('mine'), Buffer.from('more')), true);
    assert.equal((await peer.read('/lease'))?.toString(), 'more');
  });

  test('a stream that is torn goes on where it broke off, of the same version', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await pushTo(peer, '/object', pattern(9 * MIB, 2));
    let torn = 0;
    proxy.fault = (call) => (kindOf(call) === 'GetObject' && torn++ < 3 ? { tearAfter: 2 * MIB } : undefined);
    const bytes = await bytesOf(store.open('/object', { start: 8 }));
    assert.ok(bytes.equals(patternAt(8, 9 * MIB - 8, 2)));
    for (const { headers } of proxy.calls.slice(1)) assert.ok(headers['if-match']);
  });

  test('a stream whose object was replaced meanwhile fails instead of mixing versions', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await pushTo(peer, '/object', pattern(4 * MIB, 1));
    let torn = 0;
    proxy.fault = (call) => (kindOf(call) === 'GetObject' && torn++ === 0 ? { tearAfter: MIB } : undefined);
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

describe('Azure: refusals', { skip }, () => {
  test('a blob that is leased: a write or a deletion that is refused is an error, never taken for done', async (t) => {
    const { store, container } = await groundOf(t);
    await store.put('/object', Buffer.from('old'));
    await container.getBlobClient('object').getBlobLeaseClient().acquireLease(60);
    const leased = /has leases on its blobs, .*: break them/;
    await rejects(store.put('/object', Buffer.from('new')), leased);
    await rejects(store.delete('/object'), leased);
    await rejects(store.swap('/object', Buffer.from('old'), Buffer.from('new')), leased);
    for (const size of [3, MIB]) {
      const upload = await store.beginUpload('/uploads/1/data');
      const pushed = upload
        .append(0, pattern(size, 1), { last: true, target: '/object' })
        .then(() => upload.commit('/object', size));
      await rejects(pushed, leased);
      assert.equal(await upload.size(), 0, 'the session is still there');
    }
    const stored = await store.beginUpload('/uploads/2/data');
    await stored.append(0, chunksOf('new'));
    await rejects(stored.commit('/object', 3), leased);
    assert.equal((await store.read('/object'))?.toString(), 'old');
  });

  test('409 and 412 for a write without a condition are errors', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await peer.put('/object', Buffer.from('old'));
    for (const [status, code] of [
      [409, 'UnauthorizedBlobOverwrite'],
      [412, 'ConditionNotMet'],
    ] as const) {
      proxy.fault = ({ operation }) =>
        operation === 'PutObject' || operation === 'DeleteObject' ? { status, code } : undefined;
      const words = new RegExp(`answered ${status}`);
      await rejects(store.put('/object', Buffer.from('new')), words);
      await rejects(store.delete('/object'), words);
      proxy.fault = () => undefined;
      const upload = await store.beginUpload('/uploads/1/data');
      await upload.append(0, pattern(MIB, 1), { last: true, target: '/object' });
      proxy.fault = (call) => (kindOf(call) === 'PutObject blocklist' ? { status, code } : undefined);
      await rejects(upload.commit('/object', MIB), words);
    }
    assert.equal((await peer.read('/object'))?.toString(), 'old');
  });
});

describe('Azure: what is wrong is told with its remedy', { skip }, () => {
  test('no container, a wrong key, no service', async (t) => {
    const { config } = await groundOf(t);
    const absent = { ...config, container: 'not-there' };
    const sentence = /there is no container "not-there" at http:.*: create it, or correct storage\.azure\.container/;
    await rejects((await storeOf(t, absent)).put('/object', Buffer.from('x')), sentence);
    await rejects((await storeOf(t, absent)).stat('/'), sentence);
    await rejects(checkContainer(absent, 'berth/test'), sentence);
    await rejects(findBase(absent, 'berth/test'), sentence);
    const wrong = { ...config, accountkey: Buffer.from('another key').toString('base64') };
    // Azure itself says that it does not accept the credentials.
    const denied = /denies access: check accountkey|does not accept the credentials: check accountname, accountkey/;
    await rejects((await storeOf(t, wrong)).read('/object'), denied);
    await rejects(checkContainer(wrong, 'berth/test'), denied);
    const nobody = { ...config, serviceurl: 'http://127.0.0.1:1/account', maxretries: -1 };
    await rejects(checkContainer(nobody, 'berth/test'), /nothing listens at http:\/\/127\.0\.0\.1:1\/account: check/);
    assert.equal(await checkContainer(config, 'berth/test'), undefined);
    assert.equal(await findBase(config, 'berth/test'), '');
    assert.equal(await findBase({ ...config, rootdirectory: 'a/b' }, 'berth/test'), 'a/b/');
  });

  test('no message and no cause of it holds the key', async (t) => {
    const { config } = await groundOf(t);
    const error = await (await storeOf(t, { ...config, container: 'not-there' }))
      .read('/x')
      .catch((failure) => failure);
    const { inspect } = await import('node:util');
    assert.ok(!inspect(error, { depth: 20 }).includes(config.accountkey ?? '?'));
    assert.ok(!/SharedKey [^R]/.test(inspect(error, { depth: 20 })));
  });

  test('a redirect is a URL with which anybody reads that blob, for twenty minutes, and nothing else', async (t) => {
    const { store, peer, config } = await groundOf(t);
    await peer.put('/folder/object', Buffer.from('content'));
    await peer.put('/folder/other', Buffer.from('other'));
    const url = (await store.redirectUrl('/folder/object', 'GET')) ?? '';
    const { searchParams } = new URL(url);
    const life = Date.parse(searchParams.get('se') ?? '') - Date.now();
    assert.ok(life > 19 * 60_000 && life <= 20 * 60_000, `${life} ms`);
    assert.equal(searchParams.get('sp'), 'r');
    for (const method of ['GET', 'HEAD']) assert.equal((await fetch(url, { method })).status, 200);
    assert.equal(await (await fetch(url)).text(), 'content');
    assert.equal((await fetch(url.replace('/object?', '/other?'))).status, 403);
    assert.equal((await fetch(url, { method: 'DELETE' })).status, 403);
    assert.ok(!url.includes(config.accountkey ?? '?'));
  });
});
