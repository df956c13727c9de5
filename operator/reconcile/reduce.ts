import type { KubeObject } from '../kube/object.ts';
import { labels, REGISTRY_LABEL } from '../render/labels.ts';

/** What is kept of the objects that are watched: memory goes with their number, so that nothing unread is stored. */

/** All but the record of who manages which field. */
export function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Whether an object carries the label of this operator's children. */
export function isOurs(object: KubeObject): boolean {
  const label = 'app.kubernetes.io/managed-by';
  return object.metadata.labels?.[label] === labels({ name: '' })[label];
}

/** A claim of ours as it is; of anybody else's what tells whether a registry can use it. */
export function reducedClaim(object: KubeObject): KubeObject {
  if (isOurs(object)) return withoutManagedFields(object);
  const { accessModes } = (object.spec ?? {}) as { accessModes?: unknown };
  const { phase, capacity } = (object.status ?? {}) as { phase?: unknown; capacity?: unknown };
  return { ...identity(object), spec: { accessModes }, status: { phase, capacity } };
}

/** The status of a container, as far as it tells why a Pod does not run. */
export interface ContainerState {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly image?: string;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: Termination;
  };
  readonly lastState?: { readonly terminated?: Termination };
}

interface Termination {
  readonly exitCode?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** A Pod as `reducedPod` leaves it. */
export interface ReducedPod extends KubeObject {
  readonly status: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions: readonly { type: string; status: string; reason?: string; message?: string }[];
    readonly containers: readonly ContainerState[];
  };
}

/** Why a Pod runs or does not, without its specification. */
export function reducedPod(object: KubeObject): ReducedPod {
  const status = (object.status ?? {}) as {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: ReducedPod['status']['conditions'];
    containerStatuses?: ContainerState[];
    initContainerStatuses?: ContainerState[];
  };
  const { phase, reason, message } = status;
  const { creationTimestamp, deletionTimestamp, labels: carried } = object.metadata;
  const registry = carried?.[REGISTRY_LABEL];
  const { kind, apiVersion, metadata } = identity(object);
  return {
    apiVersion,
    kind,
    metadata: {
      ...metadata,
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(registry === undefined ? {} : { labels: { [REGISTRY_LABEL]: registry } }),
    },
    status: {
      ...(phase === undefined ? {} : { phase }),
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
      conditions: (status.conditions ?? []).filter(({ type }) => type === 'PodScheduled' || type === 'Ready'),
      containers: [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].map((one) => ({
        name: one.name,
        ...(one.ready === undefined ? {} : { ready: one.ready }),
        ...(one.restartCount === undefined ? {} : { restartCount: one.restartCount }),
        ...(one.image === undefined ? {} : { image: one.image }),
        ...(one.state === undefined ? {} : { state: one.state }),
        ...(one.lastState === undefined ? {} : { lastState: one.lastState }),
      })),
    },
  };
}

/** That it is there, and in which version. */
export function versionOnly(object: KubeObject): KubeObject {
  return identity(object);
}

function identity({
  apiVersion,
  kind,
  metadata,
}: KubeObject): Required<Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>> {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    apiVersion: apiVersion ?? '',
    kind: kind ?? '',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  };
}
