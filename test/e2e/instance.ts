import assert from 'node:assert/strict';
import type { V1Service } from '@kubernetes/client-node';
import type { Registry } from '../../operator/api/types.ts';
import { eventually } from '../support/eventually.ts';
import type { NodeCluster } from '../support/node-handle.ts';
import type { Objects } from './objects.ts';

/** One Registry of the test. */
export interface Instance {
  readonly namespace: string;
  readonly name: string;
  /** `NAME.NAMESPACE.svc:5000`, as it stands in the names of images. */
  readonly host: string;
  /** What the API server holds of it. */
  read(): Promise<Registry>;
  /** The status of a condition, and why. */
  condition(type: string): Promise<{ status?: string; reason?: string; message?: string }>;
  /** Waits for Ready, as a person does: `kubectl wait --for=condition=Ready`. */
  ready(): Promise<void>;
  /** Waits until its status counts so many Pods, all new and ready. */
  counts(pods: number): Promise<void>;
  service(): Promise<V1Service>;
  /** `127.0.0.1:PORT` on this machine, which leads to its Service. Waits until it does: nodes hear of ready Pods a moment later. */
  address(): Promise<string>;
  /** The same for one Pod. */
  addressOf(podIp: string): Promise<string>;
}

/** A Registry by its name; it need not be there yet. */
export function instanceOf(node: NodeCluster, objects: Objects, namespace: string, name: string): Instance {
  const forwards = new Map<string, Promise<string>>();
  const forward = (target: string) => {
    const open = forwards.get(target) ?? node.forward(target).then(({ address }) => address);
    forwards.set(target, open);
    return open;
  };
  const instance: Instance = {
    namespace,
    name,
    host: `${name}.${namespace}.svc:5000`,
    read: () => objects.get('registry', namespace, name),
    condition: async (wanted) => {
      const { status } = await instance.read();
      return status?.conditions?.find(({ type }) => type === wanted) ?? {};
    },
    ready: () => objects.waitFor('condition=Ready', `registry/${name}`, namespace),
    counts: (pods) =>
      eventually(async () => {
        const { status } = await instance.read();
        const { replicas, readyReplicas, updatedReplicas } = status ?? {};
        assert.deepEqual({ replicas, readyReplicas, updatedReplicas }, all(pods));
      }),
    service: () => objects.get('service', namespace, name),
    address: async () => {
      const address = await forward(`${(await instance.service()).spec?.clusterIP}:5000`);
      await eventually(async () => assert.ok((await fetch(`http://${address}/v2/`)).ok));
      return address;
    },
    addressOf: (podIp) => forward(`${podIp}:5000`),
  };
  return instance;
}

const all = (pods: number) => ({ replicas: pods, readyReplicas: pods, updatedReplicas: pods });
