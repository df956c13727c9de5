import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createMetrics, type Metrics } from '../../registry/metrics.ts';

const request = { handler: 'manifest', method: 'GET', code: 200, seconds: 0.02, requestBytes: 0, responseBytes: 5000 };

async function lines(metrics: Metrics, name: string): Promise<readonly string[]> {
  const { body } = await metrics.text();
  return body.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name}_`));
}

suite("metrics under Distribution's names", () => {
  test('requests are counted by handler, code and method', async () => {
    const metrics = createMetrics({ runtime: false });
    for (const code of [200, 200, 404]) metrics.observeRequest({ ...request, code });
    metrics.observeRequest({ ...request, method: 'HEAD' });
    assert.deepEqual(await lines(metrics, 'registry_http_requests_total'), [
      'registry_http_requests_total{handler="manifest",code="200",method="get"} 2',
      'registry_http_requests_total{handler="manifest",code="404",method="get"} 1',
      'registry_http_requests_total{handler="manifest",code="200",method="head"} 1',
    ]);
  });

  test('requests under way go up and down', async () => {
    const metrics = createMetrics({ runtime: false });
    metrics.requestBegan('blob');
    metrics.requestBegan('blob');
    metrics.observeRequest({ ...request, handler: 'blob' });
    const found = await lines(metrics, 'registry_http_in_flight_requests');
    assert.equal(found.length, 8, 'every handler is there from the start');
    assert.deepEqual(
      found.filter((line) => !line.endsWith(' 0')),
      ['registry_http_in_flight_requests{handler="blob"} 1'],
    );
  });

  test('a method that a client invents is one series, however many it invents and however it spells known ones', async () => {
    const metrics = createMetrics({ runtime: false });
    for (const method of ['FOO', 'BAR', 'unknown', 'UNKNOWN']) metrics.observeRequest({ ...request, method });
    for (const method of ['get', 'GET', 'gEt']) metrics.observeRequest({ ...request, method });
    assert.deepEqual(await lines(metrics, 'registry_http_requests_total'), [
      'registry_http_requests_total{handler="manifest",code="200",method="unknown"} 4',
      'registry_http_requests_total{handler="manifest",code="200",method="get"} 3',
    ]);
  });

  test('durations and sizes fall into cumulative buckets, their upper ends included', async () => {
    const metrics = createMetrics({ runtime: false });
    for (const seconds of [0.005, 0.006, 59, 61]) metrics.observeRequest({ ...request, seconds, responseBytes: 1024 });
    const durations = await lines(metrics, 'registry_http_request_duration_seconds');
    const labels = 'handler="manifest",method="get"';
    const countUpTo = (le: string) =>
      durations.map((line) => /^.*\{(.*)\} (.*)$/.exec(line)).find((found) => found?.[1]?.includes(`le="${le}"`))?.[2];
    assert.deepEqual(
      ['0.005', '0.01', '25', '60', '+Inf'].map((le) => [le, countUpTo(le)]),
      [
        ['0.005', '1'],
        ['0.01', '2'],
        ['25', '2'],
        ['60', '3'],
        ['+Inf', '4'],
      ],
    );
    assert.ok(durations.includes(`registry_http_request_duration_seconds_count{${labels}} 4`));
    assert.ok(durations.includes(`registry_http_request_duration_seconds_sum{${labels}} 120.011`));
    const sizes = await lines(metrics, 'registry_http_response_size_bytes');
    assert.ok(sizes.some((line) => line.includes('le="1024"') && line.endsWith(' 4')));
    assert.ok(
      sizes.some((line) => line.includes('le="2.147483648e+09"')),
      "to 2 GiB, in Go's spelling",
    );
    assert.equal((await lines(metrics, 'registry_http_request_size_bytes')).length, 25);
  });

  test('storage calls are timed by driver and action', async () => {
    const metrics = createMetrics({ runtime: false });
    metrics.observeStorage('filesystem', 'Stat', 0.5);
    metrics.observeStorage('filesystem', 'Stat', 0.25);
    const found = await lines(metrics, 'registry_storage_action_seconds');
    assert.ok(found.includes('registry_storage_action_seconds_sum{driver="filesystem",action="Stat"} 0.75'));
    assert.ok(found.includes('registry_storage_action_seconds_count{driver="filesystem",action="Stat"} 2'));
  });

  test('each call of createMetrics stands alone', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.observeRequest(request);
    assert.deepEqual(await lines(other, 'registry_http_requests_total'), []);
    assert.match((await other.text()).body, /^nodejs_heap_size_total_bytes /m);
  });

  test('bounds are spelt as by the client library for Go, since Prometheus 2 compares them as text', async () => {
    const metrics = createMetrics({ runtime: false });
    metrics.observeRequest(request);
    const sizes = await lines(metrics, 'registry_http_response_size_bytes');
    const bounds = sizes.map((line) => /le="([^"]*)"/.exec(line)?.[1]).filter((bound) => bound !== undefined);
    assert.deepEqual([bounds[0], bounds[9], bounds[10], bounds.at(-1)], ['1024', '524288', '1.048576e+06', '+Inf']);
  });
});

suite('storage', () => {
  test('failures are counted by driver, action and what went wrong; they are timed like others', async () => {
    const metrics = createMetrics({ runtime: false });
    metrics.observeStorage('s3', 'Stat', 0.1);
    metrics.observeStorage('s3', 'Stat', 0.1, 'failed');
    metrics.observeStorage('s3', 'Stat', 0.1, 'failed');
    assert.deepEqual(await lines(metrics, 'registry_storage_errors_total'), [
      'registry_storage_errors_total{driver="s3",action="Stat",code="failed"} 2',
    ]);
    const timed = await lines(metrics, 'registry_storage_action_seconds');
    assert.ok(timed.includes('registry_storage_action_seconds_count{driver="s3",action="Stat"} 3'));
  });

  test('damage is counted by its kind, and each kind is there from the start', async () => {
    const metrics = createMetrics({ runtime: false });
    metrics.damaged('link');
    assert.deepEqual(await lines(metrics, 'registry_storage_damaged_total'), [
      'registry_storage_damaged_total{kind="link"} 1',
      'registry_storage_damaged_total{kind="data"} 0',
      'registry_storage_damaged_total{kind="manifest"} 0',
    ]);
  });
});

suite('caches', () => {
  test("the descriptor cache is counted under 3.x's and 2.x's names", async () => {
    const metrics = createMetrics({ runtime: false });
    const { descriptorCache } = metrics;
    for (let asked = 0; asked < 4; asked += 1) descriptorCache.requested();
    descriptorCache.hit();
    descriptorCache.failed();
    descriptorCache.observeRedis('Stat', 0.001);
    const { body } = await metrics.text();
    for (const line of [
      'registry_storage_cache_requests_total 4',
      'registry_storage_cache_hits_total 1',
      'registry_storage_cache_errors_total 1',
      'registry_storage_cache_total{type="Request"} 4',
      'registry_storage_cache_total{type="Hit"} 1',
      'registry_storage_cache_total{type="Miss"} 3',
      'registry_storage_cache_redis_seconds_bucket{operation="Stat",le="0.005"} 1',
    ]) {
      assert.ok(body.split('\n').includes(line), `${line} is not in\n${body}`);
    }
  });

  test('content in memory has a ratio of its own', async () => {
    const metrics = createMetrics({ runtime: false });
    metrics.contentCache.hit();
    metrics.contentCache.missed();
    metrics.contentCache.missed();
    assert.deepEqual(await lines(metrics, 'registry_content_cache_requests_total'), [
      'registry_content_cache_requests_total{result="hit"} 1',
      'registry_content_cache_requests_total{result="miss"} 2',
    ]);
  });
});

suite('uploads that are open', () => {
  const open = async (metrics: Metrics) => /^registry_uploads_open (\d+)$/m.exec((await metrics.text()).body)?.[1];

  test('are those seen and not ended, each once', async () => {
    const metrics = createMetrics({ runtime: false });
    for (const id of ['a', 'b', 'a', 'c']) metrics.uploads.seen(id);
    metrics.uploads.ended('b');
    metrics.uploads.ended('never seen');
    assert.equal(await open(metrics), '2');
  });

  test('are forgotten after an hour without a sign of life: another replica may have ended them', async () => {
    let now = 0;
    const metrics = createMetrics({ runtime: false, clock: () => now });
    metrics.uploads.seen('a');
    metrics.uploads.seen('b');
    now += 3_000_000;
    metrics.uploads.seen('a');
    now += 1_000_000;
    assert.equal(await open(metrics), '1');
  });

  test('are bounded: a client that only begins costs no memory', async () => {
    const metrics = createMetrics({ runtime: false });
    for (let id = 0; id < 100_100; id += 1) metrics.uploads.seen(String(id));
    assert.equal(await open(metrics), '100000');
  });
});

suite('maintenance', () => {
  test('purges are counted by result and by what they did', async () => {
    const metrics = createMetrics({ runtime: false, now: () => 5000 });
    metrics.purgeEnded({ result: 'done', found: 7, purged: 3, errors: 1, seconds: 2 });
    metrics.purgeEnded({ result: 'failed', purged: 1, errors: 0, seconds: 9 });
    metrics.purgeEnded({ result: 'skipped', purged: 0, errors: 0, seconds: 0 });
    const { body } = await metrics.text();
    assert.deepEqual(
      body.split('\n').filter((line) => /^registry_upload(s_stored|_purge)/.test(line)),
      [
        'registry_upload_purge_runs_total{result="done"} 1',
        'registry_upload_purge_runs_total{result="failed"} 1',
        'registry_upload_purge_runs_total{result="skipped"} 1',
        'registry_upload_purge_uploads_total{outcome="purged"} 4',
        'registry_upload_purge_uploads_total{outcome="failed"} 1',
        'registry_upload_purge_duration_seconds 9',
        'registry_upload_purge_last_success_timestamp_seconds 5',
        'registry_uploads_stored 4',
      ],
    );
  });

  test('of garbage collection, which no server does, there is nothing', async () => {
    assert.doesNotMatch((await createMetrics().text()).body, /registry_garbage/);
  });
});

suite('gauges that are looked up', () => {
  test('are read when somebody asks; with labels, or not there', async () => {
    const metrics = createMetrics({ runtime: false });
    let on: number | undefined = 1;
    metrics.gauge('registry_read_only', 'Whether writes are refused.', () => on);
    metrics.gauge('registry_health_check_failing', 'Failing checks.', () => [[{ check: 'a"b' }, 1]]);
    assert.match((await metrics.text()).body, /^registry_read_only 1$/m);
    assert.match((await metrics.text()).body, /^registry_health_check_failing\{check="a\\"b"\} 1$/m);
    on = undefined;
    assert.doesNotMatch((await metrics.text()).body, /^registry_read_only /m);
  });
});
