/** An S3 server whose disk is full: pushes are told so and leave nothing, everything else works, and freed space is used. */
import assert from 'node:assert/strict';
import { mkdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPushClient, digestOf, type Reply, UnexpectedStatus, ways } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { keysIn } from '../support/s3-bucket.ts';
import { kind, startS3, storageSection } from '../support/s3-server.ts';
import { skip } from '../support/tools.ts';
import { garbageCollectOf } from '../support/tree-peer.ts';
import { execute } from '../tools/execute.ts';

const MiB = 1024 * 1024;
const berth = new URL('../../bin/registry', import.meta.url).pathname;

/** 507 with an envelope that names the cause. */
function assertFull(reply: Reply | undefined, what: string): void {
  assert.ok(reply, `${what} cannot fit`);
  assert.equal(reply.status, 507, `${what}: ${reply.body.toString()}`);
  assert.equal(reply.headers['content-type'], 'application/json');
  assert.match(reply.body.toString(), /full/);
}

const refusal = async (work: Promise<unknown>): Promise<Reply | undefined> => {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof UnexpectedStatus) return error.reply;
    throw error;
  }
};

test('a bucket on a full disk: pushes are 507 and leave no blob; pulls, deletes and a collection work, and make room', async (t) => {
  if (kind === 'minio') return skip(t, 'MinIO keeps a reserve of its own and answers otherwise');
  const folder = await temporaryFolder(t);
  const disk = join(folder, 'disk');
  await mkdir(disk);
  try {
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${48 * MiB}`, 'tmpfs', disk]);
  } catch (error) {
    return skip(t, `a small disk takes a mount, which takes root: ${(error as Error).message}`);
  }
  // Cleaned up here, in order: nothing may use the disk when it goes.
  try {
    const s3 = await startS3(disk);
    if ('reason' in s3) return skip(t, s3.reason);
    try {
      const free = async (): Promise<number> => {
        const { bavail, bsize } = await statfs(disk);
        return bavail * bsize;
      };
      const bucket = await s3.bucket();
      const config = { storage: { ...storageSection(bucket), delete: { enabled: true }, redirect: { disable: true } } };
      const root = join(folder, 'data');
      const server = await startRegistry(t, { root, config });
      const client = createPushClient(server.url);
      const chance = createChance('a full bucket');
      const [kept, doomed] = [chance.bytes(MiB), chance.bytes(12 * MiB)];
      let stays = '';
      try {
        const image = await client.pushImage('app', 'kept', [kept]);
        stays = image.digest;
        const other = await client.pushImage('app', 'doomed', [doomed]);
        const large = chance.bytes(40 * MiB);
        for (const way of ways) {
          assertFull(await refusal(client.pushBlob('app', large, way)), `40 MiB by ${way}`);
          await client.expect(404, 'HEAD', `/v2/app/blobs/${digestOf(large)}`);
          await client.pullBlob('app', digestOf(kept));
        }
        // Nothing left at all: no tag can be moved.
        const another = {
          ...(JSON.parse(image.bytes.toString()) as object),
          annotations: { padding: 'x'.repeat(8192) },
        };
        await writeFile(join(disk, 'filler'), Buffer.alloc(await free())).catch(() => {});
        assertFull(await refusal(client.pushManifest('app', 'doomed', another)), 'a manifest');
        assert.equal((await client.pullManifest('app', 'doomed')).digest, other.digest);
        assert.deepEqual(await client.tags('app'), ['doomed', 'kept']);
        await client.pullBlob('app', digestOf(doomed));
        await client.expect(202, 'DELETE', `/v2/app/manifests/${other.digest}`);
        assert.deepEqual(await client.tags('app'), ['kept']);
        assert.equal((await client.pullManifest('app', 'kept')).digest, image.digest);
        assert.doesNotMatch(server.stderr(), /unhandled/i);
      } finally {
        await client.close();
        await server.kill();
      }
      const before = await free();
      await garbageCollectOf(berth, root, config);
      t.diagnostic(`${before} bytes free, ${await free()} after the collection`);
      assert.ok((await free()) - before > 11 * MiB, 'the collection made room');
      const keys = await keysIn(s3.client, bucket.bucket);
      assert.ok(!keys.some((key) => key.includes(digestOf(doomed).slice(7))));

      const again = await startRegistry(t, { root, config });
      const after = createPushClient(again.url);
      try {
        const fits = chance.bytes(6 * MiB);
        await after.pullBlob('app', await after.pushBlob('app', fits));
        assert.equal((await after.pullManifest('app', 'kept')).digest, stays);
      } finally {
        await after.close();
        await again.kill();
      }
    } finally {
      await s3.stop();
    }
  } finally {
    await execute('umount', ['--lazy', disk]);
  }
});
