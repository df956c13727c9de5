import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from '../../operator/api/types.ts';
import type { KubeObject } from '../../operator/kube/object.ts';
import { type Resource, resources } from '../../operator/kube/resources.ts';
import { eventually } from '../support/eventually.ts';
import { missing } from '../support/tools.ts';
import type { ApiProxy, Operator } from './operator-proxy.ts';
import { type Rig, startRig } from './operator-rig.ts';

const skip = await missing('etcd', 'kube-apiserver', 'kubectl');
const never = new AbortController().signal;
const plain = { storage: { type: 'EmptyDir' } };
const template = (deletionPolicy: string) => ({
  deletionPolicy,
  storage: { type: 'PersistentVolume', persistentVolume: { claimTemplate: { size: '1Gi' } } },
});

describe('what a Registry’s policies and references mean, on a real API server', { skip }, () => {
  let rig: Rig;
  let proxy: ApiProxy;
  let operator: Operator;
  before(async () => {
    rig = await startRig();
    const through = await rig.throughProxy();
    proxy = through.proxy;
    operator = rig.operator(through.kubeconfig);
    await rig.namespace('team');
  });
  after(() => rig?.stop());

  async function condition(name: string, type: string, expected: string): Promise<string> {
    return eventually(async () => {
      const registry = (await rig.get(resources.registry, 'team', name)) as Registry | undefined;
      const found = registry?.status?.conditions?.find((one) => one.type === type);
      assert.equal(registry?.status.observedGeneration, registry?.metadata.generation);
      assert.equal(`${found?.status} ${found?.reason}`, expected);
      return found?.message ?? '';
    });
  }

  /** The `spec` of an object that has to be there. */
  async function spec<T>(resource: Resource, name: string): Promise<T> {
    const found = await rig.get(resource, 'team', name);
    assert.ok(found, `there is no ${resource.kind} ${name}`);
    return found.spec as T;
  }

  const create = (resource: Resource, name: string, more: object) =>
    rig.client.create(
      resource,
      { apiVersion: resource.apiVersion, kind: resource.kind, metadata: { namespace: 'team', name }, ...more },
      never,
    );

  async function edit(resource: Resource, name: string, body: object): Promise<KubeObject> {
    const patch = { contentType: 'application/merge-patch+json', body } as const;
    return rig.client.patch(resource, { namespace: 'team', name }, patch, never);
  }

  const remove = (resource: Resource, name: string) =>
    rig.client.delete(resource, { namespace: 'team', name }, undefined, never);
  const contentHash = async (name: string) =>
    JSON.stringify((await rig.get(resources.deployment, 'team', name))?.spec).match(/content-hash":"(\w+)/)?.[1];

  test('a Secret and a ConfigMap that are named and missing stall it; when they come it goes on; their change rolls the Pods', async () => {
    const reference = (kind: string, name: string) => ({
      name: kind.toUpperCase(),
      valueFrom: { [`${kind}KeyRef`]: { name, key: 'k' } },
    });
    await rig.registry('team', 'refers', {
      ...plain,
      podTemplate: { extraEnv: [reference('secret', 'theirs'), reference('configMap', 'settings')] },
    });
    const message = await condition('refers', 'Stalled', 'True SecretNotFound');
    assert.match(message, /Secret theirs.*ConfigMap settings/, 'all faults at once');
    assert.equal(await rig.get(resources.deployment, 'team', 'refers'), undefined, 'nothing is applied');
    await create(resources.secret, 'theirs', { data: { k: 'YQ==' } });
    await condition('refers', 'Stalled', 'True ConfigMapNotFound');
    await create(resources.configMap, 'settings', { data: { other: 'a' } });
    await condition('refers', 'CredentialsResolved', 'False ConfigMapNotFound');
    await edit(resources.configMap, 'settings', { data: { k: 'a' } });
    await rig.ready('team', 'refers');
    const before = await contentHash('refers');
    await edit(resources.secret, 'theirs', { data: { k: 'Yg==' } });
    await eventually(async () => assert.notEqual(await contentHash('refers'), before));
    await rig.ready('team', 'refers');
    const after = await contentHash('refers');
    await edit(resources.secret, 'theirs', { metadata: { labels: { touched: 'yes' } } });
    await sleep(1500);
    assert.equal(await contentHash('refers'), after, 'only content counts');
  });

  test('Secrets that nobody names are never read', async () => {
    const from = proxy.passed.length;
    for (let index = 0; index < 20; index++)
      await create(resources.secret, `unrelated-${index}`, { data: { k: 'YQ==' } });
    await sleep(1500);
    assert.deepEqual(
      proxy.passed.slice(from).filter(({ watch }) => !watch),
      [],
    );
  });

  test('the user’s own Secret under the name of ours is used and left as it is', async () => {
    await create(resources.secret, 'own-http', { data: { secret: 'bWluZQ==' } });
    await rig.registry('team', 'own', plain);
    await rig.ready('team', 'own');
    const secret = await rig.get(resources.secret, 'team', 'own-http');
    assert.deepEqual(secret?.data, { secret: 'bWluZQ==' });
    assert.deepEqual(secret?.metadata.ownerReferences, undefined);
    const before = await contentHash('own');
    await edit(resources.secret, 'own-http', { data: { secret: 'b3RoZXI=' } });
    await eventually(async () => assert.notEqual(await contentHash('own'), before));
  });

  test('a name that somebody else uses is left alone, and told; once it is free, it is taken', async () => {
    const service = { spec: { selector: { app: 'theirs' }, ports: [{ port: 80 }] } };
    await create(resources.service, 'taken', service);
    await rig.registry('team', 'taken', plain);
    const message = await condition('taken', 'Stalled', 'True NameTaken');
    assert.match(
      message,
      /Service team\/taken is there already and was not made by this operator: delete or rename it/,
    );
    assert.deepEqual((await spec<{ selector: object }>(resources.service, 'taken')).selector, {
      app: 'theirs',
    });
    await remove(resources.service, 'taken');
    // The operator does not watch what is not its own; a change wakes it before its own patience does.
    await rig.registry('team', 'taken', { ...plain, observability: { log: { level: 'Debug' } } });
    await rig.ready('team', 'taken');
  });

  test('a claim that is named and missing, or cannot be shared by so many Pods, is told; when it comes, it is used', async () => {
    const named = { storage: { type: 'PersistentVolume', persistentVolume: { claimName: 'given' } } };
    await rig.registry('team', 'claims', named);
    assert.match(await condition('claims', 'StorageReady', 'False ClaimNotFound'), /given.*make it, or name another/);
    await create(resources.claim, 'given', {
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
    await rig.ready('team', 'claims');
    await edit(resources.registry, 'claims', { spec: { replicas: 2 } });
    assert.match(await condition('claims', 'StorageReady', 'False ClaimNotShared'), /ReadWriteMany/);
    assert.equal((await spec<{ replicas: number }>(resources.deployment, 'claims')).replicas, 1, 'nothing is applied');
    const claim = await rig.get(resources.claim, 'team', 'given');
    assert.deepEqual(
      [claim?.metadata.labels, claim?.metadata.ownerReferences],
      [undefined, undefined],
      'it stays the user’s',
    );
  });

  test('what the API server refuses is told with its words, and tried again', async () => {
    await rig.registry('team', 'port-a', { ...plain, expose: [{ name: 'nodes', type: 'NodePort', nodePort: 31234 }] });
    await rig.ready('team', 'port-a');
    await rig.registry('team', 'port-b', { ...plain, expose: [{ name: 'nodes', type: 'NodePort', nodePort: 31234 }] });
    assert.match(
      await condition('port-b', 'Stalled', 'True ApplyRefused'),
      /apply Service team\/port-b-nodes: .*port is already allocated/,
    );
    assert.ok(
      await rig.get(resources.deployment, 'team', 'port-b'),
      'a Service that cannot be had keeps nothing else back',
    );
    await edit(resources.registry, 'port-a', { spec: { expose: [] } });
    await rig.ready('team', 'port-b');
  });

  test('Paused writes nothing but the status, which tells what would be changed; then it is caught up', async () => {
    await rig.registry('team', 'paused', plain);
    await rig.ready('team', 'paused');
    await edit(resources.registry, 'paused', { spec: { managementPolicy: 'Paused', replicas: 0 } });
    assert.match(await condition('paused', 'Ready', 'False Paused'), /Deployment paused would be changed/);
    await edit(resources.service, 'paused', { spec: { selector: { x: 'y' } } });
    assert.match(
      await eventually(async () => {
        const message = await condition('paused', 'Paused', 'True Paused');
        assert.match(message, /Service paused/);
        return message;
      }),
      /Deployment paused/,
    );
    assert.equal((await spec<{ replicas: number }>(resources.deployment, 'paused')).replicas, 1);
    await edit(resources.registry, 'paused', { spec: { managementPolicy: 'Managed' } });
    await condition('paused', 'Ready', 'True ScaledToZero');
    assert.equal(
      (await spec<{ selector: Record<string, string> }>(resources.service, 'paused')).selector['berth.dev/registry'],
      'paused',
    );
  });

  test('Unmanaged leaves everything alone, drift too', async () => {
    await rig.registry('team', 'free', plain);
    await rig.ready('team', 'free');
    await edit(resources.registry, 'free', { spec: { managementPolicy: 'Unmanaged' } });
    await condition('free', 'Ready', 'Unknown Unmanaged');
    await edit(resources.service, 'free', { spec: { selector: { x: 'y' } } });
    await remove(resources.serviceAccount, 'free');
    await sleep(1000);
    assert.equal(await rig.get(resources.serviceAccount, 'team', 'free'), undefined);
  });

  test('Retain: no finalizer, and the claim is nobody’s when the Registry goes; a new one of the same name takes it up', async () => {
    await rig.registry('team', 'keeps', template('Retain'));
    const registry = await rig.ready('team', 'keeps');
    assert.equal(registry.metadata.finalizers, undefined);
    const claim = await rig.get(resources.claim, 'team', 'keeps-data');
    await remove(resources.registry, 'keeps');
    await eventually(async () => assert.equal(await rig.get(resources.registry, 'team', 'keeps'), undefined));
    // There is no garbage collector here: what it would take away is taken away by hand.
    for (const child of (await rig.children('team', 'keeps')).values()) {
      if (child.metadata.ownerReferences === undefined) continue;
      const resource = Object.values(resources).find(({ kind }) => kind === child.kind) as Resource;
      await remove(resource, child.metadata.name);
    }
    await rig.registry('team', 'keeps', template('Retain'));
    await rig.ready('team', 'keeps');
    const again = await rig.get(resources.claim, 'team', 'keeps-data');
    assert.equal(again?.metadata.uid, claim?.metadata.uid);
  });

  test('a Registry made anew waits for the children of the one before to go', async () => {
    await rig.registry('team', 'again', plain);
    await rig.ready('team', 'again');
    await remove(resources.registry, 'again');
    await eventually(async () => assert.equal(await rig.get(resources.registry, 'team', 'again'), undefined));
    await rig.registry('team', 'again', plain);
    await condition('again', 'Reconciling', 'True WaitingForDeletion');
    for (const child of (await rig.children('team', 'again')).values()) {
      const resource = Object.values(resources).find(({ kind }) => kind === child.kind) as Resource;
      await remove(resource, child.metadata.name);
    }
    await rig.ready('team', 'again');
  });

  test('Delete: the finalizer holds the Registry until the claim is told to go', async () => {
    await rig.registry('team', 'drops', template('Delete'));
    const registry = await rig.ready('team', 'drops');
    assert.deepEqual(registry.metadata.finalizers, ['berth.dev/storage']);
    await remove(resources.registry, 'drops');
    await eventually(async () => assert.equal(await rig.get(resources.registry, 'team', 'drops'), undefined));
    const claim = await rig.get(resources.claim, 'team', 'drops-data');
    assert.ok(claim === undefined || claim.metadata.deletionTimestamp !== undefined);
  });

  test('Delete taken back while the operator was away is kept to: the claim stays', async () => {
    await rig.registry('team', 'regret', template('Delete'));
    await rig.ready('team', 'regret');
    await proxy.disconnect();
    await edit(resources.registry, 'regret', { spec: { deletionPolicy: 'Retain' } });
    await remove(resources.registry, 'regret');
    await proxy.reconnect();
    await eventually(async () => assert.equal(await rig.get(resources.registry, 'team', 'regret'), undefined));
    const claim = await rig.get(resources.claim, 'team', 'regret-data');
    assert.ok(claim !== undefined && claim.metadata.deletionTimestamp === undefined);
    assert.deepEqual(claim.metadata.ownerReferences ?? [], [], 'or the garbage collector would take it');
  });

  test('no reconciliation ended in a way that nobody foresaw', () => {
    assert.doesNotMatch(operator.log(), /ended unexpectedly/);
  });
});
