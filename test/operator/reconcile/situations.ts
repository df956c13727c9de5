import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { resolve } from '../../../operator/api/resolve.ts';
import { readRegistrySchema } from '../../../operator/api/schema.ts';
import type { Registry, RegistrySpec } from '../../../operator/api/types.ts';
import { createValidator } from '../../../operator/api/validate.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
import type { Situation } from '../../../operator/reconcile/status.ts';

const validate = createValidator(readRegistrySchema());

/** A sample's Registry with all defaults, as the API server would hand it out. */
export function sample(name: string, change: (spec: RegistrySpec) => object = () => ({})): Registry {
  const file = new URL(`../../../manifests/samples/${name}.yaml`, import.meta.url);
  const validation = validate(load(readFileSync(file, 'utf8')));
  if ('problems' in validation) throw new Error(JSON.stringify(validation.problems));
  const { registry } = validation;
  const metadata = { namespace: 'team', ...registry.metadata, uid: 'uid-1', generation: 3 };
  return { ...registry, metadata, spec: { ...registry.spec, ...change(registry.spec) } };
}

export interface Counts {
  readonly wanted?: number;
  readonly updated?: number;
  readonly replicas?: number;
  readonly ready?: number;
  readonly observed?: boolean;
  readonly conditions?: readonly object[];
}

/** A Deployment whose Pods stand as said; everything is rolled out and ready by default. */
export function deployment({ wanted = 1, observed = true, conditions = [], ...counts }: Counts = {}): KubeObject {
  const { updated = wanted, replicas = wanted, ready = wanted } = counts;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'reg', namespace: 'team', generation: 2 },
    spec: {
      replicas: wanted,
      template: {
        metadata: { annotations: { 'berth.dev/content-hash': 'abc' } },
        spec: { containers: [{ image: 'example.test/berth:1' }] },
      },
    },
    status: {
      observedGeneration: observed ? 2 : 1,
      updatedReplicas: updated,
      replicas,
      readyReplicas: ready,
      conditions,
    },
  };
}

export function claim(status: object, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'reg-data', namespace: 'team', ...metadata },
    spec: {},
    status,
  };
}

export const bound = claim({ phase: 'Bound', capacity: { storage: '20Gi' } });

/** A Pod as the watch keeps it. */
export function pod(containers: readonly object[], more: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'reg-abc', namespace: 'team', creationTimestamp: '2026-01-01T00:00:00Z' },
    status: { conditions: [], containers, ...more },
  };
}

/** A situation in which nothing is wrong, but for what is given. */
export function situation(given: Partial<Situation> & { registry: Registry }): Situation {
  return {
    resolution: resolve(given.registry, { operatorImage: 'example.test/berth:1' }),
    paused: undefined,
    obstacles: [],
    deployment: deployment({ wanted: given.registry.spec.replicas }),
    claim: bound,
    services: [],
    pods: [],
    now: new Date('2026-01-02T03:04:05.678Z'),
    ...given,
  };
}
