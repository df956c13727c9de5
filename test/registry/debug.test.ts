/** The debug server by real HTTP. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { createDebugServer, type DebugDependencies } from '../../registry/http/debug.ts';
import { silent } from '../../registry/log.ts';
import { createMetrics } from '../../registry/metrics.ts';

async function debugServer(t: TestContext, given: Partial<DebugDependencies> = {}): Promise<string> {
  const server = createDebugServer({
    failing: () => undefined,
    unready: () => undefined,
    vars: () => ({}),
    metrics: createMetrics({ runtime: false }),
    prometheus: { enabled: false, path: '/metrics' },
    log: silent,
    ...given,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const failing = () => ({ storagedriver_filesystem: 'no "disk"' });

suite('/debug/health', () => {
  test('is 200 and an empty object while all is well', async (t) => {
    const answer = await fetch(`${await debugServer(t)}/debug/health`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(await answer.text(), '{}', "Distribution's bytes: scripts compare them");
  });

  test('is 503 and the reasons by check when not', async (t) => {
    const answer = await fetch(`${await debugServer(t, { failing })}/debug/health`);
    assert.equal(answer.status, 503);
    assert.deepEqual(await answer.json(), { storagedriver_filesystem: 'no "disk"' });
  });

  test('does not care whether traffic may come', async (t) => {
    assert.equal((await fetch(`${await debugServer(t, { unready: () => 'draining' })}/debug/health`)).status, 200);
  });
});

suite('/readyz', () => {
  const cases = [
    { name: 'all is well', given: {}, status: 200, body: 'ok\n' },
    { name: 'starting', given: { unready: () => 'starting' as const }, status: 503, body: 'starting\n' },
    { name: 'draining', given: { unready: () => 'draining' as const }, status: 503, body: 'draining\n' },
    { name: 'unhealthy', given: { failing }, status: 503, body: 'storagedriver_filesystem: no "disk"\n' },
  ];
  for (const { name, given, status, body } of cases) {
    test(`${name}: ${status}`, async (t) => {
      const answer = await fetch(`${await debugServer(t, given)}/readyz`);
      assert.equal(answer.status, status);
      assert.equal(await answer.text(), body);
    });
  }
});

test('/livez never looks at the storage: a restart cures no disk', async (t) => {
  const looked = () => assert.fail('looked');
  const answer = await fetch(`${await debugServer(t, { failing: looked, unready: looked })}/livez`);
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'ok\n');
});

suite('metrics', () => {
  test('are served where configured', async (t) => {
    const metrics = createMetrics();
    metrics.requestBegan('base');
    const url = await debugServer(t, { metrics, prometheus: { enabled: true, path: '/m' } });
    const answer = await fetch(`${url}/m?x=y`);
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    const text = await answer.text();
    assert.match(text, /^registry_http_in_flight_requests\{handler="base"\} 1$/m);
    assert.match(text, /^process_cpu_seconds_total /m);
    assert.equal((await fetch(`${url}/metrics`)).status, 404);
  });

  test('are not there unless enabled', async (t) => {
    assert.equal((await fetch(`${await debugServer(t)}/metrics`)).status, 404);
  });

  test('that cannot be made are a 500, not the end of the process', async (t) => {
    const metrics = { text: () => Promise.reject(new Error('x')) };
    const url = await debugServer(t, { metrics, prometheus: { enabled: true, path: '/metrics' } });
    assert.equal((await fetch(`${url}/metrics`)).status, 500);
    assert.equal((await fetch(`${url}/livez`)).status, 200);
  });
});

suite('methods and paths', () => {
  test('HEAD has the headers of GET and no body', async (t) => {
    const answer = await fetch(`${await debugServer(t)}/debug/health`, { method: 'HEAD' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-length'), '2');
    assert.equal(await answer.text(), '');
  });

  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    test(`${method} is 405 and says what is allowed`, async (t) => {
      const body = method === 'POST' ? 'x'.repeat(100_000) : null;
      const answer = await fetch(`${await debugServer(t)}/debug/health`, { method, body });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get('allow'), 'GET, HEAD');
    });
  }

  for (const path of [
    '/',
    '/debug',
    '/debug/health/',
    '/v2/',
    '/debug/vars/x',
    '/debug/pprof/goroutine',
    '/..%2flivez',
  ]) {
    test(`${path} is 404`, async (t) => assert.equal((await fetch(`${await debugServer(t)}${path}`)).status, 404));
  }
});
