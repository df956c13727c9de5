import { createHash } from 'node:crypto';
import type { Reference } from '../api/resolved.ts';
import type { Client } from '../kube/client.ts';
import { type KubeObject, keyOf } from '../kube/object.ts';
import { resources } from '../kube/resources.ts';
import type { Watches } from './watches.ts';

/** Hashes of the values in Secrets and ConfigMaps that Registries refer to; the values themselves go no further than here. */
export interface References {
  /**
   * Hashes by `Kind/NAME` and key, for `resolve`. An object that is missing in the namespace is missing here. `'pending'`: it is not known
   * yet what is there; the Registry is woken when it is.
   */
  hashes(
    namespace: string,
    references: readonly Reference[],
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, Readonly<Record<string, string>>>> | 'pending'>;
}

type Hashes = Readonly<Record<string, string>>;

/** Objects whose hashes are kept. Beyond that the least recently used are read again. */
const maxKept = 10_000;

/** Reads a referenced object when its version changes, and not otherwise. Secrets of our own come with the watch. */
export function createReferences({ client, watches }: { client: Client; watches: Watches }): References {
  const kept = new Map<string, { resourceVersion: string | undefined; hashes: Hashes }>();

  function keep(id: string, object: KubeObject): Hashes {
    const { resourceVersion } = object.metadata;
    const known = kept.get(id);
    const hashes = known?.resourceVersion === resourceVersion && known ? known.hashes : hashesOf(object);
    kept.delete(id);
    kept.set(id, { resourceVersion, hashes });
    const oldest = kept.size > maxKept ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    return hashes;
  }

  async function look(kind: Reference['kind'], namespace: string, name: string, signal: AbortSignal) {
    const key = keyOf({ metadata: { namespace, name } });
    const id = `${kind}/${key}`;
    const own = watches.child(kind, key);
    if (own !== undefined) return keep(id, own);
    const version = watches.versionOf(kind, key);
    if (version === 'pending' || version === undefined) return version;
    const known = kept.get(id);
    if (known !== undefined && known.resourceVersion === version.metadata.resourceVersion) return known.hashes;
    const resource = kind === 'Secret' ? resources.secret : resources.configMap;
    const object = await client.get(resource, { namespace, name }, signal);
    return object === undefined ? undefined : keep(id, object);
  }

  return {
    async hashes(namespace, references, signal) {
      const found: Record<string, Hashes> = {};
      for (const { kind, name } of references) {
        const id = `${kind}/${name}`;
        if (found[id] !== undefined) continue;
        const hashes = await look(kind, namespace, name, signal);
        if (hashes === 'pending') return 'pending';
        if (hashes !== undefined) found[id] = hashes;
      }
      return found;
    },
  };
}

function hashesOf(object: KubeObject): Hashes {
  const { data, binaryData } = object as { data?: Record<string, string>; binaryData?: Record<string, string> };
  const entries = Object.entries({ ...data, ...binaryData });
  return Object.fromEntries(entries.map(([key, value]) => [key, createHash('sha256').update(value).digest('hex')]));
}
