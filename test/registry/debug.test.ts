/** The debug server by real HTTP. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { RedisConfig } from '../../registry/config/types.ts';
import { createDebugServer, type DebugDependencies } from '../../registry/http/debug.ts';
import { silent } from '../../registry/log.ts';
import { createMetrics } from '../../registry/metrics.ts';
import { createVars } from '../../registry/vars.ts';
import { eventually } from '../support/eventually.ts';

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

suite('/debug/vars', () => {
  const redis = {
    addrs: ['redis://user:hunter2@cache:6379'],
    username: 'reg',
    password: 'hunter2',
    sentinelpassword: 'hunter2',
    db: 3,
  } as unknown as RedisConfig;

  test("is expvar's shape, with Distribution's names", async (t) => {
    const vars = createVars({ argv: ['registry', 'serve', '/c.yml'], redis: undefined });
    const answer = await fetch(`${await debugServer(t, { vars })}/debug/vars`);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    const { cmdline, memstats, registry } = (await answer.json()) as Record<string, Record<string, unknown>>;
    assert.deepEqual(cmdline, ['registry', 'serve', '/c.yml']);
    for (const name of ['Alloc', 'Sys', 'HeapAlloc', 'HeapSys', 'HeapInuse', 'HeapIdle']) {
      assert.ok(Number(memstats?.[name]) > 0, name);
    }
    const unused = { Requests: 0, Hits: 0, Misses: 0, BytesPulled: 0, BytesPushed: 0 };
    assert.deepEqual(registry, {
      notifications: { endpoints: null },
      proxy: { blobs: unused, manifests: unused },
    });
  });

  test('shows how Redis is configured, but no secret of it', async (t) => {
    const vars = createVars({ argv: [], redis, redisActive: () => 2 });
    const text = await (await fetch(`${await debugServer(t, { vars })}/debug/vars`)).text();
    const { registry } = JSON.parse(text);
    assert.equal(registry.redis.Active, 2);
    assert.equal(registry.redis.Config.db, 3);
    assert.equal(registry.redis.Config.password, '[redacted]');
    assert.doesNotMatch(text, /hunter2/);
  });
});

suite('/debug/pprof/', () => {
  test('lists what there is', async (t) => {
    const url = await debugServer(t);
    assert.match(await (await fetch(`${url}/debug/pprof`)).text(), /profile\?seconds=/);
    assert.match(await (await fetch(`${url}/debug/pprof/resources`)).text(), /^TCPServerWrap \d+$/m);
  });

  test('profile: where the time goes, for as long as asked; one at a time', async (t) => {
    const url = await debugServer(t);
    const first = fetch(`${url}/debug/pprof/profile?seconds=0.5`);
    const busy = setInterval(function busyWork() {
      for (const end = performance.now() + 5; performance.now() < end; );
    }, 10);
    t.after(() => clearInterval(busy));
    await eventually(async () => assert.equal((await fetch(`${url}/debug/pprof/allocs?seconds=0.1`)).status, 409));
    const answer = await first;
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-disposition') ?? '', /registry\.cpuprofile/);
    const { nodes, samples } = (await answer.json()) as {
      nodes: { callFrame: { functionName: string } }[];
      samples: number[];
    };
    assert.ok(nodes.some(({ callFrame }) => callFrame.functionName === 'busyWork'));
    assert.ok(samples.length > 10);
    assert.equal((await fetch(`${url}/debug/pprof/allocs?seconds=0.1`)).status, 200, 'the next may come');
  });

  test('a client that goes away ends its profile', async (t) => {
    const url = await debugServer(t);
    const gone = new AbortController();
    const first = fetch(`${url}/debug/pprof/profile?seconds=300`, { signal: gone.signal }).catch(() => undefined);
    await eventually(async () => assert.equal((await fetch(`${url}/debug/pprof/allocs?seconds=0.01`)).status, 409));
    gone.abort();
    await first;
    await eventually(async () => assert.equal((await fetch(`${url}/debug/pprof/allocs?seconds=0.01`)).status, 200));
  });

  for (const seconds of ['0', '-1', 'x', '301', '1e9', 'NaN']) {
    test(`seconds=${seconds} is 400`, async (t) => {
      assert.equal((await fetch(`${await debugServer(t)}/debug/pprof/profile?seconds=${seconds}`)).status, 400);
    });
  }

  test('heapsnapshot is whole, compressed as it is made', async (t) => {
    const answer = await fetch(`${await debugServer(t)}/debug/pprof/heapsnapshot`);
    assert.equal(answer.status, 200);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const { snapshot } = JSON.parse(gunzipSync(bytes).toString()) as { snapshot: { node_count: number } };
    assert.ok(snapshot.node_count > 1000);
  });

  test('heapsnapshot holds secrets: it is not for those who come through a proxy', async (t) => {
    const url = await debugServer(t);
    for (const headers of [{ 'X-Forwarded-For': '127.0.0.1' }, { Forwarded: 'for=127.0.0.1' }]) {
      const answer = await fetch(`${url}/debug/pprof/heapsnapshot`, { headers });
      assert.equal(answer.status, 403);
      assert.match(await answer.text(), /secrets included/);
    }
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
