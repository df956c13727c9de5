/** What servers other than Amazon's need, or lack; and readers that are slow. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { silent } from '../../registry/log.ts';
import { s3Grounds } from '../support/s3-ground.ts';

const grounds = await s3Grounds();
after(() => grounds.stop());

test('more readers that stand still than calls have connections: every other call is answered', async (t) => {
  const { store, proxy } = await grounds.ground(t);
  await store.put('/blob', Buffer.alloc(200_000, 1));
  await store.put('/other', Buffer.from('x'));
  proxy.fault = ({ operation, path }) =>
    operation === 'GetObject' && path.endsWith('/blob') ? { fallSilentAfter: 100_000 } : undefined;
  const opened = await Promise.all(Array.from({ length: 300 }, () => store.open('/blob')));
  const streams = opened.filter((stream) => stream !== undefined);
  assert.equal(streams.length, 300);
  for (const stream of streams) stream.on('error', () => {});
  try {
    assert.equal((await store.stat('/other', { signal: AbortSignal.timeout(20_000) }))?.size, 1);
    assert.equal((await store.read('/other', { signal: AbortSignal.timeout(20_000) }))?.toString(), 'x');
    await store.put('/third', Buffer.from('y'), { signal: AbortSignal.timeout(20_000) });
  } finally {
    for (const stream of streams) stream.destroy();
  }
});

test('deletions of several objects carry Content-MD5, without which older servers refuse them', async (t) => {
  const { store, proxy, keys } = await grounds.ground(t);
  await store.putAll(['/folder/a', '/folder/b'].map((path) => ({ path, content: Buffer.from('x') })));
  assert.equal(await store.delete('/folder'), true);
  const [call] = proxy.calls.filter(({ operation }) => operation === 'DeleteObjects');
  assert.match(String(call?.headers['content-md5']), /^[A-Za-z0-9+/]{22}==$/);
  assert.equal(
    call?.headers['content-md5'],
    createHash('md5')
      .update(call?.body ?? '')
      .digest('base64'),
  );
  assert.deepEqual(await keys(), []);
});

test('a server that takes conditions on writes and ignores them is warned of with the first lease, once', async (t) => {
  for (const ignores of [true, false]) {
    const warnings: string[] = [];
    const log = { ...silent, warn: (_fields: unknown, message?: string) => void warnings.push(message ?? '') };
    const { store, proxy } = await grounds.ground(t, { log: log as typeof silent });
    // It says that it has written.
    proxy.fault = ({ operation, headers }) =>
      ignores && operation === 'PutObject' && headers['if-match'] !== undefined ? { status: 200, code: '' } : undefined;
    assert.equal(await store.swap('/lease', undefined, Buffer.from('mine')), true);
    assert.equal((await store.read('/lease'))?.toString(), 'mine');
    assert.equal(await store.swap('/other', undefined, Buffer.from('mine')), true);
    assert.equal(warnings.length, ignores ? 1 : 0);
    if (ignores) assert.match(warnings[0] ?? '', /ignores them: .* maintenance by several replicas/);
    assert.equal(proxy.counted().PutObject, 4);
  }
});

test('a try of the conditions that fails is no failure of the lease, and is made again with the next', async (t) => {
  const { store, proxy } = await grounds.ground(t);
  proxy.fault = ({ operation, headers }) =>
    operation === 'PutObject' && headers['if-match'] !== undefined ? { status: 403, code: 'AccessDenied' } : undefined;
  assert.equal(await store.swap('/lease', undefined, Buffer.from('mine')), true);
  proxy.fault = () => undefined;
  proxy.counted();
  assert.equal(await store.swap('/other', undefined, Buffer.from('mine')), true);
  assert.equal(proxy.counted().PutObject, 3);
  assert.equal(await store.swap('/third', undefined, Buffer.from('mine')), true);
  assert.equal(proxy.counted().PutObject, 1);
});
