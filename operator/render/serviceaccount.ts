import type { Resolved } from '../api/resolved.ts';
import { childMetadata } from './labels.ts';
import type { KubernetesObject } from './object.ts';

/** A ServiceAccount without rights and without a mounted token, or nothing if the Registry names one. */
export function serviceAccount(resolved: Resolved): KubernetesObject | undefined {
  if (!resolved.serviceAccount.made) return undefined;
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: childMetadata(resolved, resolved.serviceAccount.name),
    automountServiceAccountToken: false,
  };
}
