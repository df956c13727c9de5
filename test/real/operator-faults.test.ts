import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { resources } from '../../operator/kube/resources.ts';
import { eventually } from '../support/eventually.ts';
import { missing } from '../support/tools.ts';
import type { ApiProxy, Operator } from './operator-proxy.ts';
import { metric, type Rig, startRig } from './operator-rig.ts';

const skip = await missing('etcd', 'kube-apiserver', 'kubectl');
const never = new AbortController().signal;
const plain = { storage: { type: 'EmptyDir' } };

describe('the operator and an API server that fails, on a real one', { skip }, () => {
  let rig: Rig;
  let proxy: ApiProxy;
  let operator: Operator;
  before(async () => {
    rig = await startRig();
    const through = await rig.throughProxy();
    proxy = through.proxy;
    operator = rig.operator(through.kubeconfig);
    await rig.namespace('team');
    await rig.registry('team', 'reg', plain);
    await rig.ready('team', 'reg');
  });
  after(() => rig?.stop());

  const relists = (from: number) =>
    proxy.passed.slice(from).filter(({ method, url, watch }) => method === 'GET' && !watch && url.includes('limit=500'))
      .length;

  async function followsAgain(level: string): Promise<void> {
    await eventually(() => rig.registry('team', 'reg', { ...plain, observability: { log: { level } } }));
    await eventually(async () => {
      const config = (await rig.get(resources.secret, 'team', 'reg-config'))?.data as { 'config.yml': string };
      assert.match(Buffer.from(config['config.yml'], 'base64').toString(), new RegExp(`level: ${level.toLowerCase()}`));
    });
    await rig.ready('team', 'reg');
  }

  test('a restart of the API server breaks all watches; they go on where they were', async () => {
    const from = proxy.passed.length;
    await rig.server.restart();
    await followsAgain('Debug');
    assert.ok(proxy.passed.slice(from).filter(({ watch }) => watch).length >= 8, 'every watch was opened again');
  });

  test('an API server that freezes for a while with its connections open is followed again when it thaws', async () => {
    rig.server.pause();
    await sleep(3000);
    rig.server.resume();
    await followsAgain('Info');
  });

  test('watches that are too old after a compaction (410) lead to new lists, and what changed meanwhile is seen', async () => {
    const from = proxy.passed.length;
    await proxy.disconnect();
    await rig.registry('team', 'late', plain);
    await rig.client.delete(resources.service, { namespace: 'team', name: 'reg' }, undefined, never);
    const revision = (await rig.get(resources.registry, 'team', 'late'))?.metadata.resourceVersion;
    const compacted = await fetch(`${rig.server.etcdUrl}/v3/kv/compaction`, {
      method: 'POST',
      body: JSON.stringify({ revision, physical: true }),
    });
    assert.equal(compacted.status, 200, await compacted.text());
    // The API server itself remembers recent changes: only a new one has to ask etcd.
    await rig.server.restart();
    await proxy.reconnect();
    await rig.ready('team', 'late');
    await eventually(async () => assert.ok(await rig.get(resources.service, 'team', 'reg')));
    assert.ok(relists(from) >= 1, 'there was a new list');
    await followsAgain('Warn');
  });

  test('429 and 503 on every request once are waited out, and cost no child', async () => {
    const refused = new Set<string>();
    proxy.meddle = ({ method, url }, response) => {
      const what = `${method} ${url.replace(/\?.*/, '')}`;
      if (refused.has(what)) return 'pass';
      refused.add(what);
      response.writeHead(refused.size % 2 === 0 ? 429 : 503, {
        'content-type': 'application/json',
        'retry-after': '1',
      });
      response.end(
        JSON.stringify({ kind: 'Status', status: 'Failure', message: 'too many requests, please try again later' }),
      );
      return 'answered';
    };
    await rig.registry('team', 'patient', plain);
    await rig.ready('team', 'patient');
    proxy.meddle = undefined;
    assert.equal((await rig.children('team', 'patient')).size, 5);
  });

  test('500 on every second write is survived by back-off', async () => {
    let writes = 0;
    proxy.meddle = ({ method }, response) => {
      if (method === 'GET' || ++writes % 2 === 0) return 'pass';
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ kind: 'Status', status: 'Failure', code: 500, message: 'etcdserver: leader changed' }),
      );
      return 'answered';
    };
    await rig.registry('team', 'stubborn', plain);
    await rig.ready('team', 'stubborn');
    proxy.meddle = undefined;
    assert.equal((await rig.children('team', 'stubborn')).size, 5);
  });

  test('what was lost is told once, not with every try', async () => {
    await rig.server.kill();
    await sleep(6000);
    await rig.server.start();
    await followsAgain('Error');
    const told = operator
      .log()
      .split('\n')
      .filter((line) => line.includes('a watch fails'));
    assert.ok(told.length > 0 && told.length < 40, `${told.length} lines`);
    assert.equal(await metric(operator, /^controller_runtime_reconcile_panics_total/), 0);
    assert.ok((await metric(operator, /^rest_client_requests_total\{.*code="200"/)) > 0);
  });

  test('SIGTERM ends it with exit code 0', async () => {
    operator.signal('SIGTERM');
    assert.equal(await operator.ended, 0);
  });
});

describe('the operator at its start', { skip }, () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig();
  });
  after(() => rig?.stop());

  test('without the resource in the cluster it says what to do and waits; once it is there, it works', async () => {
    await rig.server.kubectl(['delete', 'crd', 'registries.berth.dev']);
    const { kubeconfig } = await rig.throughProxy();
    const operator = rig.operator(kubeconfig);
    await eventually(() => assert.match(operator.log(), /kubectl apply -k crds/));
    const probes = await operator.probes;
    assert.equal((await fetch(`http://${probes}/readyz`)).status, 503);
    assert.equal((await fetch(`http://${probes}/healthz`)).status, 200);
    const manifests = new URL('../../manifests', import.meta.url).pathname;
    await rig.server.kubectl(['apply', '--server-side', '-k', manifests]);
    await eventually(async () => assert.equal((await fetch(`http://${probes}/readyz`)).status, 200));
    await rig.namespace('first');
    await eventually(() => rig.registry('first', 'reg', plain));
    await rig.ready('first', 'reg');
    assert.match(operator.log(), /the API server answers again/);
    await operator.kill();
  });

  test('with no API server it waits and says so', async () => {
    const { proxy, kubeconfig } = await rig.throughProxy();
    await proxy.disconnect();
    const operator = rig.operator(kubeconfig);
    await eventually(() => assert.match(operator.log(), /ECONNREFUSED/));
    await proxy.reconnect();
    await eventually(() => assert.match(operator.log(), /in step with the cluster/));
    await operator.kill();
  });

  test('a kubeconfig that cannot be used ends it at once, with the reason', async () => {
    const operator = rig.operator('/nonexistent/kubeconfig');
    assert.equal(await operator.ended, 1);
    assert.match(operator.log(), /kubeconfig \/nonexistent\/kubeconfig cannot be read/);
    assert.doesNotMatch(operator.log(), / at .*\.ts/, 'no stack trace');
  });

  test('confined to a namespace it asks for nothing outside of it', async () => {
    const { proxy, kubeconfig } = await rig.throughProxy();
    await rig.namespace('inside');
    await rig.namespace('outside');
    const operator = rig.operator(kubeconfig, ['--namespace', 'inside']);
    await rig.registry('inside', 'reg', plain);
    await rig.registry('outside', 'reg', plain);
    await rig.ready('inside', 'reg');
    assert.ok(proxy.passed.length > 0);
    for (const { url } of proxy.passed) assert.match(url, /\/namespaces\/inside\//);
    assert.equal((await rig.children('outside', 'reg')).size, 0);
    await operator.kill();
  });
});
