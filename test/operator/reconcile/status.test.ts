import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolve } from '../../../operator/api/resolve.ts';
import type { Condition, RegistryStatus } from '../../../operator/api/types.ts';
import { type Situation, statusOf, unmanagedStatus } from '../../../operator/reconcile/status.ts';
import { claim, deployment, pod, sample, situation } from './situations.ts';

const persistent = sample('persistent-volume');
const one = (change: Partial<Situation> = {}) => situation({ registry: persistent, ...change });

/** `Ready`, `Reconciling` and `Stalled` as `status reason`, with what else is asked for. */
function conditions(status: RegistryStatus, ...more: string[]): Record<string, string> {
  const shown = new Set(['Ready', 'Reconciling', 'Stalled', ...more]);
  const entries = (status.conditions ?? []).filter(({ type }) => shown.has(type));
  return Object.fromEntries(entries.map(({ type, status: value, reason }) => [type, `${value} ${reason}`]));
}

function find(status: RegistryStatus, type: string): Condition {
  const condition = status.conditions?.find((candidate) => candidate.type === type);
  assert.ok(condition, `there is no condition ${type}`);
  return condition;
}

const late = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'timed out' };
const waiting = (reason: string, message = 'why') =>
  pod([{ name: 'registry', image: 'x:1', state: { waiting: { reason, message } } }]);

const table: readonly (readonly [string, Partial<Situation>, Record<string, string>])[] = [
  ['every Pod is ready', {}, { Ready: 'True Ready' }],
  [
    'there is no Deployment yet',
    { deployment: undefined },
    { Ready: 'False Progressing', Reconciling: 'True Progressing' },
  ],
  [
    'the Deployment has not been looked at by its controller',
    { deployment: deployment({ observed: false }) },
    { Ready: 'False Progressing', Reconciling: 'True Progressing' },
  ],
  [
    'an old Pod is still there',
    { deployment: deployment({ replicas: 2 }) },
    { Ready: 'False Progressing', Reconciling: 'True Progressing' },
  ],
  [
    'a Pod that was ready is not any more',
    {
      deployment: deployment({
        ready: 0,
        conditions: [{ type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' }],
      }),
    },
    { Ready: 'False PodsNotReady', Reconciling: 'True PodsNotReady' },
  ],
  ['it is scaled to zero', { deployment: deployment({ wanted: 0 }) }, { Ready: 'True ScaledToZero' }],
  [
    'the image cannot be pulled',
    { deployment: deployment({ ready: 0 }), pods: [waiting('ImagePullBackOff')] },
    { Ready: 'False ImagePullFailed', Reconciling: 'True ImagePullFailed' },
  ],
  [
    'the image cannot be pulled for too long',
    { deployment: deployment({ ready: 0, conditions: [late] }), pods: [waiting('ErrImagePull')] },
    { Ready: 'False ImagePullFailed', Stalled: 'True ImagePullFailed' },
  ],
  [
    'the server crashes',
    {
      deployment: deployment({ ready: 0 }),
      pods: [
        pod([
          {
            name: 'registry',
            restartCount: 4,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 2, reason: 'Error' } },
          },
        ]),
      ],
    },
    { Ready: 'False ContainerCrashing', Reconciling: 'True ContainerCrashing' },
  ],
  [
    'a Secret of the Pod is missing',
    { deployment: deployment({ ready: 0 }), pods: [waiting('CreateContainerConfigError')] },
    { Ready: 'False ContainerConfigError', Reconciling: 'True ContainerConfigError' },
  ],
  [
    'no node takes the Pod',
    {
      deployment: deployment({ ready: 0 }),
      pods: [
        pod([], {
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }],
        }),
      ],
    },
    { Ready: 'False PodUnschedulable', Reconciling: 'True PodUnschedulable' },
  ],
  [
    'Pods are refused by a quota',
    {
      deployment: deployment({
        ready: 0,
        replicas: 0,
        conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }],
      }),
    },
    { Ready: 'False PodsRefused', Reconciling: 'True PodsRefused' },
  ],
  [
    'there is no progress for too long, and nobody knows why',
    { deployment: deployment({ ready: 0, conditions: [late] }) },
    { Ready: 'False ProgressDeadlineExceeded', Stalled: 'True ProgressDeadlineExceeded' },
  ],
  [
    'a name is taken',
    { obstacles: [{ reason: 'NameTaken', message: 'Service reg is there already' }] },
    { Ready: 'False NameTaken', Stalled: 'True NameTaken' },
  ],
  [
    'the API server refuses a child',
    {
      obstacles: [
        { reason: 'WaitingForDeletion', message: 'a' },
        { reason: 'ApplyRefused', message: 'b' },
      ],
    },
    { Ready: 'False ApplyRefused', Stalled: 'True ApplyRefused' },
  ],
  [
    'a child of an earlier Registry has yet to go',
    { obstacles: [{ reason: 'WaitingForDeletion', message: 'a' }] },
    { Ready: 'False WaitingForDeletion', Reconciling: 'True WaitingForDeletion' },
  ],
  [
    'the API server fails on a child',
    { obstacles: [{ reason: 'ApplyFailed', message: 'etcd' }] },
    { Ready: 'False ApplyFailed', Reconciling: 'True ApplyFailed' },
  ],
  ['it is paused and as it should be', { paused: [] }, { Ready: 'True Ready', Paused: 'True Paused' }],
  ['it is paused and would be changed', { paused: ['Service reg'] }, { Ready: 'False Paused', Paused: 'True Paused' }],
  [
    'it is paused and its Pods fail',
    { paused: [], deployment: deployment({ ready: 0 }), pods: [waiting('ErrImagePull')] },
    { Ready: 'False ImagePullFailed', Paused: 'True Paused' },
  ],
];

describe('Ready, Reconciling and Stalled, by kstatus: abnormal conditions are there only while they hold', () => {
  for (const [when, change, expected] of table) {
    test(when, () => {
      const status = statusOf(one(change));
      assert.deepEqual(conditions(status, 'Paused'), expected);
      assert.equal(status.observedGeneration, 3);
      assert.ok(
        status.conditions?.every((condition) => condition.observedGeneration === 3 && condition.message !== ''),
      );
    });
  }
});

test('faults stall, and Ready names all of them with their place', () => {
  const registry = sample('minimal', () => ({
    config: { extra: { http: { addr: ':1' } } },
    image: { pullPolicy: 'Always' },
  }));
  const resolution = resolve(registry, { operatorImage: '' });
  assert.ok('faults' in resolution && resolution.faults.length === 2);
  const status = statusOf(situation({ registry, resolution, deployment: undefined, claim: undefined }));
  assert.deepEqual(conditions(status, 'ConfigValid', 'CredentialsResolved'), {
    Ready: `False ${resolution.faults[0]?.reason}`,
    Stalled: `True ${resolution.faults[0]?.reason}`,
    ConfigValid: `False ${resolution.faults[0]?.reason}`,
    CredentialsResolved: 'True Resolved',
  });
  for (const { path } of resolution.faults) assert.ok(find(status, 'Ready').message.includes(path), path);
});

test('a message names the object and the remedy', () => {
  const pull = statusOf(
    one({ deployment: deployment({ ready: 0 }), pods: [waiting('ImagePullBackOff', 'not found')] }),
  );
  assert.match(find(pull, 'Ready').message, /Pod reg-abc cannot pull x:1 .*not found.*spec\.image/);
  const pending = statusOf(one({ claim: claim({ phase: 'Pending' }) }));
  assert.match(find(pending, 'StorageReady').message, /reg-data has no volume yet.*StorageClass/);
});

const storage: readonly (readonly [string, Partial<Situation>, string])[] = [
  ['the claim is bound', {}, 'True ClaimBound'],
  ['the claim waits for a volume', { claim: claim({ phase: 'Pending' }) }, 'Unknown ClaimPending'],
  ['the claim has not been made', { claim: undefined }, 'Unknown ClaimPending'],
  ['the volume is lost', { claim: claim({ phase: 'Lost' }) }, 'False ClaimLost'],
  [
    'the claim is going',
    { claim: claim({ phase: 'Bound' }, { deletionTimestamp: '2026-01-01T00:00:00Z' }) },
    'False ClaimTerminating',
  ],
  ['images end with the Pod', { registry: sample('minimal') }, 'True Ephemeral'],
];

describe('StorageReady', () => {
  for (const [when, change, expected] of storage) {
    test(when, () => assert.equal(conditions(statusOf(one(change)), 'StorageReady')['StorageReady'], expected));
  }
  const named = sample('persistent-volume', (spec) => ({
    replicas: 2,
    storage: { ...spec.storage, persistentVolume: { claimName: 'theirs' } },
  }));
  test('the claim that is named is missing', () => {
    const resolution = resolve(named, { operatorImage: 'x', claim: null });
    const status = statusOf(situation({ registry: named, resolution, claim: undefined, deployment: undefined }));
    assert.equal(conditions(status, 'StorageReady')['StorageReady'], 'False ClaimNotFound');
    assert.match(
      find(status, 'StorageReady').message,
      /no PersistentVolumeClaim theirs in the namespace .*: make it, or name another/,
    );
  });
  test('the claim that is named cannot be shared by so many Pods', () => {
    const resolution = resolve(named, { operatorImage: 'x', claim: { accessModes: ['ReadWriteOnce'] } });
    const status = statusOf(situation({ registry: named, resolution }));
    assert.equal(conditions(status, 'StorageReady')['StorageReady'], 'False ClaimNotShared');
  });
});

test('Available says whether anybody answers, also while a new template is rolled out', () => {
  const half = statusOf(one({ deployment: deployment({ wanted: 2, updated: 1, ready: 1 }) }));
  assert.deepEqual(conditions(half, 'Available'), {
    Ready: 'False Progressing',
    Reconciling: 'True Progressing',
    Available: 'True PodsReady',
  });
});

test('a load balancer without an address is told, and does not count for Ready', () => {
  const registry = sample('minimal', () => ({ expose: [{ name: 'out', type: 'LoadBalancer' }] }));
  const before = statusOf(situation({ registry }));
  assert.deepEqual(conditions(before, 'ExposureReady'), { Ready: 'True Ready', ExposureReady: 'False AddressPending' });
  const name = `${registry.metadata.name}-out`;
  const services = [{ metadata: { name }, status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } }];
  const after = statusOf(situation({ registry, services }));
  assert.equal(conditions(after, 'ExposureReady')['ExposureReady'], 'True Exposed');
  assert.equal(after.endpoints?.find((endpoint) => endpoint.name === 'out')?.host, '192.0.2.7:5000');
});

test('the numbers, the selector, the address and the storage are there for kubectl get and kubectl scale', () => {
  const status = statusOf(one());
  const { name } = persistent.metadata;
  assert.equal(status.replicas, persistent.spec.replicas);
  assert.equal(status.readyReplicas, persistent.spec.replicas);
  assert.equal(
    status.selector,
    `app.kubernetes.io/name=berth,app.kubernetes.io/instance=${name},berth.dev/registry=${name}`,
  );
  assert.equal(status.endpoints?.[0]?.host, `${name}.${persistent.metadata.namespace}.svc:5000`);
  assert.deepEqual(status.storage, { type: 'PersistentVolume', claimName: `${name}-data`, capacity: '20Gi' });
  assert.equal(status.configHash, 'abc');
  assert.equal(status.image, 'example.test/berth:1');
});

test('the same situation gives the same status; a transition time moves only with its condition', () => {
  const first = statusOf(one());
  const later = new Date('2026-02-01T00:00:00Z');
  const again = statusOf(one({ registry: { ...persistent, status: first }, now: later }));
  assert.deepEqual(again, first);
  const broken = statusOf(
    one({ registry: { ...persistent, status: first }, now: later, deployment: deployment({ ready: 0 }) }),
  );
  assert.equal(find(broken, 'Ready').lastTransitionTime, '2026-02-01T00:00:00Z');
  assert.equal(find(broken, 'StorageReady').lastTransitionTime, find(first, 'StorageReady').lastTransitionTime);
});

test('a Registry that is left alone says so and keeps what was known', () => {
  const before = statusOf(one());
  const status = unmanagedStatus({ ...persistent, status: before }, new Date());
  assert.deepEqual(conditions(status), { Ready: 'Unknown Unmanaged' });
  assert.deepEqual(status.endpoints, before.endpoints);
});
