/** A full disk: the client is told so in an error that it can read, nothing half-written is seen, and freed space is used. */
import assert from 'node:assert/strict';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  createPushClient,
  digestOf,
  type PushClient,
  type Reply,
  UnexpectedStatus,
  ways,
} from '../support/push-client.ts';
import { type Chance, createChance } from '../support/push-client-random.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { skip } from '../support/tools.ts';
import { execute } from '../tools/execute.ts';

const MiB = 1024 * 1024;

interface SmallDisk {
  readonly server: RegistryProcess;
  readonly client: PushClient;
  readonly disk: string;
  readonly chance: Chance;
}

/** Runs `work` with a registry on a disk of so many bytes. */
async function withDisk(t: TestContext, bytes: number, work: (rig: SmallDisk) => Promise<void>): Promise<void> {
  const disk = join(await temporaryFolder(t), 'disk');
  await mkdir(disk);
  try {
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', disk]);
  } catch (error) {
    return skip(t, `a small disk takes a mount, which takes root: ${(error as Error).message}`);
  }
  try {
    const server = await startRegistry(t, { root: join(disk, 'data') });
    const client = createPushClient(server.url);
    try {
      await work({ server, client, disk, chance: createChance(`disk of ${bytes}`) });
      assert.doesNotMatch(server.stderr(), /unhandled/i);
    } finally {
      await client.close();
      await server.kill();
    }
  } finally {
    await execute('umount', ['--lazy', disk]);
  }
}

/** The answer that a full disk gives, readable by a client: 507 with an envelope that names the cause. */
function assertFull(reply: Reply): void {
  assert.equal(reply.status, 507, reply.body.toString());
  assert.equal(reply.headers['content-type'], 'application/json');
  const { errors } = JSON.parse(reply.body.toString()) as { errors: { code: string; message: string }[] };
  assert.match(errors[0]?.message ?? '', /full/);
}

const failure = async (work: Promise<unknown>): Promise<Reply | undefined> => {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof UnexpectedStatus) return error.reply;
    throw error;
  }
};

const free = async (path: string): Promise<number> => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

test('a push that does not fit is told 507 however it is made; the rest goes on, and space that is freed is used', async (t) => {
  await withDisk(t, 24 * MiB, async ({ client, disk, chance }) => {
    const layer = chance.bytes(2 * MiB);
    const { digest } = await client.pushImage('app', 'v1', [layer]);
    const large = chance.bytes(30 * MiB);
    for (const way of ways) {
      const reply = await failure(client.pushBlob('app', large, way));
      assert.ok(reply, `${way}: a blob of 30 MiB cannot fit`);
      assertFull(reply);
      await client.expect(404, 'HEAD', `/v2/app/blobs/${digestOf(large)}`);
      // Everything but pushes works as ever.
      await client.pullBlob('app', digestOf(layer));
      assert.equal((await client.pullManifest('app', 'v1')).digest, digest);
      assert.deepEqual(await client.tags('app'), ['v1']);
    }
    // Uploads that their clients may go on with still take space; a purge, or here an admin, gives it back.
    await rm(join(disk, 'data/docker/registry/v2/repositories/app/_uploads'), { recursive: true });
    assert.ok((await free(disk)) > 20 * MiB, 'nothing else was left behind');
    const fits = chance.bytes(10 * MiB);
    for (const way of ways) {
      await client.pullBlob('app', await client.pushBlob('app', fits, way));
    }
  });
});

test('with any amount of space left a push is whole or absent, a tag is the old one or the new', async (t) => {
  await withDisk(t, 4 * MiB, async ({ client, disk, chance }) => {
    let current = (await client.pushImage('app', 'moving', [chance.bytes(1000)])).digest;
    const filler = join(disk, 'filler');
    let refused = 0;
    let taken = 0;
    for (let left = 0; left <= 160 * 1024; left += 4096) {
      await writeFile(filler, Buffer.alloc(Math.max(0, (await free(disk)) - left)));
      const layer = chance.bytes(1000);
      const reply = await failure(client.pushImage('app', 'moving', [layer], chance.pick([...ways])));
      if (reply !== undefined) {
        assertFull(reply);
        refused++;
        const found = await client.pullManifest('app', 'moving');
        assert.equal(found.digest, current, 'a refused push moves no tag');
      } else {
        taken++;
        current = (await client.pullManifest('app', 'moving')).digest;
        await client.pullBlob('app', digestOf(layer));
      }
      assert.deepEqual(await client.tags('app'), ['moving']);
      await rm(filler);
      await rm(join(disk, 'data/docker/registry/v2/repositories/app/_uploads'), { recursive: true, force: true });
    }
    t.diagnostic(`${refused} pushes refused, ${taken} taken`);
    assert.ok(refused > 3 && taken > 3);
    const { digest } = await client.pushImage('app', 'moving', [chance.bytes(1000)]);
    assert.equal((await client.pullManifest('app', 'moving')).digest, digest);
  });
});

test('with no space left at all images can still be deleted', async (t) => {
  await withDisk(t, 4 * MiB, async ({ client, disk, chance }) => {
    const { digest } = await client.pushImage('app', 'v1', [chance.bytes(1000)]);
    await writeFile(join(disk, 'filler'), Buffer.alloc(await free(disk)));
    assertFull(await client.send('POST', '/v2/app/blobs/uploads/'));
    await client.expect(202, 'DELETE', '/v2/app/manifests/v1');
    await client.expect(202, 'DELETE', `/v2/app/manifests/${digest}`);
    await client.expect(404, 'GET', '/v2/app/manifests/v1');
    assert.deepEqual(await client.tags('app'), []);
  });
});
