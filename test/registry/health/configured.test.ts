/** The checks of files, HTTP and TCP, on real files and servers, under the names that Distribution gives them. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { HealthConfig } from '../../../registry/config/types.ts';
import type { Check } from '../../../registry/health/checks.ts';
import { configuredChecks } from '../../../registry/health/configured.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import { stablePort } from '../../support/apiserver-process.ts';
import { temporaryFolder } from '../../support/registry-process.ts';

const none: HealthConfig = {
  storagedriver: { enabled: false, interval: 1000, threshold: 1 },
  file: [],
  http: [],
  tcp: [],
};
const often = { interval: 1000, threshold: 1 };

const checks = (config: Partial<HealthConfig>): readonly Check[] =>
  configuredChecks({ ...none, ...config }, createMemoryStore());

/** The reason why a check fails now; `undefined` if it passes. */
async function reason(check: Check | undefined, signal = AbortSignal.timeout(10_000)): Promise<string | undefined> {
  assert.ok(check !== undefined);
  return check.probe({ signal }).then(
    () => undefined,
    (error: Error) => error.message,
  );
}

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function web(t: TestContext, answer: RequestListener): Promise<{ port: number; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  t.after(() => server.closeAllConnections());
  return { port: await listening(t, server), asked };
}

suite('what is configured', () => {
  test('has the names of Distribution, the given intervals and thresholds, and always a deadline', () => {
    const found = checks({
      storagedriver: { enabled: true, interval: 7, threshold: 3 },
      file: [{ file: '/tmp/down', interval: 8, threshold: 1 }],
      http: [{ uri: 'http://a/b', statuscode: 200, timeout: 9, interval: 10, threshold: 4, headers: {} }],
      tcp: [{ addr: 'db:5432', timeout: undefined, interval: 11, threshold: 5 }],
    });
    assert.deepEqual(
      found.map(({ name, interval, threshold }) => [name, interval, threshold]),
      [
        ['storagedriver_inmemory', 7, 3],
        ['/tmp/down', 8, 1],
        ['http://a/b', 10, 4],
        ['db:5432', 11, 5],
      ],
    );
    assert.equal(found[2]?.deadline, 9);
    assert.ok(found.every(({ deadline }) => deadline > 0 && deadline <= 10_000));
  });

  test('shows no secret of a URI; two that differ in nothing else are told apart', () => {
    const http = ['one', 'two'].map((secret) => ({
      ...often,
      uri: `https://user:${secret}@host/x?key=${secret}`,
      statuscode: 200,
      timeout: undefined,
      headers: {},
    }));
    assert.deepEqual(
      checks({ http }).map(({ name }) => name),
      ['https://[redacted]@host/x?[redacted]', 'https://[redacted]@host/x?[redacted] (2)'],
    );
  });
});

suite('a file', () => {
  test('fails while it exists, a folder too', async (t) => {
    const file = join(await temporaryFolder(t), 'down');
    const [check] = checks({ file: [{ file, ...often }] });
    assert.equal(await reason(check), undefined);
    await writeFile(file, '');
    assert.equal(await reason(check), 'file exists');
    await rm(file);
    assert.equal(await reason(check), undefined);
    await mkdir(file);
    assert.equal(await reason(check), 'file exists');
  });

  test('that cannot be looked for fails: nobody knows whether it is there', async (t) => {
    const file = join(await temporaryFolder(t), 'plain');
    await writeFile(file, '');
    const [check] = checks({ file: [{ file: join(file, 'down'), ...often }] });
    assert.match((await reason(check)) ?? '', /^ENOTDIR/);
  });
});

suite('HTTP', () => {
  const checkOf = (uri: string, more: Partial<HealthConfig['http'][number]> = {}) =>
    checks({ http: [{ ...often, uri, statuscode: 200, timeout: undefined, headers: {}, ...more }] })[0];

  test('is asked by HEAD, with the configured headers, and the status has to be the configured one', async (t) => {
    const { port, asked } = await web(t, (_, response) => response.writeHead(204).end());
    const headers = { 'X-Key': ['a', 'b'], Authorization: ['Token x'] };
    const uri = `http://127.0.0.1:${port}/up?x=1`;
    assert.equal(await reason(checkOf(uri, { statuscode: 204, headers })), undefined);
    assert.equal(asked[0]?.method, 'HEAD');
    assert.equal(asked[0]?.url, '/up?x=1');
    assert.equal(asked[0]?.headers['x-key'], 'a, b');
    assert.equal(asked[0]?.headers.authorization, 'Token x');
    assert.equal(
      await reason(checkOf(uri)),
      `http://127.0.0.1:${port}/up?[redacted]: downstream service returned unexpected status: 204`,
    );
  });

  test('follows redirects, as Go does', async (t) => {
    const { port } = await web(t, (request, response) =>
      request.url === '/up' ? response.writeHead(200).end() : response.writeHead(302, { location: '/up' }).end(),
    );
    assert.equal(await reason(checkOf(`http://127.0.0.1:${port}/`)), undefined);
  });

  test('sends user and password of the URI as Basic, and tells them nobody', async (t) => {
    const { port, asked } = await web(t, (_, response) => response.writeHead(500).end());
    const told = await reason(checkOf(`http://ann:hunter%32@127.0.0.1:${port}/`));
    assert.equal(asked[0]?.headers.authorization, `Basic ${Buffer.from('ann:hunter2').toString('base64')}`);
    assert.equal(told, `http://[redacted]@127.0.0.1:${port}/: downstream service returned unexpected status: 500`);
  });

  test('takes a percent sign in a password for what it is', async (t) => {
    const { port, asked } = await web(t, (_, response) => response.writeHead(200).end());
    assert.equal(await reason(checkOf(`http://ann:100%@127.0.0.1:${port}/`)), undefined);
    assert.equal(asked[0]?.headers.authorization, `Basic ${Buffer.from('ann:100%').toString('base64')}`);
  });

  test('that cannot be reached says why', async () => {
    const port = await stablePort();
    assert.match((await reason(checkOf(`http://127.0.0.1:${port}/`))) ?? '', /error while checking: .*ECONNREFUSED/);
    assert.match((await reason(checkOf('http://127.0.0.1:1/', { headers: { 'a b': ['c'] } }))) ?? '', /./);
  });

  test('that is silent ends with its signal and leaves no connection', async (t) => {
    const { port, asked } = await web(t, () => {});
    const told = await reason(checkOf(`http://127.0.0.1:${port}/`), AbortSignal.timeout(50));
    assert.match(told ?? '', /error while checking/);
    const [request] = asked;
    assert.ok(request !== undefined);
    if (!request.socket.destroyed) await new Promise((resolve) => request.socket.once('close', resolve));
  });
});

suite('TCP', () => {
  const checkOf = (addr: string) => checks({ tcp: [{ addr, timeout: undefined, ...often }] })[0];

  test('passes when somebody listens, and closes what it opened', async (t) => {
    const closed = Promise.withResolvers<void>();
    const server = createTcpServer((socket) => socket.resume().once('close', () => closed.resolve()));
    const port = await listening(t, server);
    for (const host of ['127.0.0.1', 'localhost', ''])
      assert.equal(await reason(checkOf(`${host}:${port}`)), undefined);
    await closed.promise;
  });

  test('fails when nobody does, and says where', async () => {
    const port = await stablePort();
    assert.match(
      (await reason(checkOf(`127.0.0.1:${port}`))) ?? '',
      new RegExp(`^127\\.0\\.0\\.1:${port}: connection failed: .*ECONNREFUSED`),
    );
    assert.match((await reason(checkOf(`[::1]:${port}`))) ?? '', /connection failed: ./);
  });

  test('ends with its signal', async () => {
    const signal = AbortSignal.abort();
    assert.match((await reason(checkOf('127.0.0.1:1'), signal)) ?? '', /connection failed/);
  });
});
