import type { ObjectMeta } from '../api/metadata.ts';

/** A Kubernetes object as it is sent: plain JSON, nothing that the API server fills in. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta & { readonly namespace: string };
  readonly [field: string]: unknown;
}
