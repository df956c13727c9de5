import type { KubeObject } from '../kube/object.ts';
import { viewDeployment } from './deployment.ts';
import type { ContainerState, ReducedPod } from './reduce.ts';

/** Why Pods do not serve, in one word and in a sentence with what to do. */
export interface Trouble {
  readonly reason:
    | 'ImagePullFailed'
    | 'ContainerConfigError'
    | 'ContainerCrashing'
    | 'PodUnschedulable'
    | 'PodFailed'
    | 'PodsRefused';
  readonly message: string;
}

const pullReasons: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImagePull',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
]);
const configReasons: ReadonlySet<string> = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreCreateHookError',
]);

/** What keeps a Deployment's Pods from serving, the newest Pod first; `undefined` if nothing is known to. */
export function troubleOf(deployment: KubeObject | undefined, pods: readonly KubeObject[]): Trouble | undefined {
  const running = (pods as readonly ReducedPod[])
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? 1 : -1));
  for (const pod of running) {
    const trouble = podTrouble(pod);
    if (trouble !== undefined) return trouble;
  }
  const failure = deployment && viewDeployment(deployment).conditions.find(({ type }) => type === 'ReplicaFailure');
  if (failure?.status !== 'True') return undefined;
  return {
    reason: 'PodsRefused',
    message: `Pods cannot be made: ${failure.message ?? failure.reason ?? 'unknown reason'}`,
  };
}

function podTrouble({ metadata, status }: ReducedPod): Trouble | undefined {
  const pod = `Pod ${metadata.name}`;
  const scheduled = status.conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return { reason: 'PodUnschedulable', message: `${pod} finds no node: ${scheduled.message ?? 'no reason given'}` };
  }
  for (const container of status.containers) {
    const trouble = containerTrouble(pod, container);
    if (trouble !== undefined) return trouble;
  }
  if (status.phase !== 'Failed') return undefined;
  return {
    reason: 'PodFailed',
    message: `${pod} failed: ${[status.reason, status.message].filter(Boolean).join(': ')}`,
  };
}

function containerTrouble(pod: string, { image, state, lastState, restartCount }: ContainerState): Trouble | undefined {
  const waiting = state?.waiting;
  const reason = waiting?.reason ?? '';
  if (pullReasons.has(reason)) {
    const advice = 'check spec.image, and spec.image.pullSecretRefs if it needs a login';
    return {
      reason: 'ImagePullFailed',
      message: `${pod} cannot pull ${image ?? 'its image'} (${reason}): ${waiting?.message ?? ''}; ${advice}`,
    };
  }
  if (configReasons.has(reason)) {
    return { reason: 'ContainerConfigError', message: `${pod} cannot start (${reason}): ${waiting?.message ?? ''}` };
  }
  const ended = lastState?.terminated ?? state?.terminated;
  if (reason === 'CrashLoopBackOff' || (state?.terminated !== undefined && (restartCount ?? 0) > 0)) {
    const how = ended === undefined ? '' : ` with exit code ${ended.exitCode} (${ended.reason ?? 'no reason given'})`;
    const last = ended?.message ? `: ${ended.message.trim()}` : '';
    return {
      reason: 'ContainerCrashing',
      message: `${pod} ended${how}, ${restartCount ?? 0} restarts${last}; see kubectl logs --previous ${pod.slice(4)}`,
    };
  }
  return undefined;
}
