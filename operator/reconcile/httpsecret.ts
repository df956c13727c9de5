import { HTTP_SECRET_KEY, httpSecretName } from '../api/names.ts';
import type { Registry } from '../api/types.ts';
import type { Client } from '../kube/client.ts';
import { isOperatorError } from '../kube/errors.ts';
import { keyOf } from '../kube/object.ts';
import { resources } from '../kube/resources.ts';
import { childMetadata } from '../render/labels.ts';
import type { Watches } from './watches.ts';

/**
 * Makes the Secret whose key signs the state of uploads, unless it is there or the user names one. It is created, never applied: a
 * value that is there, ours or the user's, stays what it is.
 *
 * @param random a fresh secret
 * @returns what it took. `pending`: whether it is there is not known yet
 */
export async function ensureHttpSecret(
  { client, watches, random }: { client: Client; watches: Watches; random: () => string },
  registry: Registry,
  signal: AbortSignal,
): Promise<'nothing' | 'created' | 'pending'> {
  if (registry.spec.http.secretRef !== undefined) return 'nothing';
  const { name: registryName, namespace = 'default', uid } = registry.metadata;
  const name = httpSecretName(registryName);
  const key = keyOf({ metadata: { namespace, name } });
  if (watches.child('Secret', key) !== undefined) return 'nothing';
  try {
    const made = await client.create(
      resources.secret,
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: childMetadata({ name: registryName, namespace, uid }, name),
        type: 'Opaque',
        data: { [HTTP_SECRET_KEY]: Buffer.from(random()).toString('base64') },
      } as Parameters<Client['create']>[1],
      signal,
    );
    watches.written(made);
    return 'created';
  } catch (error) {
    if (!isOperatorError(error, 'alreadyExists')) throw error;
  }
  // The user's own, or ours and not yet in the watch: from now on the watch over other people's Secrets knows which.
  return watches.versionOf('Secret', key) === 'pending' ? 'pending' : 'nothing';
}
