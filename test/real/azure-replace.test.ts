/** Bytes committed over what is there already: others rely on it, so it stays whole until the new bytes are there. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Store, Upload } from '../../registry/storage/store.ts';
import { bytesOf, KIB, MIB, pattern, patternAt, pushTo } from '../storage/conformance-bytes.ts';
import { type Ground, groundOf, rejects, skip } from './azure-ground.ts';

/** A session whose bytes are in the container. */
async function stored(store: Store, size: number, seed: number, name = 'one'): Promise<Upload> {
  const upload = await store.beginUpload(`/uploads/${name}/data`);
  await upload.append(0, pattern(size, seed));
  return upload;
}

/** As Distribution leaves a blob behind. The service, unlike its emulator, then takes nothing of a block blob at that place. */
async function appended({ container, proxy }: Ground, bytes: Buffer): Promise<void> {
  const blob = container.getAppendBlobClient('object');
  await blob.create();
  await blob.appendBlock(bytes, bytes.length);
  const writes = ['', 'block', 'blocklist'];
  let isThere = true;
  proxy.fault = ({ operation, path, query }) => {
    if (!path.endsWith('/object')) return undefined;
    if (operation === 'DeleteObject') isThere = false;
    const isWrite = operation === 'PutObject' || operation === 'CopyObject';
    return isThere && isWrite && writes.includes(query.get('comp') ?? '')
      ? { status: 409, code: 'InvalidBlobType' }
      : undefined;
  };
}

const holds = async (store: Store, size: number, seed: number): Promise<boolean> =>
  (await bytesOf(store.open('/object'))).equals(patternAt(0, size, seed));

describe('Azure: committing over a blob that is there', { skip }, () => {
  test('the service copies only to where nothing is, since a copy empties its target first', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    for (const seed of [1, 2]) {
      const upload = await stored(store, 3 * MIB, seed);
      await upload.commit('/object', 3 * MIB);
      assert.ok(await holds(peer, 3 * MIB, seed));
      assert.equal(await upload.size(), undefined);
    }
    const copies = proxy.calls.filter(({ headers }) => headers['x-ms-copy-source'] !== undefined);
    assert.ok(copies.length >= 2);
    for (const { headers } of copies) assert.equal(headers['if-none-match'], '*');
  });

  test('a commit that fails half-way leaves the old blob as it was, and can be tried again', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await pushTo(peer, '/object', pattern(2 * MIB, 1));
    const upload = await stored(store, 3 * MIB, 2);
    for (const comp of ['block', 'blocklist']) {
      proxy.fault = ({ query }) =>
        query.get('comp') === comp ? { status: 403, code: 'AuthorizationFailure' } : undefined;
      await rejects(upload.commit('/object', 3 * MIB), /denies access/);
      assert.ok(await holds(peer, 2 * MIB, 1));
      proxy.fault = () => undefined;
    }
    await upload.commit('/object', 3 * MIB);
    assert.ok(await holds(peer, 3 * MIB, 2));
  });

  test('a client that leaves during the commit takes nothing away', async (t) => {
    const { store, peer, proxy } = await groundOf(t);
    await pushTo(peer, '/object', pattern(2 * MIB, 1));
    const upload = await stored(store, 3 * MIB, 2);
    const client = new AbortController();
    proxy.fault = ({ query }) => {
      if (query.get('comp') !== 'blocklist') return undefined;
      client.abort(new Error('the client has left'));
      return 'hang';
    };
    await rejects(upload.commit('/object', 3 * MIB, { signal: client.signal }), /the client has left/);
    assert.ok(await holds(peer, 2 * MIB, 1));
  });

  test('many commit the same bytes at the same place', async (t) => {
    const { store, peer } = await groundOf(t);
    await pushTo(peer, '/object', pattern(2 * MIB, 1));
    const uploads = await Promise.all(['a', 'b', 'c', 'd'].map((name) => stored(store, 2 * MIB, 1, name)));
    await Promise.all(uploads.map((upload) => upload.commit('/object', 2 * MIB)));
    assert.ok(await holds(peer, 2 * MIB, 1));
  });
});

describe("Azure: committing over one of Distribution's append blobs", { skip }, () => {
  for (const [what, size, isDirect] of [
    ['few bytes, straight to their place', 40 * KIB, true],
    ['many bytes, straight to their place', MIB, true],
    ['bytes of a session', MIB, false],
  ] as const) {
    const pushed = async (store: Store, seed: number): Promise<Upload> => {
      if (!isDirect) return await stored(store, size, seed);
      const upload = await store.beginUpload('/uploads/one/data');
      await upload.append(0, pattern(size, seed), { last: true, target: '/object' });
      return upload;
    };

    test(`${what}: the same ones are never away, and count as written now`, async (t) => {
      const ground = await groundOf(t);
      const { store, peer, proxy, container } = ground;
      await appended(ground, patternAt(0, size, 1));
      const before = await container.getBlobClient('object').getProperties();
      const upload = await pushed(store, 1);
      await upload.commit('/object', size);
      assert.ok(await holds(peer, size, 1));
      const deleted = proxy.calls.filter(
        ({ operation, path }) => operation === 'DeleteObject' && path.endsWith('/object'),
      );
      assert.deepEqual(deleted, []);
      const after = await container.getBlobClient('object').getProperties();
      assert.notEqual(after.etag, before.etag, 'touched');
      assert.equal(await upload.size(), undefined);
    });

    test(`${what}: other ones are replaced`, async (t) => {
      const ground = await groundOf(t);
      const { store, peer } = ground;
      await appended(ground, patternAt(0, size, 2));
      const upload = await pushed(store, 1);
      await upload.commit('/object', size);
      assert.ok(await holds(peer, size, 1));
    });
  }
});
