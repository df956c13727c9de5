import type { WantedCondition } from '../api/conditions.ts';
import type { Fault } from '../api/resolved.ts';
import type { Registry } from '../api/types.ts';
import type { KubeObject } from '../kube/object.ts';

/** The condition StorageReady: whether there is something to keep images in. */
export function storageCondition(
  registry: Registry,
  faults: readonly Fault[],
  claim: KubeObject | undefined,
): WantedCondition {
  const type = 'StorageReady';
  const [fault] = faults.filter(({ condition }) => condition === type);
  if (fault !== undefined)
    return { type, status: 'False', reason: fault.reason, message: `${fault.path}: ${fault.message}` };
  const { storage } = registry.spec;
  if (storage.type !== 'PersistentVolume') {
    const message = `${storage.type}: images are lost when a Pod ends; use PersistentVolume to keep them`;
    return { type, status: 'True', reason: 'Ephemeral', message };
  }
  if (claim === undefined) {
    return { type, status: 'Unknown', reason: 'ClaimPending', message: 'the claim is about to be made' };
  }
  const name = `PersistentVolumeClaim ${claim.metadata.name}`;
  if (claim.metadata.deletionTimestamp !== undefined) {
    return {
      type,
      status: 'False',
      reason: 'ClaimTerminating',
      message: `${name} is being deleted and goes when no Pod uses it any more`,
    };
  }
  const { phase, capacity } = (claim.status ?? {}) as { phase?: string; capacity?: { storage?: string } };
  if (phase === 'Bound') {
    return {
      type,
      status: 'True',
      reason: 'ClaimBound',
      message: `${name} is bound, ${capacity?.storage ?? 'size unknown'}`,
    };
  }
  if (phase === 'Lost') {
    const message = `the volume of ${name} is gone: restore it, or delete the claim to start empty`;
    return { type, status: 'False', reason: 'ClaimLost', message };
  }
  const message = `${name} has no volume yet: it needs a StorageClass that makes one, or a matching PersistentVolume`;
  return { type, status: 'Unknown', reason: 'ClaimPending', message };
}
