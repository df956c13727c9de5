/** What a request leaves behind: one line in the log with Distribution's texts and fields, one in the access log, the meters. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { createPushClient, digestOf } from '../support/push-client.ts';
import { connect, head } from '../support/torn.ts';
import { startObserved } from './observed.ts';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DURATION = /^[1-9][0-9.]*(µs|ms|s)$/;

suite('the log', () => {
  test('has one line for a request that went well, in all its fields (info)', async (t) => {
    const server = await startObserved(t);
    const headers = { 'user-agent': 'test/1', referer: 'https://ui.example/a', 'x-request-id': 'ab-12' };
    assert.equal((await fetch(`${server.url}/v2/?n=1`, { headers })).status, 200);
    const { time, ...line } = await server.line('response completed');
    assert.match(String(time), ISO);
    assert.match(String(line['http.request.id']), UUID);
    assert.match(String(line['http.request.remoteaddr']), /^127\.0\.0\.1:\d+$/);
    assert.match(String(line['http.response.duration']), DURATION);
    const given = Object.fromEntries(
      Object.entries(line).filter(([name]) => !/\.(id|remoteaddr|duration)$|^version$/.test(name)),
    );
    assert.deepEqual(given, {
      level: 'info',
      msg: 'response completed',
      'http.request.method': 'GET',
      'http.request.host': `127.0.0.1:${server.port}`,
      'http.request.uri': '/v2/?n=1',
      'http.request.referer': 'https://ui.example/a',
      'http.request.useragent': 'test/1',
      'http.request.xrequestid': 'ab-12',
      'http.response.status': 200,
      'http.response.written': 2,
      'http.response.contenttype': 'application/json',
    });
  });

  test('has one line for a fault, with the first of its errors (error)', async (t) => {
    const server = await startObserved(t);
    await fetch(`${server.url}/v2/team/app/manifests/nowhere`);
    const line = await server.line('response completed with error');
    assert.equal(line['level'], 'error');
    assert.equal(line['vars.name'], 'team/app');
    assert.equal(line['vars.reference'], 'nowhere');
    assert.equal(line['http.response.status'], 404);
    assert.equal(line['err.code'], 'manifest unknown');
    assert.equal(line['err.message'], 'manifest unknown');
    assert.notEqual(line['err.detail'], undefined);
    const about = server.lines().filter((other) => other['http.request.uri'] === '/v2/team/app/manifests/nowhere');
    assert.equal(about.length, 1);
  });

  test('names the client as proxies do: X-Forwarded-For, else X-Real-Ip, if they are addresses', async (t) => {
    const server = await startObserved(t);
    const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ 'x-forwarded-for': ' 192.0.2.1 , 10.0.0.1' }, /^192\.0\.2\.1$/],
      [{ 'x-forwarded-for': '2001:db8::1', 'x-real-ip': '192.0.2.2' }, /^2001:db8::1$/],
      [{ 'x-forwarded-for': 'unknown', 'x-real-ip': '192.0.2.2' }, /^192\.0\.2\.2$/],
      [{ 'x-forwarded-for': '192.0.2.1:80', 'x-real-ip': 'x' }, /^127\.0\.0\.1:\d+$/],
    ];
    for (const [index, [headers, expected]] of cases.entries()) {
      await fetch(`${server.url}/v2/?case=${index}`, { headers });
      await eventually(() => {
        const line = server.lines().find((each) => each['http.request.uri'] === `/v2/?case=${index}`);
        assert.match(String(line?.['http.request.remoteaddr']), expected);
      });
    }
    assert.doesNotMatch(server.stdout(), /^(?!127\.0\.0\.1 - - )./m, 'the access log has the peer');
  });

  test('takes no id from outside that is not one, and never for its own', async (t) => {
    const server = await startObserved(t);
    for (const id of ['a b', '"', 'x'.repeat(129)]) {
      await fetch(`${server.url}/v2/`, { headers: { 'x-request-id': id } });
    }
    await eventually(() => assert.equal(server.stdout().match(/GET \/v2\//g)?.length, 3));
    await server.line('response completed');
    for (const line of server.lines()) assert.equal(line['http.request.xrequestid'], undefined);
  });
});

suite('the access log', () => {
  const format =
    /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*)" (\d{3}) (\d+) "(.*)" "(.*)"$/;
  const seen = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => format.exec(line)?.slice(1, 4).join(' ') ?? `malformed: ${line}`);

  test('has every request: those to /, unrouted and malformed ones too, which are in no other log', async (t) => {
    const server = await startObserved(t);
    await fetch(`${server.url}/`);
    await fetch(`${server.url}/nowhere`);
    const raw = await connect(server.port);
    await raw.send(head('GET /v2/%ff/manifests/x', 'Connection: close'));
    await raw.closed();
    await eventually(() => assert.equal(seen(server.stdout()).length, 3, server.stdout()));
    const [alive, nowhere, malformed] = seen(server.stdout());
    assert.equal(alive, 'GET / HTTP/1.1 200 0');
    assert.match(nowhere ?? '', /^GET \/nowhere HTTP\/1\.1 404 \d+$/);
    assert.match(malformed ?? '', /^GET \/v2\/%ff\/manifests\/x HTTP\/1\.1 400 \d+$/);
    await fetch(`${server.url}/v2/`);
    await server.line('response completed');
    assert.equal(server.lines().filter((line) => 'http.request.uri' in line).length, 1);
  });

  test('has the 503 of an unhealthy registry, whatever is asked; readiness and metrics tell why', async (t) => {
    const down = new URL('observed.ts', import.meta.url).pathname;
    const server = await startObserved(t, { config: { health: { file: [{ file: down, interval: '1s' }] } } });
    await eventually(async () => assert.equal((await fetch(`${server.url}/`)).status, 503));
    for (const path of ['/v2/', '/nowhere', '/v2/a/manifests/x']) {
      const answer = await fetch(`${server.url}${path}`);
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get('docker-distribution-api-version'), null);
      assert.deepEqual(await answer.json(), {
        errors: [
          {
            code: 'UNAVAILABLE',
            message: 'service unavailable',
            detail: 'health check failed: please see /debug/health',
          },
        ],
      });
    }
    await eventually(() =>
      assert.ok(seen(server.stdout()).some((line) => line.startsWith('GET /nowhere HTTP/1.1 503'))),
    );
    const health = await fetch(`${server.debug}/debug/health`);
    assert.equal(health.status, 503);
    assert.deepEqual(await health.json(), { [down]: 'file exists' });
    assert.equal((await fetch(`${server.debug}/readyz`)).status, 503);
    assert.equal((await fetch(`${server.debug}/livez`)).status, 200);
    const metrics = await (await fetch(`${server.debug}/metrics`)).text();
    assert.ok(metrics.includes(`registry_health_check_failing{check="${down}"} 1`));
  });
});

suite('the meters', () => {
  const read = async (debug: string, name: string): Promise<number> => {
    const text = await (await fetch(`${debug}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1));
  };

  test('know how long requests take, and the bytes of bodies without announced length', async (t) => {
    const server = await startObserved(t);
    const client = createPushClient(server.url);
    t.after(() => client.close());
    const location = await client.beginUpload('app');
    assert.equal(await read(server.debug, 'registry_uploads_open'), 1);
    const bytes = Buffer.alloc(300_000, 'x');
    const { pathname, search } = new URL(location);
    const raw = await connect(server.port);
    await raw.send(head(`PUT ${pathname}${search}&digest=${digestOf(bytes)}`, 'Transfer-Encoding: chunked'));
    for (const part of [bytes.subarray(0, 100_000), bytes.subarray(100_000)]) {
      await raw.send(Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]));
    }
    await raw.send('0\r\n\r\n');
    assert.deepEqual(await raw.answers(1), [201]);
    await eventually(async () => {
      assert.equal(
        await read(server.debug, 'registry_http_request_size_bytes_sum{handler="blob_upload_chunk"}'),
        300_000,
      );
    });
    assert.equal(await read(server.debug, 'registry_uploads_open'), 0);
    const took = 'registry_http_request_duration_seconds_sum{handler="blob_upload_chunk",method="put"}';
    assert.ok((await read(server.debug, took)) > 0);
    raw.end();
  });

  test('count of an answer that was broken off only what went out', async (t) => {
    const server = await startObserved(t);
    const client = createPushClient(server.url);
    t.after(() => client.close());
    const bytes = Buffer.alloc(40_000_000, 'y');
    await client.finishUpload(await client.beginUpload('app'), digestOf(bytes), bytes);
    const raw = await connect(server.port);
    raw.socket.pause();
    await raw.send(head(`GET /v2/app/blobs/${digestOf(bytes)}`));
    const inFlight = 'registry_http_in_flight_requests{handler="blob"}';
    await eventually(async () => assert.equal(await read(server.debug, inFlight), 1));
    raw.tear();
    await eventually(async () => assert.equal(await read(server.debug, inFlight), 0));
    const sent = await read(server.debug, 'registry_http_response_size_bytes_sum{handler="blob"}');
    assert.ok(sent < 40_000_000, `${sent} bytes`);
  });
});
