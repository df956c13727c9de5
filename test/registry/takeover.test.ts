/** Requests that meet on one upload: whatever they do to each other, a blob has the bytes of its digest. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { createPushClient, digestOf } from '../support/push-client.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';

const name = 'meet/here';

async function begin({ url }: RegistryProcess): Promise<URL> {
  const opened = await fetch(`${url}/v2/${name}/blobs/uploads/`, { method: 'POST' });
  return new URL(opened.headers.get('location') ?? '', url);
}

function open(method: string, url: URL): ClientRequest {
  return request(url, { method, headers: { 'content-type': 'application/octet-stream' }, agent: false });
}

async function answerTo(client: ClientRequest): Promise<number> {
  const [answer] = (await once(client, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode ?? 0;
}

const withDigest = (url: URL, digest: string): URL => {
  const closing = new URL(url);
  closing.searchParams.set('digest', digest);
  return closing;
};

async function prepare(t: TestContext): Promise<RegistryProcess> {
  return await startRegistry(t, { root: await temporaryFolder(t) });
}

/** Bytes stored so far, once they are at least so many. */
async function storedAtLeast(location: URL, bytes: number): Promise<number> {
  for (;;) {
    const status = await fetch(location);
    const stored = Number(/-(\d+)$/.exec(status.headers.get('range') ?? '')?.[1] ?? 0) + 1;
    if (stored >= bytes) return stored;
  }
}

test('a hash of bytes that somebody else took over is never believed', async (t) => {
  const registry = await prepare(t);
  const right = Buffer.alloc(4 * 1024 * 1024, 'right');
  const digest = digestOf(right);
  const client = createPushClient(registry.url);
  t.after(() => client.close());
  const location = await begin(registry);
  const bare = new URL(location.pathname, location);
  const first = open('PUT', withDigest(bare, digest));
  first.write(right.subarray(0, 2 * 1024 * 1024));
  const stored = await storedAtLeast(location, 1024 * 1024);
  const second = open('PATCH', bare);
  second.end(Buffer.alloc(right.length - stored, 'wrong'));
  const taken = await answerTo(second);
  first.end(right.subarray(2 * 1024 * 1024));
  const refused = await answerTo(first);
  assert.ok([202, 416].includes(taken), `the second was answered ${taken}`);
  assert.notEqual(taken === 202, refused === 201, 'one of them was told that it won');
  const closed = await fetch(withDigest(bare, digest), { method: 'PUT' });
  const blob = await fetch(`${registry.url}/v2/${name}/blobs/${digest}`);
  const bytes = Buffer.from(await blob.arrayBuffer());
  if (blob.status === 200) assert.equal(digestOf(bytes), digest, `a blob with other bytes, after ${closed.status}`);
  else assert.notEqual(closed.status, 201);
  assert.deepEqual(registry.complaints(), []);
});

test('a piece that comes up short while another takes the upload over ends neither', async (t) => {
  const registry = await prepare(t);
  const location = await begin(registry);
  const bare = new URL(location.pathname, location);
  const first = open('PATCH', bare);
  first.setHeader('content-range', `0-${64 * 1024 * 1024 - 1}`);
  first.write(Buffer.alloc(24 * 1024 * 1024, 'a'));
  await storedAtLeast(location, 16 * 1024 * 1024);
  const second = open('PATCH', bare);
  second.end(Buffer.alloc(1000, 'b'));
  first.end();
  const outcomes = await Promise.all([answerTo(first), answerTo(second)]);
  for (const status of outcomes) assert.ok([202, 400, 404, 416].includes(status), `${outcomes}`);
  const status = await fetch(location);
  assert.ok([204, 404].includes(status.status));
  assert.deepEqual(registry.complaints(), []);
});
