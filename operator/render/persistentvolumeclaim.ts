import type { V1PersistentVolumeClaimSpec } from '@kubernetes/client-node';
import type { Resolved } from '../api/resolved.ts';
import { childMetadata, labels } from './labels.ts';
import type { KubernetesObject } from './object.ts';

/**
 * The claim of `claimTemplate`, or nothing. It carries the labels of a child, by which it is found, but belongs to the Registry
 * only under deletionPolicy Delete: otherwise the images outlive the Registry, and a Registry of the same name takes the claim
 * up again.
 */
export function persistentVolumeClaim(resolved: Resolved): KubernetesObject | undefined {
  const { storage } = resolved;
  if (storage.type !== 'PersistentVolume' || storage.template === undefined) return undefined;
  const { size, storageClassName, accessModes, volumeName } = storage.template;
  const spec: V1PersistentVolumeClaimSpec = {
    accessModes,
    resources: { requests: { storage: size } },
    ...(storageClassName !== undefined && { storageClassName }),
    ...(volumeName !== undefined && { volumeName }),
  };
  const name = storage.claimName;
  const metadata =
    resolved.deletionPolicy === 'Delete'
      ? childMetadata(resolved, name)
      : { name, namespace: resolved.namespace, labels: labels(resolved) };
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec };
}
