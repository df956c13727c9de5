import type { V1PodDisruptionBudgetSpec } from '@kubernetes/client-node';
import type { Resolved } from '../api/resolved.ts';
import { childMetadata, podLabels } from './labels.ts';
import type { KubernetesObject } from './object.ts';

/**
 * A budget that lets one Pod go at a time, or nothing for a single replica: a budget there would only keep nodes from being
 * drained. A Pod that is not ready anyway never holds up a drain.
 */
export function podDisruptionBudget(resolved: Resolved): KubernetesObject | undefined {
  if (resolved.replicas < 2) return undefined;
  const spec: V1PodDisruptionBudgetSpec = {
    maxUnavailable: 1,
    selector: { matchLabels: podLabels(resolved) },
    unhealthyPodEvictionPolicy: 'AlwaysAllow',
  };
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata(resolved, resolved.name),
    spec,
  };
}
