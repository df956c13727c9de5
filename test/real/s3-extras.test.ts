/**
 * What is special about buckets: pages of 1000 keys, parts, headers, siblings, uploads that nobody finished. One file, long
 * as it is: all cases share a bucket and a proxy that counts calls, which take longest to set up.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { CreateMultipartUploadCommand, PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { silent } from '../../registry/log.ts';
import { createS3Store } from '../../registry/storage/s3.ts';
import { checkBucket } from '../../registry/storage/s3-check.ts';
import type { Store } from '../../registry/storage/store.ts';
import { bytesOf, chunksOf, KIB, MIB, pattern, patternAt, pushTo, sha256Of } from '../storage/conformance-bytes.ts';
import { type S3Ground, s3Grounds } from '../support/s3-ground.ts';
import type { Operation } from '../support/s3-proxy.ts';

const grounds = await s3Grounds();
after(() => grounds.stop());

const some = Buffer.from('some');

async function fill(store: Store, paths: readonly string[]): Promise<void> {
  await store.putAll(paths.map((path) => ({ path, content: some })));
}

async function digestAt(store: Store, path: string): Promise<string> {
  const stream = await store.open(path);
  assert.ok(stream, `${path} is absent`);
  return await sha256Of(stream);
}

describe('listings and deletes', () => {
  test('more than 1000 objects: listed page by page, walked, and deleted in batches', async (t) => {
    const { store, proxy, keys } = await grounds.ground(t);
    const names = Array.from({ length: 1203 }, (_, at) => `n${String(at).padStart(4, '0')}`);
    await fill(store, [...names.map((name) => `/folder/${name}/link`), '/folders/1']);
    proxy.counted();
    assert.deepEqual(
      (await store.list('/folder'))?.entries.map(({ name }) => name),
      names,
    );
    assert.deepEqual(proxy.counted(), { ListObjectsV2: 2 });
    const page = await store.list('/folder', { after: 'n1000', limit: 10 });
    assert.deepEqual(
      page?.entries.map(({ name }) => name),
      names.slice(1001, 1011),
    );
    assert.equal(page?.more, true);
    assert.deepEqual(proxy.counted(), { ListObjectsV2: 1 });
    const walked: string[] = [];
    for (let after: string | undefined, more = true; more; after = walked.at(-1)) {
      const found = await store.walk?.('/folder', { after });
      walked.push(...(found?.objects ?? []).map(({ path }) => path));
      more = found?.more ?? false;
    }
    assert.deepEqual(
      walked,
      names.map((name) => `/folder/${name}/link`),
    );
    proxy.counted();
    assert.equal(await store.delete('/folder'), true);
    assert.deepEqual(proxy.counted(), { ListObjectsV2: 2, DeleteObjects: 2 });
    assert.deepEqual(await keys(), ['folders/1']);
  });

  test('names that begin alike keep their order over pages, whatever comes before a slash', async (t) => {
    const { store } = await grounds.ground(t);
    const names = [
      'a',
      'a-b',
      'a-b.c',
      'a.b',
      'a.b-c',
      'a0',
      'aa',
      'b',
      'b-',
      'b.',
      'v1',
      'v1.0',
      'v1.0-rc.1',
      'v1.0.1',
    ];
    await fill(
      store,
      names.map((name) => `/tags/${name}/current/link`),
    );
    for (let limit = 1; limit <= names.length; limit++) {
      const met: string[] = [];
      for (let more = true; more; ) {
        const after = met.at(-1);
        const page = await store.list('/tags', { limit, ...(after !== undefined && { after }) });
        met.push(...(page?.entries ?? []).map(({ name }) => name));
        more = page?.more ?? false;
      }
      assert.deepEqual(met, [...names].sort(), `pages of ${limit}`);
    }
  });

  test('a delete takes exactly the object or the folder, among siblings that begin alike', async (t) => {
    const paths = ['/a/1', '/a/b/2', '/ab', '/a-b/3', '/a.b', '/a0/4', '/b'];
    const matrix: readonly (readonly [string, boolean, readonly string[]])[] = [
      ['/a', true, ['/ab', '/a-b/3', '/a.b', '/a0/4', '/b']],
      ['/a/b', true, ['/a/1', '/ab', '/a-b/3', '/a.b', '/a0/4', '/b']],
      ['/ab', true, ['/a/1', '/a/b/2', '/a-b/3', '/a.b', '/a0/4', '/b']],
      ['/a-', false, paths],
      ['/a/1/2', false, paths],
      ['/c', false, paths],
    ];
    const { store, keys } = await grounds.ground(t);
    for (const [path, was, left] of matrix) {
      await fill(store, paths);
      assert.equal(await store.delete(path), was, path);
      assert.deepEqual(await keys(), left.map((kept) => kept.slice(1)).sort(), path);
    }
  });

  test('a folder behind more than 1000 siblings that begin alike is deleted as well', async (t) => {
    const { store, peer } = await grounds.ground(t);
    await fill(store, [...Array.from({ length: 1002 }, (_, at) => `/a-${at}`), '/a/1', '/a/2']);
    assert.equal(await store.delete('/a'), true);
    assert.equal(await peer.stat('/a'), undefined);
    assert.equal((await peer.list('/'))?.entries.length, 1002);
  });

  test('what could not be deleted is an error, although the answer is 200', async (t) => {
    const { store, proxy } = await grounds.ground(t);
    await fill(store, ['/a/1', '/a/2']);
    proxy.fault = ({ operation }) =>
      operation === 'DeleteObjects' ? { status: 403, code: 'AccessDenied' } : undefined;
    await assert.rejects(store.delete('/a'), /access to bucket ".*" at .* is denied/);
  });
});

describe('parts', () => {
  test('a copy above the threshold is made in parts by the server', async (t) => {
    const { store, proxy, uploads } = await grounds.ground(t);
    await pushTo(store, '/source', pattern(21 * MIB, 1));
    proxy.counted();
    await store.move('/source', '/target');
    assert.deepEqual(proxy.counted(), {
      HeadObject: 1,
      CreateMultipartUpload: 1,
      UploadPartCopy: 3,
      CompleteMultipartUpload: 1,
      DeleteObject: 1,
    });
    assert.equal(await digestAt(store, '/target'), await sha256Of(pattern(21 * MIB, 1)));
    assert.deepEqual(await uploads(), []);
  });

  test('bytes whose place is known go there at once: no copy, and nothing to be seen before the commit', async (t) => {
    const { store, proxy, peer, keys } = await grounds.ground(t);
    const beside = { path: '/uploads/1/startedat', content: some };
    const upload = await store.beginUpload('/uploads/1/data', { beside });
    assert.deepEqual(proxy.counted(), { PutObject: 1 });
    await upload.append(0, pattern(12 * MIB, 2), { last: true, target: '/blobs/x/data' });
    assert.equal(await peer.stat('/blobs/x/data'), undefined);
    assert.equal(await peer.resumeUpload('/uploads/1/data').size(), 0);
    await upload.commit('/blobs/x/data', 12 * MIB);
    const counts = proxy.counted();
    assert.equal(counts.UploadPart, 3);
    assert.equal(counts.UploadPartCopy, undefined);
    assert.equal(counts.CopyObject, undefined);
    assert.equal(await digestAt(peer, '/blobs/x/data'), await sha256Of(pattern(12 * MIB, 2)));
    assert.deepEqual(await keys(), ['blobs/x/data', 'uploads/1/startedat']);
  });

  test('small bytes need one put, whether they come with the last request or before it', async (t) => {
    const { store, proxy, peer } = await grounds.ground(t);
    const beside = { path: '/uploads/1/startedat', content: some };
    const upload = await store.beginUpload('/uploads/1/data', { beside });
    await upload.size();
    proxy.counted();
    await upload.append(0, chunksOf('small'), { last: true, target: '/blobs/x/data' });
    await upload.commit('/blobs/x/data', 5);
    assert.deepEqual(proxy.counted(), { PutObject: 1 });
    const parted = await store.beginUpload('/uploads/2/data', { beside: { ...beside, path: '/uploads/2/startedat' } });
    await parted.append(0, pattern(100 * KIB, 1));
    proxy.counted();
    await peer.resumeUpload('/uploads/2/data').commit('/blobs/y/data', 100 * KIB);
    assert.equal(await digestAt(peer, '/blobs/y/data'), await sha256Of(pattern(100 * KIB, 1)));
  });

  test('many requests of odd sizes make one object, through changing instances', async (t) => {
    const { store, peer, uploads, keys } = await grounds.ground(t);
    const sizes = [1, 70_000, 5 * MIB, 3, 7 * MIB + 5, 64 * KIB, 1, 200_000, 11 * MIB];
    const whole = createHash('sha256');
    await store.beginUpload('/uploads/1/data', { beside: { path: '/uploads/1/startedat', content: some } });
    let offset = 0;
    for (const [at, size] of sizes.entries()) {
      const upload = (at % 2 === 0 ? store : peer).resumeUpload('/uploads/1/data');
      assert.equal(await upload.size(), offset);
      const bytes = patternAt(0, size, at);
      whole.update(bytes);
      offset = await upload.append(offset, chunksOf(bytes));
      // Reading back amid makes an object of the parts, onto which the rest is put.
      if (at === 5) assert.equal((await bytesOf(upload.open({ start: 0, end: 1 }))).length, 1);
    }
    await peer.resumeUpload('/uploads/1/data').commit('/object', offset);
    assert.equal(await digestAt(store, '/object'), whole.digest('hex'));
    await store.delete('/uploads/1');
    assert.deepEqual(await uploads(), []);
    assert.deepEqual(await keys(), ['object']);
  });
});

describe('uploads that nobody finishes', () => {
  test('they are aborted by key and id with their folder, by whichever instance', async (t) => {
    const { store, peer, uploads, keys } = await grounds.ground(t);
    const session = await store.beginUpload('/uploads/1/data');
    await session.append(0, pattern(12 * MIB, 1));
    const direct = await store.beginUpload('/uploads/2/data');
    await direct.append(0, pattern(12 * MIB, 1), { last: true, target: '/blobs/x/data' });
    const [target, own] = (await uploads()).sort();
    assert.equal(target, 'blobs/x/data');
    assert.match(own ?? '', /^uploads\/1\/bytes\.data\.[0-9a-f]{16}$/);
    await peer.delete('/uploads/1');
    await peer.delete('/uploads/2');
    await direct.release?.();
    assert.deepEqual(await uploads(), []);
    assert.deepEqual(await keys(), []);
  });

  test('a client that breaks off a push into its place leaves the session empty and no upload', async (t) => {
    const { store, peer, uploads } = await grounds.ground(t);
    const session = await store.beginUpload('/uploads/1/data');
    async function* torn() {
      yield* pattern(7 * MIB, 1);
      throw new Error('connection reset');
    }
    const options = { last: true, target: '/blobs/x/data' };
    await assert.rejects(session.append(0, torn(), options), /connection reset/);
    assert.equal(await peer.resumeUpload('/uploads/1/data').size(), 0);
    assert.deepEqual(await uploads(), []);
    const again = peer.resumeUpload('/uploads/1/data');
    await again.append(0, pattern(7 * MIB, 1), options);
    await again.commit('/blobs/x/data', 7 * MIB);
    assert.equal((await store.stat('/blobs/x/data'))?.size, 7 * MIB);
  });

  test('a push into its place takes over from one that hangs, and only the newer one counts', async (t) => {
    const { store, peer, uploads } = await grounds.ground(t);
    const options = { last: true, target: '/blobs/x/data' };
    const session = await store.beginUpload('/uploads/1/data');
    const hold = Promise.withResolvers<void>();
    async function* slow() {
      yield* pattern(6 * MIB, 1);
      await hold.promise;
      yield* pattern(6 * MIB, 1);
    }
    const old = session.append(0, slow(), options).then((size) => session.commit('/blobs/x/data', size));
    const failed = assert.rejects(old);
    const record = async () => String(await peer.read('/uploads/1/session.data'));
    while (!(await record()).includes('"direct"')) await new Promise((resolve) => setTimeout(resolve, 20));
    const newer = peer.resumeUpload('/uploads/1/data');
    await newer.append(0, pattern(8 * MIB, 2), options);
    await newer.commit('/blobs/x/data', 8 * MIB);
    hold.resolve();
    await failed;
    await session.release?.();
    assert.equal(await digestAt(peer, '/blobs/x/data'), await sha256Of(pattern(8 * MIB, 2)));
    await peer.delete('/uploads/1');
    assert.deepEqual(await uploads(), []);
  });
});

describe('uploads that another registry began', () => {
  /** As Distribution leaves one: the date, a hash state, and parts under the session's own key. */
  async function foreign({ server, config, store }: S3Ground, sizes: readonly number[]): Promise<string> {
    const { client } = server;
    const Key = 'uploads/1/data';
    const common = { Bucket: config.bucket, Key };
    await store.put('/uploads/1/startedat', some);
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(common));
    let at = 0;
    for (const [index, size] of sizes.entries()) {
      const Body = patternAt(at, size, 4);
      await client.send(new UploadPartCommand({ ...common, UploadId, PartNumber: index + 1, Body }));
      at += size;
    }
    return UploadId ?? '';
  }

  for (const [name, sizes] of [
    ['with full parts', [5 * MIB, 6 * MIB]],
    ['whose last part is small', [5 * MIB, 64]],
    ['with one small part', [64]],
    ['without a byte', []],
  ] as const) {
    test(`one ${name} is continued and finished`, async (t) => {
      const ground = await grounds.ground(t);
      const { store, peer, uploads } = ground;
      await foreign(ground, sizes);
      const there = sizes.reduce<number>((sum, size) => sum + size, 0);
      const upload = store.resumeUpload('/uploads/1/data');
      assert.equal(await upload.size(), there);
      const more = 6 * MIB + 8;
      assert.equal(await upload.append(there, chunksOf(patternAt(there, more, 4))), there + more);
      await peer.resumeUpload('/uploads/1/data').commit('/object', there + more);
      assert.equal(await digestAt(store, '/object'), await sha256Of(pattern(there + more, 4)));
      await store.delete('/uploads/1', { uploads: true });
      assert.deepEqual(await uploads(), []);
    });
  }

  test('one that is complete is read back and committed as it is', async (t) => {
    const ground = await grounds.ground(t);
    await foreign(ground, [5 * MIB, 64]);
    const upload = ground.store.resumeUpload('/uploads/1/data');
    const bytes = await upload.open();
    assert.ok(bytes);
    assert.equal(await sha256Of(bytes), await sha256Of(pattern(5 * MIB + 64, 4)));
    await upload.commit('/object', 5 * MIB + 64);
    assert.equal(await digestAt(ground.peer, '/object'), await sha256Of(pattern(5 * MIB + 64, 4)));
    assert.deepEqual(await ground.uploads(), []);
  });

  test('those that it left for good are aborted with the folder, when told that uploads are there', async (t) => {
    const ground = await grounds.ground(t);
    await foreign(ground, [64]);
    assert.equal(await ground.store.delete('/uploads/1', { uploads: true }), true);
    assert.deepEqual(await ground.uploads(), []);
    assert.deepEqual(await ground.keys(), []);
  });

  test('it finds nothing of ours under its own key', async (t) => {
    const { store, keys, uploads } = await grounds.ground(t);
    const upload = await store.beginUpload('/uploads/1/data', {
      beside: { path: '/uploads/1/startedat', content: some },
    });
    await upload.append(0, pattern(6 * MIB, 1));
    const found = [...(await keys()), ...(await uploads())];
    assert.deepEqual(
      found.filter((key) => key.startsWith('uploads/1/data')),
      [],
    );
  });
});

describe('what requests carry', () => {
  const headersOf = ({ proxy }: S3Ground, ...operations: readonly Operation[]) =>
    proxy.calls.filter(({ operation }) => operations.includes(operation)).map(({ headers }) => headers);
  const making: readonly Operation[] = ['PutObject', 'CreateMultipartUpload', 'CopyObject'];

  async function exercise({ store }: S3Ground): Promise<void> {
    await pushTo(store, '/large', pattern(6 * MIB, 1));
    await store.put('/small', some);
    await store.copy('/small', '/copy');
  }

  test('storage class, ACL and user agent, on everything that makes an object', async (t) => {
    const config = { storageclass: 'REDUCED_REDUNDANCY', objectacl: 'private', useragent: 'my-registry' };
    const ground = await grounds.ground(t, { config });
    await exercise(ground);
    const headers = headersOf(ground, ...making);
    assert.ok(headers.length >= 4);
    for (const header of headers) {
      assert.equal(header['x-amz-storage-class'], 'REDUCED_REDUNDANCY');
      assert.equal(header['x-amz-acl'], 'private');
      assert.match(String(header['user-agent']), / my-registry$/);
    }
  });

  test('without a storage class the header is left out, and the registry says its own name', async (t) => {
    const ground = await grounds.ground(t, { config: { storageclass: undefined } });
    await exercise(ground);
    for (const header of headersOf(ground, ...making)) {
      assert.equal(header['x-amz-storage-class'], undefined);
      assert.match(String(header['user-agent']), / berth\/test$/);
    }
  });

  test('encryption by the server, with its own key or one of KMS', async (t) => {
    for (const [keyid, algorithm] of [
      [undefined, 'AES256'],
      ['arn:aws:kms:x', 'aws:kms'],
    ] as const) {
      const ground = await grounds.ground(t, { config: { encrypt: true, keyid } });
      // This server has no keys: what it answers does not matter.
      await ground.store.put('/small', some).catch(() => {});
      await ground.store.resumeUpload('/u/data').size();
      const [header] = headersOf(ground, 'PutObject');
      assert.equal(header?.['x-amz-server-side-encryption'], algorithm);
      assert.equal(header?.['x-amz-server-side-encryption-aws-kms-key-id'], keyid);
    }
  });

  test('URLs for clients: signed, good for 20 minutes, at the endpoint that clients know', async (t) => {
    const { store, config, server } = await grounds.ground(t);
    await store.put('/folder/object', some);
    const known = createS3Store({
      config: { ...config, redirectendpoint: server.endpoint },
      userAgent: 'berth/test',
      log: silent,
    });
    t.after(() => known.close());
    for (const method of ['GET', 'HEAD'] as const) {
      const url = new URL((await known.redirectUrl('/folder/object', method)) ?? '');
      assert.equal(url.origin, server.endpoint);
      assert.equal(url.searchParams.get('X-Amz-Expires'), '1200');
      const answer = await fetch(url, { method });
      assert.equal(answer.status, 200);
      assert.equal(await answer.text(), method === 'GET' ? 'some' : '');
      assert.ok(!url.href.includes(config.secretkey ?? '-'));
    }
    assert.equal(new URL((await store.redirectUrl('/folder/object', 'GET')) ?? '').origin, config.regionendpoint);
  });
});

describe('faults of the configuration are named with their remedy, without secrets', () => {
  test('no such bucket, wrong secret, nobody there', async (t) => {
    const { config } = await grounds.ground(t);
    const faults = [
      [
        { bucket: 'nobody-has-this' },
        /there is no bucket "nobody-has-this" at .*; make it, or correct storage.s3.bucket/,
      ],
      [{ secretkey: 'a wrong secret' }, /does not take the credentials \(SignatureDoesNotMatch\)/],
      [{ accesskey: 'nobody' }, /does not take the credentials \(/],
    ] as const;
    for (const [wrong, words] of faults) {
      const error = await checkBucket({ ...config, ...wrong }, 'berth/test').catch((thrown: Error) => thrown);
      assert.ok(error instanceof Error, `not refused: ${error}`);
      assert.match(error.message, words);
      assert.ok(!error.message.includes('a wrong secret'));
    }
    const away = { ...config, regionendpoint: 'http://127.0.0.1:9' };
    assert.match(
      String(await checkBucket(away, 'berth/test')),
      /127\.0\.0\.1:9 refuses connections; it is tried again/,
    );
    assert.equal(await checkBucket(config, 'berth/test'), undefined);
  });

  test('wrong region, denied, skewed clock, full', async (t) => {
    const { store, proxy } = await grounds.ground(t);
    for (const [status, code, words] of [
      [301, 'PermanentRedirect', /is not in region us-east-1; correct storage.s3.region/],
      [400, 'AuthorizationHeaderMalformed', /is not in region us-east-1/],
      [403, 'AccessDenied', /is denied; the credentials need the actions/],
      [403, 'RequestTimeTooSkewed', /clocks of this host and of .* differ/],
      [507, 'InsufficientStorage', /s3: no space/],
      [404, 'NoSuchBucket', /there is no bucket/],
    ] as const) {
      proxy.fault = () => ({ status, code });
      await assert.rejects(store.put('/object', some), words, code);
    }
  });

  test('an object that somebody put by hand can be read', async (t) => {
    const { store, server, config } = await grounds.ground(t);
    await server.client.send(new PutObjectCommand({ Bucket: config.bucket, Key: 'by/hand', Body: 'hello' }));
    assert.equal((await store.read('/by/hand'))?.toString(), 'hello');
  });
});
