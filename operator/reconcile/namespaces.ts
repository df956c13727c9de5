import type { KubeObject } from '../kube/object.ts';
import { splitKey } from '../kube/object.ts';
import { createWatches, type Watches, type WatchesOptions } from './watches.ts';

/** The watches over some namespaces, or over all if none is named, as one. */
export function createWatchesOver(namespaces: readonly string[], options: Omit<WatchesOptions, 'namespace'>): Watches {
  if (namespaces.length === 0) return createWatches({ ...options, namespace: undefined });
  let missing = namespaces.length;
  const onSynced = () => {
    missing--;
    if (missing === 0) options.onSynced();
  };
  const parts = new Map(namespaces.map((namespace) => [namespace, createWatches({ ...options, namespace, onSynced })]));
  const all = [...parts.values()];
  const of = (key: string) => parts.get(splitKey(key).namespace ?? '');
  const ofObject = ({ metadata }: KubeObject) => parts.get(metadata.namespace ?? '');
  return {
    registry: (key) => of(key)?.registry(key),
    registryKeys: () => all.flatMap((one) => one.registryKeys()),
    children: (key) => of(key)?.children(key) ?? [],
    child: (kind, key) => of(key)?.child(kind, key),
    pods: (key) => of(key)?.pods(key) ?? [],
    claim: (key) => of(key)?.claim(key),
    versionOf: (kind, key) => of(key)?.versionOf(kind, key),
    dependsOn: (key, objects) => of(key)?.dependsOn(key, objects),
    written: (object) => ofObject(object)?.written(object),
    start() {
      for (const one of all) one.start();
    },
    async stop() {
      await Promise.all(all.map((one) => one.stop()));
    },
  };
}
