/** One REST resource of the API server. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

function resource(apiVersion: string, kind: string, plural: string, namespaced = true): Resource {
  return { apiVersion, kind, plural, namespaced };
}

/** Every resource the operator reads or writes; manifests/ grants exactly these. */
export const resources = {
  registry: resource('berth.dev/v1alpha1', 'Registry', 'registries'),
  deployment: resource('apps/v1', 'Deployment', 'deployments'),
  service: resource('v1', 'Service', 'services'),
  secret: resource('v1', 'Secret', 'secrets'),
  configMap: resource('v1', 'ConfigMap', 'configmaps'),
  serviceAccount: resource('v1', 'ServiceAccount', 'serviceaccounts'),
  claim: resource('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims'),
  budget: resource('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  pod: resource('v1', 'Pod', 'pods'),
  event: resource('events.k8s.io/v1', 'Event', 'events'),
} as const satisfies Record<string, Resource>;

/** The resource of an object of ours, `undefined` for a kind that the operator does not handle. */
export function resourceOf(object: { apiVersion?: string; kind?: string }): Resource | undefined {
  return Object.values(resources).find((one) => one.apiVersion === object.apiVersion && one.kind === object.kind);
}

/** The URL path of a collection, or of one object in it, optionally of a subresource. */
export function pathOf(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const parts = [root];
  if (resource.namespaced && namespace !== undefined) parts.push('namespaces', encodeURIComponent(namespace));
  parts.push(resource.plural);
  if (name !== undefined) parts.push(encodeURIComponent(name));
  if (subresource !== undefined) parts.push(subresource);
  return parts.join('/');
}
