import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../operator/kube/object.ts';
import { type Resource, resources } from '../../operator/kube/resources.ts';
import { eventually } from '../support/eventually.ts';
import { missing } from '../support/tools.ts';
import type { ApiProxy, Operator } from './operator-proxy.ts';
import { type Rig, startRig } from './operator-rig.ts';

const skip = await missing('etcd', 'kube-apiserver', 'kubectl');
const never = new AbortController().signal;

const shared = {
  replicas: 2,
  deletionPolicy: 'Retain',
  storage: {
    type: 'PersistentVolume',
    persistentVolume: { claimTemplate: { size: '1024Mi', accessModes: ['ReadWriteMany'] } },
  },
  podTemplate: { resources: { requests: { cpu: '0.5', memory: '1024Mi' } }, extraEnv: [{ name: 'EMPTY', value: '' }] },
};

describe('the operator and a Registry’s children, on a real API server', { skip }, () => {
  let rig: Rig;
  let proxy: ApiProxy;
  let operator: Operator;
  let kubeconfig: string;
  before(async () => {
    rig = await startRig();
    ({ proxy, kubeconfig } = await rig.throughProxy());
    operator = rig.operator(kubeconfig);
    await rig.namespace('team');
    await rig.registry('team', 'reg', shared);
    await rig.ready('team', 'reg');
  });
  after(() => rig?.stop());

  /** The requests that arrive while nothing is asked for; watches of which the time is over do not count. */
  async function whileIdle(ms: number): Promise<string[]> {
    const from = proxy.passed.length;
    await sleep(ms);
    return proxy.passed.slice(from).flatMap(({ method, url, watch }) => (watch ? [] : [`${method} ${url}`]));
  }

  async function settledDown(): Promise<void> {
    await eventually(async () => assert.deepEqual(await whileIdle(500), []));
  }

  async function edit(resource: Resource, name: string, body: object): Promise<void> {
    const patch = { contentType: 'application/merge-patch+json', body } as const;
    await rig.client.patch(resource, { namespace: 'team', name }, patch, never);
  }

  async function get(resource: Resource, name: string): Promise<KubeObject> {
    const found = await rig.get(resource, 'team', name);
    assert.ok(found, `there is no ${resource.kind} ${name}`);
    return found;
  }

  test('every child is there, owned by the Registry, but for the claim, which outlives it', async () => {
    const children = await rig.children('team', 'reg');
    assert.deepEqual([...children.keys()].sort(), [
      'Deployment/reg',
      'PersistentVolumeClaim/reg-data',
      'PodDisruptionBudget/reg',
      'Secret/reg-config',
      'Secret/reg-http',
      'Service/reg',
      'ServiceAccount/reg',
    ]);
    const { uid } = (await get(resources.registry, 'reg')).metadata;
    for (const [name, { metadata }] of children) {
      const owners = (metadata.ownerReferences ?? []).map((owner) => [owner.uid, owner.controller]);
      assert.deepEqual(owners, name.startsWith('PersistentVolumeClaim') ? [] : [[uid, true]], name);
    }
  });

  test('every rendered field is managed by berth-operator through apply, and no other', async () => {
    for (const [name, { metadata }] of await rig.children('team', 'reg')) {
      if (name === 'Secret/reg-http') continue;
      const managers = (metadata.managedFields ?? []) as { manager: string; operation: string; subresource?: string }[];
      const ours = managers.filter(({ manager }) => manager === 'berth-operator');
      assert.deepEqual(
        ours.map(({ operation }) => operation),
        ['Apply'],
        name,
      );
    }
    const registry = (await get(resources.registry, 'reg')).metadata.managedFields as {
      manager: string;
      operation: string;
      subresource?: string;
    }[];
    const ours = registry.filter(({ manager }) => manager === 'berth-operator');
    assert.deepEqual(
      ours.map(({ operation, subresource }) => [operation, subresource]),
      [['Apply', 'status']],
      'the spec is never written',
    );
  });

  test('nothing is read or written while nothing changes, also when the API server stores values in another form', async () => {
    await settledDown();
    assert.deepEqual(await whileIdle(5000), []);
    const { spec } = await get(resources.deployment, 'reg');
    assert.match(
      JSON.stringify(spec),
      /"cpu":"500m","memory":"1Gi"/,
      'quantities were written otherwise than rendered',
    );
  });

  test('a restarted operator finds everything as it should be and writes nothing', async () => {
    operator.signal('SIGTERM');
    assert.equal(await operator.ended, 0);
    const from = proxy.passed.length;
    operator = rig.operator(kubeconfig);
    await eventually(() => assert.match(operator.log(), /in step with the cluster/));
    await sleep(1500);
    const writes = proxy.passed.slice(from).filter(({ method }) => method !== 'GET');
    assert.deepEqual(writes, []);
    assert.equal((await fetch(`http://${await operator.probes}/readyz`)).status, 200);
  });

  const edits: readonly (readonly [string, Resource, string, object])[] = [
    [
      'the Service’s port',
      resources.service,
      'reg',
      { spec: { ports: [{ name: 'http', port: 9999, targetPort: 9999 }] } },
    ],
    ['the Service’s selector', resources.service, 'reg', { spec: { selector: { 'berth.dev/registry': 'other' } } }],
    ['the Service’s selector, by one more key', resources.service, 'reg', { spec: { selector: { more: 'yes' } } }],
    ['the configuration', resources.secret, 'reg-config', { data: { 'config.yml': 'aGFja2Vk' } }],
    ['the number of replicas', resources.deployment, 'reg', { spec: { replicas: 5 } }],
    ['the ServiceAccount’s token mount', resources.serviceAccount, 'reg', { automountServiceAccountToken: true }],
    ['the budget', resources.budget, 'reg', { spec: { maxUnavailable: 0 } }],
    [
      'the claim’s labels',
      resources.claim,
      'reg-data',
      { metadata: { labels: { 'app.kubernetes.io/name': 'other' } } },
    ],
    [
      'the label by which children are found',
      resources.service,
      'reg',
      { metadata: { labels: { 'app.kubernetes.io/managed-by': null } } },
    ],
    ['the owner', resources.deployment, 'reg', { metadata: { ownerReferences: [] } }],
    [
      'the note of what was applied',
      resources.secret,
      'reg-config',
      { metadata: { annotations: { 'berth.dev/applied': null } } },
    ],
  ];
  for (const [what, resource, name, body] of edits) {
    test(`an edit of ${what} is undone`, async () => {
      await settledDown();
      const strip = ({ metadata: { labels, annotations, ownerReferences }, spec, data }: KubeObject) =>
        JSON.stringify({ labels, annotations, ownerReferences, spec, data });
      const before = await get(resource, name);
      await edit(resource, name, body);
      await eventually(async () => {
        const now = await get(resource, name);
        assert.notEqual(now.metadata.resourceVersion, before.metadata.resourceVersion);
        assert.equal(strip(now), strip(before));
      });
      await settledDown();
      assert.equal((await get(resource, name)).metadata.uid, before.metadata.uid, 'it was corrected, not made anew');
    });
  }

  test('a renamed container, a foreign variable, volume and container are taken out again, in one go', async () => {
    await settledDown();
    const before = await get(resources.deployment, 'reg');
    const { spec } = structuredClone(before) as {
      spec: { template: { spec: { containers: { name: string; env: object[] }[]; volumes: object[] } } };
    };
    const pod = spec.template.spec;
    pod.containers[0]?.env.push({ name: 'REGISTRY_STORAGE_DELETE_ENABLED', value: 'true' });
    pod.containers.push({ ...(pod.containers[0] as { env: object[] }), name: 'miner' });
    pod.volumes.push({ name: 'host', hostPath: { path: '/' } });
    await edit(resources.deployment, 'reg', { spec });
    await eventually(async () => assert.deepEqual((await get(resources.deployment, 'reg')).spec, before.spec));
    await edit(resources.service, 'reg', { spec: { ports: [{ name: 'renamed', port: 5000, targetPort: 1 }] } });
    await eventually(async () => {
      const { ports } = (await get(resources.service, 'reg')).spec as {
        ports: { name: string; targetPort: unknown }[];
      };
      assert.deepEqual(
        ports.map(({ name, targetPort }) => [name, targetPort]),
        [['http', 'http']],
      );
    });
    await settledDown();
  });

  test('what others add beside our fields stays', async () => {
    await edit(resources.service, 'reg', { metadata: { annotations: { 'example.com/note': 'mine' } } });
    await edit(resources.deployment, 'reg', {
      spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } } } },
    });
    await sleep(500);
    await settledDown();
    assert.equal((await get(resources.service, 'reg')).metadata.annotations?.['example.com/note'], 'mine');
    assert.match(JSON.stringify((await get(resources.deployment, 'reg')).spec), /restartedAt/);
  });

  test('each child that is deleted comes back; the key of upload states is made anew, all else is the same', async () => {
    for (const [name, child] of await rig.children('team', 'reg')) {
      if (child.kind === 'PersistentVolumeClaim') continue;
      const resource = Object.values(resources).find(({ kind }) => kind === child.kind) as Resource;
      await rig.client.delete(resource, { namespace: 'team', name: child.metadata.name }, undefined, never);
      await eventually(async () => {
        const now = await rig.get(resource, 'team', child.metadata.name);
        assert.ok(now !== undefined && now.metadata.uid !== child.metadata.uid, name);
      });
    }
    await rig.ready('team', 'reg');
    await settledDown();
  });

  test('the key of upload states is never overwritten, and a change of it rolls the Pods', async () => {
    const hash = async () =>
      JSON.stringify((await get(resources.deployment, 'reg')).spec).match(/content-hash":"(\w+)/)?.[1];
    const before = await hash();
    await edit(resources.secret, 'reg-http', { data: { secret: Buffer.from('mine').toString('base64') } });
    await eventually(async () => assert.notEqual(await hash(), before));
    await settledDown();
    assert.equal(
      ((await get(resources.secret, 'reg-http')).data as { secret: string }).secret,
      Buffer.from('mine').toString('base64'),
    );
  });

  test('a change of one field is one apply of each child that it touches and one status, or two when Pods roll', async () => {
    await settledDown();
    const from = proxy.passed.length;
    await edit(resources.registry, 'reg', { spec: { observability: { log: { level: 'Debug' } } } });
    await rig.ready('team', 'reg');
    await settledDown();
    const sent = proxy.passed.slice(from).filter(({ watch }) => !watch);
    const short = sent.map(
      ({ method, url }) => `${method} ${url.replace(/\?.*/, '').replace(/^.*\/(\w+\/[\w-]+(\/status)?)$/, '$1')}`,
    );
    const events = short.filter((one) => one.includes('events'));
    assert.deepEqual(
      short.filter((one) => !one.includes('events')),
      ['PATCH secrets/reg-config', 'PATCH deployments/reg', 'PATCH reg/status', 'PATCH reg/status'],
    );
    assert.ok(events.length <= 1);
  });

  test('two changes right after one another end in the second, and its generation is the one observed', async () => {
    await edit(resources.registry, 'reg', { spec: { replicas: 3 } });
    await edit(resources.registry, 'reg', { spec: { replicas: 4 } });
    const registry = await rig.ready('team', 'reg');
    assert.equal(registry.status.readyReplicas, 4);
    assert.equal(((await get(resources.deployment, 'reg')).spec as { replicas: number }).replicas, 4);
    await edit(resources.registry, 'reg', { spec: { replicas: 2 } });
    await rig.ready('team', 'reg');
  });

  test('a Service that is no longer asked for goes at once; other children only when the rollout is through; a claim never', async () => {
    await edit(resources.registry, 'reg', { spec: { expose: [{ name: 'nodes', type: 'NodePort' }] } });
    await eventually(() => get(resources.service, 'reg-nodes'));
    await edit(resources.registry, 'reg', { spec: { expose: null, replicas: 1 } });
    await eventually(async () => {
      assert.equal(await rig.get(resources.service, 'team', 'reg-nodes'), undefined);
      assert.equal(await rig.get(resources.budget, 'team', 'reg'), undefined);
    });
    await edit(resources.deployment, 'reg', { metadata: { annotations: { 'test/stuck': 'yes' } } });
    await edit(resources.registry, 'reg', { spec: { replicas: 2, podTemplate: { serviceAccountName: 'other' } } });
    await eventually(async () =>
      assert.match(JSON.stringify((await get(resources.deployment, 'reg')).spec), /"serviceAccountName":"other"/),
    );
    await settledDown();
    assert.ok(await rig.get(resources.serviceAccount, 'team', 'reg'), 'the old Pods still use it');
    await edit(resources.deployment, 'reg', { metadata: { annotations: { 'test/stuck': null } } });
    await eventually(async () => assert.equal(await rig.get(resources.serviceAccount, 'team', 'reg'), undefined));
    assert.ok(await rig.get(resources.claim, 'team', 'reg-data'));
    await edit(resources.registry, 'reg', { spec: { podTemplate: { serviceAccountName: null } } });
    await rig.ready('team', 'reg');
  });

  test('what was done is told in Events, and no value of a Secret is in them, in the status or in the log', async () => {
    const { items } = await rig.client.list(resources.event, 'team', {}, never);
    const reasons = new Set(items.map((one) => (one as { reason?: string }).reason));
    for (const reason of ['Ready', 'DriftCorrected', 'Pruned'])
      assert.ok(reasons.has(reason), `${reason} is not among ${[...reasons]}`);
    const secret = await get(resources.secret, 'reg-http');
    const value = (secret.data as { secret: string }).secret;
    const text = JSON.stringify(items) + JSON.stringify((await get(resources.registry, 'reg')).status) + operator.log();
    assert.ok(!text.includes(value) && !text.includes(Buffer.from(value, 'base64').toString('utf8').repeat(2)));
  });
});
