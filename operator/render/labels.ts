import type { ObjectMeta, OwnerReference } from '../api/metadata.ts';
import type { Resolved } from '../api/resolved.ts';

/** The one field manager of server-side apply. */
export const FIELD_MANAGER = 'berth-operator';

/** The label that every child carries, with the Registry's name as value. */
export const REGISTRY_LABEL = 'berth.dev/registry';

type Named = Pick<Resolved, 'name' | 'namespace' | 'uid'>;

/** The labels of every child. */
export function labels(registry: Pick<Named, 'name'>): Record<string, string> {
  return { ...podLabels(registry), 'app.kubernetes.io/managed-by': 'berth-operator' };
}

/** The labels by which Services and the Deployment find the Pods; a Deployment's selector can never change. */
export function podLabels(registry: Pick<Named, 'name'>): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'berth',
    'app.kubernetes.io/instance': registry.name,
    [REGISTRY_LABEL]: registry.name,
  };
}

/** The label selector of the Pods, for `status.selector`. */
export function podSelector(registry: Pick<Named, 'name'>): string {
  return Object.entries(podLabels(registry))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** The Registry as controlling owner; empty when it is not from an API server. */
export function ownerReferences(registry: Named): OwnerReference[] {
  if (registry.uid === undefined) return [];
  return [
    {
      apiVersion: 'berth.dev/v1alpha1',
      kind: 'Registry',
      name: registry.name,
      uid: registry.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ];
}

/** Metadata of a child that ends with its Registry. */
export function childMetadata(registry: Named, name: string): ObjectMeta & { readonly namespace: string } {
  const owners = ownerReferences(registry);
  return {
    name,
    namespace: registry.namespace,
    labels: labels(registry),
    ...(owners.length > 0 && { ownerReferences: owners }),
  };
}
