/** A storage that stops answering: requests end in 503 within their time, nothing is answered 2xx, and all works afterwards. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../../registry/app.ts';
import { createBaseUrl } from '../../../registry/http/location.ts';
import { createUploadStates } from '../../../registry/http/upload-state.ts';
import { silent } from '../../../registry/log.ts';
import type { Store } from '../../../registry/storage/store.ts';
import { createPushClient, digestOf, type PushClient } from '../../support/push-client.ts';
import { memory, replica } from '../service/ground.ts';

interface Hanging {
  readonly store: Store;
  /** Nothing that is begun from now on comes to an end, until it is let go. */
  hang(): void;
  letGo(): void;
}

/** Operations that hang do so whether or not they are told to stop, as calls to a dead network file system do. */
function hanging(store: Store): Hanging {
  let gate: Promise<void> | undefined;
  let open = (): void => undefined;
  const wait = (target: object): object =>
    new Proxy(target, {
      get(_, name) {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          const run = (): unknown => (value as (...args: unknown[]) => unknown).apply(target, args);
          if (name === 'resumeUpload') return wait(run() as object);
          return gate === undefined ? run() : gate.then(run);
        };
      },
    });
  return {
    store: wait(store) as Store,
    hang() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    letGo() {
      gate = undefined;
      open();
    },
  };
}

async function serve(t: TestContext): Promise<{ client: PushClient; storage: Hanging }> {
  const storage = hanging(memory());
  const app = createApp({
    services: replica(storage.store),
    baseUrl: createBaseUrl({ host: undefined, prefix: '', relativeurls: false }),
    states: createUploadStates('secret', () => new Date()),
    deleteEnabled: true,
    maxCatalog: 1000,
    maxTags: 1000,
    prefix: '/',
    headers: {},
    unhealthy: () => undefined,
    draining: () => false,
    observer: { began: () => undefined, ended: () => undefined },
    log: silent,
    newId: () => crypto.randomUUID(),
    deadlines: { reading: 100, writing: 200 },
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const client = createPushClient(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
  t.after(async () => {
    await client.close();
    storage.letGo();
    await app.close();
  });
  return { client, storage };
}

test('while the storage hangs every kind of request is told 503 in time, and afterwards all is as it was', async (t) => {
  const { client, storage } = await serve(t);
  const layer = Buffer.alloc(2_000_000, 'layer');
  const { digest } = await client.pushImage('app', 'v1', [layer]);
  const location = await client.append(await client.beginUpload('app'), layer.subarray(0, 1000));
  const { pathname, search } = new URL(location);

  storage.hang();
  const overdue = async (method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: Buffer) => {
    const reply = await client.send(method, path, { body, headers: { 'content-type': 'application/octet-stream' } });
    assert.equal(reply.status, 503, `${method} ${path}`);
    if (method !== 'HEAD') assert.match(reply.body.toString(), /"UNAVAILABLE"/);
  };
  await Promise.all([
    overdue('GET', '/v2/_catalog'),
    overdue('GET', '/v2/app/tags/list'),
    overdue('GET', '/v2/app/manifests/v1'),
    overdue('HEAD', '/v2/app/manifests/v1'),
    overdue('GET', `/v2/app/blobs/${digestOf(layer)}`),
    overdue('GET', `/v2/app/referrers/${digest}`),
    overdue('POST', '/v2/app/blobs/uploads/'),
    overdue('GET', pathname + search),
    overdue('PATCH', pathname + search, layer.subarray(1000)),
    overdue('DELETE', '/v2/app/manifests/v1'),
    overdue('DELETE', `/v2/app/blobs/${digestOf(layer)}`),
  ]);
  await client.expect(200, 'GET', '/v2/');

  storage.letGo();
  await client.pushImage('other', 'v1', [layer]);
  await client.pullManifest('other', 'v1');
});

test('a body that is still on its way has all the time that its client needs', async (t) => {
  const { client } = await serve(t);
  async function* slowly() {
    for (let count = 0; count < 8; count++) {
      yield Buffer.from('piece');
      await sleep(100);
    }
  }
  const bytes = Buffer.from('piece'.repeat(8));
  const location = await client.beginUpload('app');
  const body = Readable.from(slowly(), { objectMode: false });
  const headers = { 'content-type': 'application/octet-stream' };
  await client.expect(201, 'PUT', `${location}&digest=${digestOf(bytes)}`, { headers, body });
  await client.pullBlob('app', digestOf(bytes));
});
