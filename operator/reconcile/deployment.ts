import type { KubeObject } from '../kube/object.ts';

/** What a Deployment says of its Pods; absent counts are 0. */
export interface DeploymentView {
  readonly wanted: number;
  readonly replicas: number;
  readonly updated: number;
  readonly ready: number;
  readonly image: string | undefined;
  /** Whether the status is about the current template. */
  readonly observed: boolean;
  readonly conditions: readonly { type: string; status: string; reason?: string; message?: string }[];
  readonly templateAnnotations: Readonly<Record<string, string>>;
}

export function viewDeployment(deployment: KubeObject): DeploymentView {
  const spec = (deployment.spec ?? {}) as {
    replicas?: number;
    template?: { metadata?: { annotations?: Record<string, string> }; spec?: { containers?: { image?: string }[] } };
  };
  const status = (deployment.status ?? {}) as {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    readyReplicas?: number;
    conditions?: DeploymentView['conditions'];
  };
  return {
    wanted: spec.replicas ?? 1,
    replicas: status.replicas ?? 0,
    updated: status.updatedReplicas ?? 0,
    ready: status.readyReplicas ?? 0,
    image: spec.template?.spec?.containers?.[0]?.image,
    observed: (status.observedGeneration ?? -1) >= (deployment.metadata.generation ?? 0),
    conditions: status.conditions ?? [],
    templateAnnotations: spec.template?.metadata?.annotations ?? {},
  };
}

/** Whether every Pod runs the current template, none is left of an earlier one, and all are ready. */
export function isRolledOut(deployment: KubeObject): boolean {
  const { observed, wanted, updated, replicas, ready } = viewDeployment(deployment);
  return observed && updated === wanted && replicas === wanted && ready >= wanted;
}
