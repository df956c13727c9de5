/** Distribution's purge of uploads finds ours, also those that clients tore, and leaves the rest of the tree alone. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPushClient } from '../support/push-client.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { execute } from '../tools/execute.ts';

const module = new URL('../tools/distribution', import.meta.url).pathname;
const program = new URL('./trees-purge.go', import.meta.url).pathname;
/** Like those with which `test/tools` builds this module, so that its packages are compiled already. */
const environment = { CGO_ENABLED: '0', GOFLAGS: '-trimpath -buildvcs=false', GOWORK: 'off' };

test('old uploads of Berth are purged by Distribution, young ones stay and go on', async (t) => {
  // Whoever can have Distribution can have Go.
  if (!(await requireTool(t, 'distribution'))) return;
  const root = join(await temporaryFolder(t), 'data');
  const server = await startRegistry(t, { root });
  const client = createPushClient(server.url);
  t.after(() => client.close());
  const pushed = await client.pushImage('app/web', 'v1', [Buffer.from('layer')]);
  const bytes = Buffer.alloc(5_000_000, 'x');
  const old = [await client.beginUpload('app/web'), await client.append(await client.beginUpload('app/web'), bytes)];
  const young = await client.append(await client.beginUpload('app/web'), bytes);
  const uploads = join(root, 'docker/registry/v2/repositories/app/web/_uploads');
  const idOf = (location: string): string => new URL(location).pathname.split('/').at(-1) ?? '';
  assert.ok((await readdir(join(uploads, idOf(young)))).includes('progress'), 'ours lies among theirs');
  for (const location of old) {
    const path = join(uploads, idOf(location), 'startedat');
    assert.match(await readFile(path, 'utf8'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'as Distribution writes it');
    await writeFile(path, '2020-01-01T00:00:00Z');
  }

  const { stdout } = await execute('go', ['run', program, root, '24h'], {
    cwd: module,
    env: environment,
    deadline: 600_000,
  });
  assert.deepEqual(
    stdout.trim().split('\n').sort(),
    old.map((location) => `/docker/registry/v2/repositories/app/web/_uploads/${idOf(location)}`).sort(),
  );
  for (const location of old) await client.expect(404, 'GET', location);
  assert.deepEqual(await readdir(uploads), [idOf(young)]);
  await client.append(young, bytes, bytes.length);
  assert.equal((await client.pullManifest('app/web', 'v1')).digest, pushed.digest);
  assert.deepEqual(server.complaints(), []);
});
