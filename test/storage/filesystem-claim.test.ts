/** Taking an upload over from a holder that died, and giving it back. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rmdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClaims } from '../../registry/storage/filesystem-claim.ts';
import { createNames } from '../../registry/storage/filesystem-names.ts';
import { StoreError } from '../../registry/storage/store.ts';
import { chunksOf } from './conformance-bytes.ts';
import { storeAt, temporaryFiles, temporaryFolder } from './filesystem-ground.ts';

const bytes = 'bytes that were acknowledged';

test('when the last rename of a take-over fails the copy stays, and the upload goes on from it', async (t) => {
  const folder = await temporaryFolder(t);
  const names = createNames(folder, () => crypto.randomUUID());
  const data = join(folder, 'data');
  await writeFile(names.aside(data), bytes);
  // A name that cannot be taken: a folder lies there.
  const taken = join(folder, 'in-the-way');
  await mkdir(taken);
  const hindered = createClaims({ ...names, aside: (location) => (location === data ? taken : names.aside(location)) });
  await assert.rejects(hindered.take(data, bytes.length), { code: 'EISDIR' });
  await rmdir(taken);

  const claims = createClaims(names);
  assert.equal((await claims.find(data))?.size, bytes.length, 'nothing is lost');
  await claims.release(await claims.take(data, bytes.length), data);
  assert.deepEqual(await readdir(folder), ['data']);
});

test('a commit that does not come gives the bytes back, so that the next one need not copy them', async (t) => {
  const folder = await temporaryFolder(t);
  const store = storeAt(t, folder);
  const first = await store.beginUpload('/u/data');
  await first.append(0, chunksOf(bytes), { last: true });
  assert.equal((await temporaryFiles(folder)).length, 1, 'held under a name of its own');
  await first.release?.();
  assert.deepEqual(await temporaryFiles(folder), []);
  const next = store.resumeUpload('/u/data');
  assert.equal(await next.size(), bytes.length);
  await next.commit('/blob', bytes.length);
  assert.equal((await store.read('/blob'))?.toString(), bytes);
  await first.release?.();
  await assert.rejects(first.commit('/other', bytes.length), (error) => error instanceof StoreError);
});

test('what is committed counts as written then, however long ago its bytes came', async (t) => {
  const folder = await temporaryFolder(t);
  const store = storeAt(t, folder);
  const upload = await store.beginUpload('/u/data');
  await upload.append(0, chunksOf(bytes));
  const anHourAgo = Date.now() / 1000 - 3600;
  await utimes(join(folder, 'u/data'), anHourAgo, anHourAgo);
  // By the clock of the store: that of the file system.
  await store.put('/before', Buffer.from('1'));
  const before = (await store.stat('/before'))?.modified ?? Number.NaN;
  await store.resumeUpload('/u/data').commit('/blob', bytes.length);
  assert.ok(((await store.stat('/blob'))?.modified ?? 0) >= before, 'garbage collection goes by this date');
  assert.equal((await store.read('/blob'))?.toString(), bytes);
});
