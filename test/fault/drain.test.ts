/** SIGTERM: what is under way ends, nothing new begins, readiness tells it first, and the exit code tells how it went. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { stablePort } from '../support/apiserver-process.ts';
import { eventually } from '../support/eventually.ts';
import { createPushClient, digestOf, type PushClient } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { connect, head, type RawConnection } from '../support/torn.ts';

const bytes = createChance('drain').bytes(5_000_000);

interface Rig {
  readonly server: RegistryProcess;
  readonly client: PushClient;
  readonly root: string;
  readonly debug: string;
  /** A PUT of `bytes` of which all but the last byte were sent. */
  readonly upload: RawConnection;
  readonly location: string;
}

async function midUpload(t: TestContext, draintimeout: string): Promise<Rig> {
  const root = join(await temporaryFolder(t), 'data');
  const debugPort = await stablePort();
  const http = { draintimeout, debug: { addr: `127.0.0.1:${debugPort}` } };
  const server = await startRegistry(t, { root, config: { http } });
  const client = createPushClient(server.url);
  t.after(() => client.close());
  const location = await client.beginUpload('app');
  const { pathname, search } = new URL(location);
  const upload = await connect(server.port);
  await upload.send(head(`PUT ${pathname}${search}&digest=${digestOf(bytes)}`, `Content-Length: ${bytes.length}`));
  await upload.send(bytes.subarray(0, -1));
  await eventually(async () => {
    const { headers } = await client.expect(204, 'GET', location);
    assert.notEqual(headers['range'], '0-0');
  });
  return { server, client, root, debug: `http://127.0.0.1:${debugPort}`, upload, location };
}

const isRefused = (port: number): Promise<boolean> =>
  connect(port).then(
    (connection) => {
      connection.socket.destroy();
      return false;
    },
    (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
  );

test('an upload under way is finished and answered; readiness fails, then connections are refused; exit 0', async (t) => {
  const { server, client, root, debug, upload } = await midUpload(t, '60s');
  const idle = await connect(server.port);
  await idle.send(head('GET /v2/'));
  await idle.answers(1);
  assert.equal((await fetch(`${debug}/readyz`)).status, 200);

  const ended = server.stop();
  await eventually(async () => assert.equal((await fetch(`${debug}/readyz`)).status, 503));
  assert.equal((await fetch(`${debug}/livez`)).status, 200);
  // Load balancers have yet to notice: they are served, and told that it is the last time.
  const late = await client.send('GET', '/v2/');
  assert.equal(late.status, 200);
  assert.equal(late.headers['connection'], 'close');
  await eventually(async () => assert.ok(await isRefused(server.port)));
  await idle.closed();
  assert.deepEqual(upload.statuses(), [], 'the upload is still under way');

  await upload.send(bytes.subarray(-1));
  assert.deepEqual(await upload.answers(1), [201]);
  assert.match(upload.text(), /\r\nConnection: close\r\n/i);
  assert.equal(await ended, 0);
  assert.deepEqual(server.complaints(), []);

  await startRegistry(t, { root, port: server.port });
  await client.pullBlob('app', digestOf(bytes));
});

test('an upload that outlasts http.draintimeout is cut off and exit code 1 tells; its bytes are there after the restart', async (t) => {
  const { server, client, root, upload, location } = await midUpload(t, '3s');
  const ended = server.stop();
  assert.equal(await ended, 1);
  await upload.closed();
  assert.deepEqual(upload.statuses(), []);
  assert.match(server.stderr(), /draintimeout passed/);

  await startRegistry(t, { root, port: server.port });
  const status = await client.expect(204, 'GET', location);
  const stored = Number(status.headers['range']?.slice(2)) + 1;
  assert.ok(stored > 1 && stored < bytes.length, `${stored} bytes are stored`);
  await client.finishUpload(status.headers['location'] ?? '', digestOf(bytes), bytes.subarray(stored));
  await client.pullBlob('app', digestOf(bytes));
});

test('without http.draintimeout nothing is waited for; a second signal does not wait either', async (t) => {
  const none = await midUpload(t, '0s');
  assert.equal(await none.server.stop(), 0);
  await none.upload.closed();

  const hurried = await midUpload(t, '60s');
  const ended = hurried.server.stop();
  await sleep(300);
  hurried.server.signal('SIGTERM');
  assert.equal(await ended, 1);
});
