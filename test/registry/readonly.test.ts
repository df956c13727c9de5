/** Read-only mode: what is refused and how, that it comes and goes without a restart, and that reading writes nothing. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, silent } from '../../registry/log.ts';
import { createReadOnlyMode } from '../../registry/readonly.ts';
import { stablePort } from '../support/apiserver-process.ts';
import { eventually } from '../support/eventually.ts';
import { createPushClient, digestOf, type PushClient, types } from '../support/push-client.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';

const zero = `sha256:${'0'.repeat(64)}`;

/** Every write, and the reads that are left at its path. */
const writes = [
  ['POST', '/v2/app/blobs/uploads/', 'OPTIONS'],
  ['POST', `/v2/app/blobs/uploads/?mount=${zero}&from=a`, 'OPTIONS'],
  ['PATCH', '/v2/app/blobs/uploads/11111111-1111-4111-8111-111111111111', 'GET, HEAD, OPTIONS'],
  ['PUT', `/v2/app/blobs/uploads/11111111-1111-4111-8111-111111111111?digest=${zero}`, 'GET, HEAD, OPTIONS'],
  ['DELETE', '/v2/app/blobs/uploads/11111111-1111-4111-8111-111111111111', 'GET, HEAD, OPTIONS'],
  ['PUT', '/v2/app/manifests/v1', 'GET, HEAD, OPTIONS'],
  ['DELETE', '/v2/app/manifests/v1', 'GET, HEAD, OPTIONS'],
  ['DELETE', `/v2/app/manifests/${zero}`, 'GET, HEAD, OPTIONS'],
  ['DELETE', `/v2/app/blobs/${zero}`, 'GET, HEAD, OPTIONS'],
] as const;

async function assertRefused(client: PushClient): Promise<void> {
  for (const [method, path, allowed] of writes) {
    const reply = await client.send(method, path, { body: Buffer.from('bytes') });
    assert.equal(reply.status, 405, `${method} ${path}`);
    assert.equal(reply.headers['allow'], allowed, `${method} ${path}`);
    assert.equal(JSON.parse(reply.body.toString()).errors[0].code, 'UNSUPPORTED');
    const options = await client.send('OPTIONS', path);
    assert.deepEqual([options.status, options.headers['allow']], [200, allowed]);
  }
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.map((entry) => join(entry.parentPath, entry.name)).sort();
}

/** A signature as another program leaves it: no index tells of it. */
async function plantReferrer(root: string, subject: object, config: object): Promise<string> {
  const content = { schemaVersion: 2, mediaType: types.manifest, config, layers: [], subject };
  const bytes = Buffer.from(JSON.stringify(content));
  const digest = digestOf(bytes);
  const hex = digest.slice(7);
  const v2 = join(root, 'docker/registry/v2');
  for (const [path, data] of [
    [`blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, bytes],
    [`repositories/app/_manifests/revisions/sha256/${hex}/link`, digest],
  ] as const) {
    await mkdir(dirname(join(v2, path)), { recursive: true });
    await writeFile(join(v2, path), data);
  }
  return digest;
}

describe('read-only mode', () => {
  test('by a file: refused while it is there, told in log and metrics; reading goes on and writes nothing', async (t) => {
    const folder = await temporaryFolder(t);
    const [root, file] = [join(folder, 'data'), join(folder, 'readonly')];
    const debug = await stablePort();
    const server = await startRegistry(t, {
      root,
      config: {
        storage: { maintenance: { readonly: { file } } },
        http: { debug: { addr: `127.0.0.1:${debug}`, prometheus: { enabled: true, path: '/metrics' } } },
      },
    });
    const client = createPushClient(server.url);
    t.after(() => client.close());
    const pushed = await client.pushImage('app', 'v1', [Buffer.from('layer')]);
    const upload = await client.append(await client.beginUpload('app'), Buffer.from('begun'));
    const metric = async (): Promise<string> =>
      (await (await fetch(`http://127.0.0.1:${debug}/metrics`)).text()).match(/^registry_read_only .*$/m)?.[0] ?? '';
    assert.equal(await metric(), 'registry_read_only 0');

    await writeFile(file, '');
    await eventually(async () => assert.equal((await client.send('POST', '/v2/app/blobs/uploads/')).status, 405));
    await assertRefused(client);
    assert.equal(await metric(), 'registry_read_only 1');
    assert.match(server.stderr(), /read-only: the file is there/);

    const { config } = JSON.parse(pushed.bytes.toString());
    const subject = { mediaType: types.manifest, digest: pushed.digest, size: pushed.bytes.length };
    const referrer = await plantReferrer(root, subject, config);
    const before = await filesOf(root);
    await client.pullManifest('app', 'v1');
    assert.deepEqual(await client.tags('app'), ['v1']);
    assert.deepEqual(await client.catalog(), ['app']);
    await client.expect(204, 'GET', upload);
    for (let round = 0; round < 2; round++) {
      const { body } = await client.expect(200, 'GET', `/v2/app/referrers/${pushed.digest}`);
      const found = (JSON.parse(body.toString()) as { manifests: { digest: string }[] }).manifests;
      assert.deepEqual(
        found.map(({ digest }) => digest),
        [referrer],
      );
    }
    assert.deepEqual(await filesOf(root), before);

    await rm(file);
    await eventually(async () => assert.equal((await client.send('POST', '/v2/app/blobs/uploads/')).status, 202));
    await client.finishUpload(upload, digestOf(Buffer.from('begun')));
    assert.match(server.stderr(), /read-only mode has ended/);
    assert.deepEqual(server.complaints(), []);
  });

  test('by the configuration: from the first request on', async (t) => {
    const root = join(await temporaryFolder(t), 'data');
    const config = { storage: { maintenance: { readonly: { enabled: true } } } };
    const server = await startRegistry(t, { root, config });
    const client = createPushClient(server.url);
    t.after(() => client.close());
    await assertRefused(client);
    assert.match(server.stderr(), /readonly.enabled is set/);
  });

  test('is as it was while nobody can tell; a file system that hangs is asked once and keeps nobody', async () => {
    const told: string[] = [];
    const log: Logger = { ...silent, error: (_fields, message) => void told.push(message) };
    let answer: () => Promise<boolean> = async () => true;
    const mode = createReadOnlyMode({ enabled: false, file: '/x' }, { log, exists: () => answer() });
    await mode.start();
    assert.equal(mode.active(), true);
    answer = async () => {
      throw new Error('EIO');
    };
    await eventually(() => assert.equal(told.length, 1));
    assert.equal(mode.active(), true);
    let asked = 0;
    answer = () => {
      asked++;
      return new Promise(() => undefined);
    };
    await eventually(() => assert.equal(asked, 1));
    await sleep(1200);
    assert.equal(asked, 1);
    mode.stop();
  });
});
