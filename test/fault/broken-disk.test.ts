/**
 * A disk that is read-only, closed to us, slow, or fails: what was pushed is served as far as it can be read, a push is told
 * an error that a client can read and leaves nothing half-made, and once the disk is well everything works.
 */
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, rm } from 'node:fs/promises';
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
import { createChance } from '../support/push-client-random.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { requireTool, skip } from '../support/tools.ts';
import { execute } from '../tools/execute.ts';

const isRoot = process.getuid?.() === 0;
const chance = createChance('broken disk');

const failure = async (work: Promise<unknown>): Promise<Reply | undefined> => {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof UnexpectedStatus) return error.reply;
    throw error;
  }
};

/** A fault of ours, in the envelope, without a word of paths or system calls. */
function assertFault(reply: Reply | undefined, what: string): void {
  assert.ok(reply !== undefined, `${what} was taken`);
  assert.ok(reply.status >= 500, `${what}: ${reply.status} ${reply.body}`);
  assert.equal(reply.headers['content-type'], 'application/json', what);
  const { errors } = JSON.parse(reply.body.toString()) as { errors: { code: string }[] };
  assert.equal(errors[0]?.code, 'UNKNOWN', what);
  assert.doesNotMatch(reply.body.toString(), /\/docker\/|E[A-Z]{3,}|syscall|\.ts/, what);
}

interface Rig {
  readonly client: PushClient;
  readonly server: RegistryProcess;
}

async function withServer(
  t: TestContext,
  root: string,
  under: readonly string[],
  work: (rig: Rig) => Promise<void>,
): Promise<void> {
  const server = await startRegistry(t, { root, under });
  const client = createPushClient(server.url);
  try {
    await work({ client, server });
    assert.doesNotMatch(server.stderr(), /unhandled/i);
  } finally {
    await client.close();
    await server.kill();
  }
}

/** Every way of writing is refused, and nothing of it is seen. */
async function assertNothingIsTaken(client: PushClient, manifest: string): Promise<void> {
  const bytes = chance.bytes(50_000);
  for (const way of ways) {
    assertFault(await failure(client.pushBlob('app', bytes, way)), `a push by ${way}`);
    await client.expect(404, 'HEAD', `/v2/app/blobs/${digestOf(bytes)}`);
  }
  const pulled = await client.pullManifest('app', 'v1');
  assertFault(await failure(client.pushManifest('app', 'v2', JSON.parse(pulled.bytes.toString()))), 'a manifest');
  assertFault(await failure(client.expect(202, 'DELETE', `/v2/app/manifests/${manifest}`)), 'a delete');
  assertFault(await failure(client.expect(202, 'DELETE', '/v2/app/manifests/v1')), 'a delete of a tag');
  assert.deepEqual(await client.tags('app'), ['v1']);
  assert.equal((await client.pullManifest('app', 'v1')).digest, manifest);
}

async function assertAllWorks(client: PushClient, tag: string): Promise<void> {
  const layer = chance.bytes(60_000);
  for (const way of ways) {
    const { digest } = await client.pushImage('app', tag, [layer, chance.bytes(1000)], way);
    assert.equal((await client.pullManifest('app', tag)).digest, digest);
    await client.pullBlob('app', digestOf(layer));
  }
}

test('a file system that has become read-only serves what it has; pushes and deletes are told', async (t) => {
  const disk = join(await temporaryFolder(t), 'disk');
  await mkdir(disk);
  try {
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
  } catch (error) {
    return skip(t, `a file system of its own takes a mount, which takes root: ${(error as Error).message}`);
  }
  try {
    await withServer(t, join(disk, 'data'), [], async ({ client, server }) => {
      const layer = chance.bytes(2_000_000);
      const { digest } = await client.pushImage('app', 'v1', [layer]);
      const location = await client.append(await client.beginUpload('app'), layer.subarray(0, 1000));
      await execute('mount', ['-o', 'remount,ro', disk]);
      await assertNothingIsTaken(client, digest);
      await client.pullBlob('app', digestOf(layer));
      assert.match(server.stderr(), /EROFS|read-only/i, 'the log names the cause');
      await execute('mount', ['-o', 'remount,rw', disk]);
      await assertAllWorks(client, 'v2');
      await client.finishUpload(location, digestOf(layer), layer.subarray(1000));
    });
  } finally {
    await execute('umount', ['--lazy', disk]);
  }
});

test('a folder that the server may not write: as a read-only one; one that it may not read is no absence', async (t) => {
  if (!isRoot) return skip(t, 'a server under another user takes root');
  const folder = await temporaryFolder(t);
  const root = join(folder, 'data');
  const [user, group] = [65532, 65532];
  await chmod(folder, 0o755);
  await mkdir(root);
  await chown(root, user, group);
  const under = ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups', '--inh-caps=-all'];
  await withServer(t, root, under, async ({ client, server }) => {
    const layer = chance.bytes(2_000_000);
    const { digest } = await client.pushImage('app', 'v1', [layer]);
    const v2 = join(root, 'docker/registry/v2');
    const each = async (work: (path: string) => Promise<void>): Promise<void> => {
      const entries = await readdir(v2, { recursive: true, withFileTypes: true });
      for (const entry of entries) if (entry.isDirectory()) await work(join(entry.parentPath, entry.name));
      await work(v2);
    };
    await each((path) => chown(path, 0, 0));
    await assertNothingIsTaken(client, digest);
    await client.pullBlob('app', digestOf(layer));

    const hex = digestOf(layer).slice(7);
    const data = join(v2, 'blobs/sha256', hex.slice(0, 2), hex);
    await chmod(data, 0o700);
    assertFault(await client.send('GET', `/v2/app/blobs/${digestOf(layer)}`), 'a blob that may not be read');
    await chmod(data, 0o755);
    assert.match(server.stderr(), /EACCES|permission/i, 'the log names the cause');
    await each((path) => chown(path, user, group));
    await client.pullBlob('app', digestOf(layer));
    await assertAllWorks(client, 'v2');
  });
});

test('folders of `_berth` that the server may not write: pushes go on, and the log names the folder', async (t) => {
  if (!isRoot) return skip(t, 'a server under another user takes root');
  const folder = await temporaryFolder(t);
  const root = join(folder, 'data');
  const [user, group] = [65532, 65532];
  const own = join(root, 'docker/registry/v2/_berth');
  await chmod(folder, 0o755);
  // As a collection leaves them that root has run before the first push.
  await mkdir(join(own, 'leases'), { recursive: true });
  for (const path of [root, join(root, 'docker'), join(root, 'docker/registry'), join(root, 'docker/registry/v2')])
    await chown(path, user, group);
  const under = ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups', '--inh-caps=-all'];
  await withServer(t, root, under, async ({ client, server }) => {
    for (const way of ways) await client.pushImage('app', way, [chance.bytes(50_000)], way);
    assert.match(server.stderr(), /_berth cannot be read and written by this user \(65532\).*chown -R 65532:65532/);
    assert.match(server.stderr(), /\/_berth\/pushers/);
    assert.ok(!(await readdir(own)).includes('pushers'));
  });
});

/** What strace does to the server's system calls. */
async function injected(t: TestContext, ...what: readonly string[]): Promise<readonly string[] | undefined> {
  const tools = await requireTool(t, 'strace');
  if (!tools) return undefined;
  const calls = [...new Set(what.map((injection) => injection.split(':')[0]))].join(',');
  const options = what.flatMap((injection) => ['-e', `inject=${injection}`]);
  return [tools.strace, '-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`, ...options];
}

test('a disk on which each sync and each rename takes its time: all is right, only later', async (t) => {
  const under = await injected(t, 'fsync,fdatasync:delay_exit=50000', 'rename,renameat,renameat2:delay_exit=20000');
  if (!under) return;
  await withServer(t, join(await temporaryFolder(t), 'data'), under, async ({ client, server }) => {
    const layers = Array.from({ length: 6 }, () => chance.bytes(30_000));
    const pushes = ways.map((way) => client.pushImage('app', way, layers, way));
    for (const [at, { digest }] of (await Promise.all(pushes)).entries()) {
      assert.equal((await client.pullManifest('app', ways[at] ?? '')).digest, digest);
    }
    for (const layer of layers) await client.pullBlob('app', digestOf(layer));
    assert.deepEqual(server.complaints(), []);
  });
});

test('bytes that the device failed to keep are not trusted again: their upload is gone', async (t) => {
  const under = await injected(t, 'fsync,fdatasync:error=EIO');
  if (!under) return;
  const root = join(await temporaryFolder(t), 'data');
  const begun: string[] = [];
  await withServer(t, root, [], async ({ client }) => {
    for (let count = 0; count < 2; count++) begun.push(await client.beginUpload('app'));
  });
  const [first = '', second = ''] = begun.map((location) => new URL(location).pathname);
  await withServer(t, root, under, async ({ client, server }) => {
    const piece = {
      headers: { 'content-type': 'application/octet-stream' },
      body: Buffer.alloc(4 * 1024 * 1024, 'bytes'),
    };
    assertFault(await client.send('PATCH', first, piece), 'a piece');
    await client.expect(404, 'GET', first);
    assertFault(await client.send('PUT', `${second}?digest=${digestOf(piece.body)}`, piece), 'the whole');
    await client.expect(404, 'GET', second);
    await client.expect(404, 'GET', `/v2/app/blobs/${digestOf(piece.body)}`);
    assert.match(server.stderr(), /EIO/);
  });
});

test('a device that fails to keep what is synced now and then: what was answered 201 is there, the rest is told and can be pushed again', async (t) => {
  const under = await injected(t, 'fsync,fdatasync:error=EIO:when=9+20');
  if (!under) return;
  const root = join(await temporaryFolder(t), 'data');
  const kept = new Map<string, Buffer>();
  let failed = 0;
  await withServer(t, root, under, async ({ client }) => {
    for (let count = 0; count < 60; count++) {
      const bytes = chance.bytes(1 + chance.size(20_000));
      const way = chance.pick([...ways]);
      const reply = await failure(client.pushBlob('app', bytes, way));
      if (reply === undefined) kept.set(digestOf(bytes), bytes);
      else {
        failed++;
        // An upload whose bytes are no longer trusted may be gone at the next step.
        if (reply.status !== 404) assertFault(reply, way);
      }
    }
    t.diagnostic(`${kept.size} blobs taken, ${failed} pushes failed`);
    assert.ok(failed > 3 && kept.size > 3);
    for (const digest of kept.keys()) await client.pullBlob('app', digest);
  });
  await withServer(t, root, [], async ({ client }) => {
    for (const digest of kept.keys()) await client.pullBlob('app', digest);
    await assertAllWorks(client, 'v1');
    await rm(root, { recursive: true });
  });
});
