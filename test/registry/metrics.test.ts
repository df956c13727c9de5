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
    assert.deepEqual(await lines(metrics, 'registry_http_in_flight_requests'), [
      'registry_http_in_flight_requests{handler="blob"} 1',
    ]);
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
      sizes.some((line) => line.includes(`le="${2 ** 31}"`)),
      'to 2 GiB',
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
});
