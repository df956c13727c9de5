import type { Registry } from '../api/types.ts';
import type { OperatorError } from '../error.ts';
import type { Client } from '../kube/client.ts';
import { type KubeObject, keyOf } from '../kube/object.ts';
import { createReflector, type Reflector } from '../kube/reflector.ts';
import { type Resource, resources } from '../kube/resources.ts';
import type { Transport } from '../kube/transport.ts';
import { labels, REGISTRY_LABEL } from '../render/labels.ts';
import { reducedClaim, reducedPod, versionOnly, withoutManagedFields } from './reduce.ts';

/** Everything that the reconciler knows of the cluster, kept up to date by watches. Reading from it costs no request. */
export interface Watches {
  registry(key: string): Registry | undefined;
  registryKeys(): string[];
  /** The children of one Registry, by its key: all kinds that are rendered, and claims. */
  children(registryKey: string): KubeObject[];
  /** A child by kind and key. */
  child(kind: string, key: string): KubeObject | undefined;
  pods(registryKey: string): KubeObject[];
  /** Any claim; of those that are not ours only the access modes, phase and capacity are kept. */
  claim(key: string): KubeObject | undefined;
  /**
   * The version of a Secret or ConfigMap that is not ours; `undefined` where there is none, `'pending'` while that is not known yet. The
   * first question starts the watch, which keeps names and versions alone.
   */
  versionOf(kind: 'Secret' | 'ConfigMap', key: string): KubeObject | 'pending' | undefined;
  /** Says which objects that are not its children a Registry depends on, as `Kind/key`; their changes then wake it. */
  dependsOn(registryKey: string, objects: readonly string[]): void;
  /** Puts the answer to a write of ours where the next look finds it. */
  written(object: KubeObject): void;
  /** Starts the watches. `onSynced` of the options tells when all have listed. */
  start(): void;
  stop(): Promise<void>;
}

export interface WatchesOptions {
  transport: Transport;
  client: Client;
  /** Absent: all namespaces. */
  namespace: string | undefined;
  /** A Registry has to be looked at. */
  wake: (registryKey: string) => void;
  /** Every watch that is needed from the start has listed. */
  onSynced: () => void;
  /** A watch fails, or works again (`undefined`). */
  onTrouble: (resource: Resource, error: OperatorError | undefined) => void;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  random: () => number;
  now: () => number;
}

const ours = `app.kubernetes.io/managed-by=${labels({ name: '' })['app.kubernetes.io/managed-by']}`;

/** The kinds that `render` makes, and the Secret with the key of upload states. */
const childKinds: readonly Resource[] = [
  resources.secret,
  resources.serviceAccount,
  resources.service,
  resources.deployment,
  resources.budget,
];

export function createWatches(options: WatchesOptions): Watches {
  const { namespace, wake } = options;
  const dependants = new Map<string, Set<string>>();
  const dependencies = new Map<string, readonly string[]>();
  let missing = 0;

  function reflect<T extends KubeObject>(
    resource: Resource,
    how: {
      labelSelector?: string;
      metadataOnly?: boolean;
      transform: (object: KubeObject) => T;
      indexBy?: (object: T) => string | undefined;
      wakes: (object: T, key: string) => Iterable<string>;
      onSynced?: () => void;
    },
  ): Reflector<T> {
    const { labelSelector, metadataOnly = false, transform, indexBy, wakes, onSynced } = how;
    return createReflector<T>({
      transport: options.transport,
      client: options.client,
      selection: { resource, namespace, labelSelector, metadataOnly },
      transform,
      ...(indexBy === undefined ? {} : { indexBy }),
      onChange: (key, { before, after }) => {
        for (const object of [before, after]) if (object !== undefined) for (const one of wakes(object, key)) wake(one);
      },
      onSynced:
        onSynced ??
        (() => {
          missing--;
          if (missing === 0) options.onSynced();
        }),
      onTrouble: (error) => options.onTrouble(resource, error),
      sleep: options.sleep,
      random: options.random,
      now: options.now,
    });
  }

  const dependantsOf = (kind: string) => (_: KubeObject, key: string) => dependants.get(`${kind}/${key}`) ?? [];

  const registries = reflect<Registry>(resources.registry, {
    transform: (object) => withoutManagedFields(object) as Registry,
    wakes: (_, key) => [key],
  });
  const children = new Map(
    childKinds.map((resource) => [
      resource.kind,
      reflect<KubeObject>(resource, {
        labelSelector: ours,
        transform: withoutManagedFields,
        indexBy: ownerKey,
        wakes: (object) => ownerKeys(object),
      }),
    ]),
  );
  const claims = reflect<KubeObject>(resources.claim, {
    transform: reducedClaim,
    indexBy: ownerKey,
    wakes: (object, key) => [...ownerKeys(object), ...dependantsOf('PersistentVolumeClaim')(object, key)],
  });
  const pods = reflect<KubeObject>(resources.pod, {
    labelSelector: `app.kubernetes.io/name=berth,${REGISTRY_LABEL}`,
    transform: reducedPod,
    indexBy: ownerKey,
    wakes: (object) => ownerKeys(object),
  });
  const needed: Reflector<KubeObject>[] = [registries as unknown as Reflector, ...children.values(), claims, pods];
  missing = needed.length;

  /** Secrets and ConfigMaps of other people, started when the first Registry names one. */
  const versions = new Map(
    [resources.secret, resources.configMap].map((resource) => [
      resource.kind,
      reflect<KubeObject>(resource, {
        labelSelector: ours.replace('=', '!='),
        metadataOnly: true,
        transform: versionOnly,
        wakes: dependantsOf(resource.kind),
        onSynced: () => {
          for (const [object, keys] of dependants)
            if (object.startsWith(`${resource.kind}/`)) for (const key of keys) wake(key);
        },
      }),
    ]),
  );
  const all = [...needed, ...versions.values()];

  return {
    registry: (key) => registries.store.get(key),
    registryKeys: () => [...registries.store.keys()],
    children: (key) => [...children.values(), claims].flatMap((one) => one.store.indexed(key)),
    child: (kind, key) => (kind === resources.claim.kind ? claims : children.get(kind))?.store.get(key),
    pods: (key) => pods.store.indexed(key),
    claim: (key) => claims.store.get(key),
    versionOf(kind, key) {
      const reflector = versions.get(kind);
      reflector?.start();
      return reflector?.hasSynced() ? reflector.store.get(key) : 'pending';
    },
    dependsOn(registryKey, objects) {
      const before = dependencies.get(registryKey) ?? [];
      for (const object of before) {
        const keys = dependants.get(object);
        keys?.delete(registryKey);
        if (keys?.size === 0) dependants.delete(object);
      }
      if (objects.length === 0) dependencies.delete(registryKey);
      else dependencies.set(registryKey, objects);
      for (const object of objects) {
        const keys = dependants.get(object);
        if (keys === undefined) dependants.set(object, new Set([registryKey]));
        else keys.add(registryKey);
      }
    },
    written(object) {
      const kind = object.kind ?? '';
      if (kind === resources.registry.kind) registries.written(object);
      else if (kind === resources.claim.kind) claims.written(object);
      else children.get(kind)?.written(object);
    },
    start() {
      for (const one of needed) one.start();
    },
    async stop() {
      await Promise.all(all.map((one) => one.stop()));
    },
  };
}

/** The key of the Registry whose label an object carries. */
function ownerKey(object: KubeObject): string | undefined {
  const { namespace, labels: carried } = object.metadata;
  const name = carried?.[REGISTRY_LABEL];
  return name === undefined ? undefined : keyOf({ metadata: { namespace, name } });
}

function ownerKeys(object: KubeObject): string[] {
  const key = ownerKey(object);
  return key === undefined ? [] : [key];
}
