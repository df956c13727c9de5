import { HTTP_SECRET_KEY, httpSecretName } from '../api/names.ts';
import type { Registry } from '../api/types.ts';
import { isOperatorError } from '../error.ts';
import type { Client } from '../kube/client.ts';
import { keyOf } from '../kube/object.ts';
import { resources } from '../kube/resources.ts';
import { childMetadata } from '../render/labels.ts';
import type { Watches } from './watches.ts';

/**
 * Makes the Secret whose key signs the state of uploads, unless it is there or the user names one. It is created, never applied: a
 * value that is there, ours or the user's, stays what it is. Answers `pending` while it is not known what is there.
 */
export type EnsureHttpSecret = (registry: Registry, signal: AbortSignal) => Promise<'there' | 'pending'>;

/** @param random a fresh secret */
export function createHttpSecrets({
  client,
  watches,
  random,
}: {
  client: Client;
  watches: Watches;
  random: () => string;
}): EnsureHttpSecret {
  /** Keys of Secrets that somebody else has made under the name of ours. */
  const foreign = new Set<string>();

  return async (registry, signal) => {
    if (registry.spec.http.secretRef !== undefined) return 'there';
    const { name: registryName, namespace = 'default', uid } = registry.metadata;
    const name = httpSecretName(registryName);
    const key = keyOf({ metadata: { namespace, name } });
    if (watches.child(resources.secret.kind, key) !== undefined) return 'there';
    if (foreign.has(key)) {
      const version = watches.versionOf('Secret', key);
      if (version !== undefined) return version === 'pending' ? 'pending' : 'there';
      foreign.delete(key);
    }
    const data = { [HTTP_SECRET_KEY]: Buffer.from(random()).toString('base64') };
    const metadata = childMetadata({ name: registryName, namespace, uid }, name);
    const { apiVersion, kind } = resources.secret;
    try {
      watches.written(await client.create(resources.secret, { apiVersion, kind, metadata, data }, signal));
      return 'there';
    } catch (error) {
      if (!isOperatorError(error, 'alreadyExists')) throw error;
      foreign.add(key);
      return watches.versionOf('Secret', key) === 'pending' ? 'pending' : 'there';
    }
  };
}
