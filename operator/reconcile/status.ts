import { mergeConditions, type WantedCondition } from '../api/conditions.ts';
import { endpoints } from '../api/endpoints.ts';
import type { Fault, FaultCondition, Resolution, Resolved } from '../api/resolved.ts';
import type { Registry, RegistryStatus } from '../api/types.ts';
import type { KubeObject } from '../kube/object.ts';
import { CONTENT_HASH } from '../render/deployment.ts';
import { podSelector } from '../render/labels.ts';
import { type DeploymentView, viewDeployment } from './deployment.ts';
import { storageCondition } from './storage.ts';
import { type Trouble, troubleOf } from './trouble.ts';

/** Something that keeps a child from being what was rendered. */
export interface Obstacle {
  readonly reason: 'NameTaken' | 'ApplyRefused' | 'ApplyFailed' | 'WaitingForDeletion';
  readonly message: string;
}

/** Everything that a status is made of. */
export interface Situation {
  readonly registry: Registry;
  readonly resolution: Resolution;
  /** Children that differ and are left so, under managementPolicy Paused. */
  readonly paused: readonly string[] | undefined;
  readonly obstacles: readonly Obstacle[];
  /** As observed, after what was applied. */
  readonly deployment: KubeObject | undefined;
  readonly claim: KubeObject | undefined;
  readonly services: readonly KubeObject[];
  readonly pods: readonly KubeObject[];
  readonly now: Date;
}

/** Obstacles that time may remove. */
const mending: ReadonlySet<string> = new Set<Obstacle['reason']>(['ApplyFailed', 'WaitingForDeletion']);

/** The reasons that `Ready`, `Reconciling` and `Stalled` can carry. */
export type Reason =
  | 'Ready'
  | 'ScaledToZero'
  | 'Progressing'
  | 'PodsNotReady'
  | 'ProgressDeadlineExceeded'
  | 'Paused'
  | 'Unmanaged'
  | Fault['reason']
  | Obstacle['reason']
  | Trouble['reason'];

/** How it stands as a whole. `moving`: time alone may mend it; `stuck`: somebody has to act. */
interface Summary {
  readonly state: 'ready' | 'moving' | 'stuck' | 'paused';
  readonly reason: Reason;
  readonly message: string;
}

/**
 * The status of a Registry, by kstatus' rules: `Reconciling` and `Stalled` are there only while they hold, `observedGeneration` is
 * the generation that was acted on. The same situation gives the same status.
 */
export function statusOf(situation: Situation): RegistryStatus {
  const { registry, resolution, deployment, claim, services } = situation;
  const generation = registry.metadata.generation ?? 0;
  const resolved = 'resolved' in resolution ? resolution.resolved : undefined;
  const faults = 'faults' in resolution ? resolution.faults : [];
  const view = deployment && viewDeployment(deployment);
  const summary = summarize(situation, resolved, faults, view);
  const { storage } = registry.spec;
  const claimName = storage.type === 'PersistentVolume' ? claimNameOf(registry, resolved) : undefined;
  const capacity = (claim?.status as { capacity?: { storage?: string } } | undefined)?.capacity?.storage;
  const configHash = view?.templateAnnotations[CONTENT_HASH];
  const image = view?.image ?? resolved?.image.reference;
  return {
    observedGeneration: generation,
    conditions: mergeConditions(
      registry.status?.conditions,
      [
        ...headline(summary),
        ...pausedCondition(situation.paused),
        about(faults, 'ConfigValid', 'Valid', 'the resource is valid'),
        about(faults, 'CredentialsResolved', 'Resolved', 'every Secret and ConfigMap that is named is there'),
        storageCondition(registry, faults, claim),
        availability(view, situation.pods),
        exposure(resolved, services),
      ],
      generation,
      situation.now,
    ),
    ...(image === undefined ? {} : { image }),
    replicas: view?.replicas ?? 0,
    readyReplicas: view?.ready ?? 0,
    updatedReplicas: view?.updated ?? 0,
    selector: podSelector(registry.metadata),
    ...(resolved === undefined
      ? registry.status?.endpoints && { endpoints: registry.status.endpoints }
      : { endpoints: endpoints(resolved, addressesOf(services)) }),
    ...(configHash === undefined ? {} : { configHash }),
    storage: {
      type: storage.type,
      ...(claimName === undefined ? {} : { claimName }),
      ...(capacity === undefined ? {} : { capacity }),
    },
  };
}

/** The status of a Registry that is left alone. What was known of it before stays. */
export function unmanagedStatus(registry: Registry, now: Date): RegistryStatus {
  const generation = registry.metadata.generation ?? 0;
  const message = 'spec.managementPolicy is Unmanaged: the operator leaves this registry and its children alone';
  const ready: WantedCondition = { type: 'Ready', status: 'Unknown', reason: 'Unmanaged', message };
  return {
    ...registry.status,
    observedGeneration: generation,
    conditions: mergeConditions(registry.status?.conditions, [ready], generation, now),
  };
}

function summarize(
  situation: Situation,
  resolved: Resolved | undefined,
  faults: readonly Fault[],
  view: DeploymentView | undefined,
): Summary {
  const { paused, obstacles, deployment, pods } = situation;
  const [fault] = faults;
  if (fault !== undefined) {
    return {
      state: 'stuck',
      reason: fault.reason,
      message: faults.map(({ path, message }) => `${path}: ${message}`).join('; '),
    };
  }
  const obstacle = obstacles.find(({ reason }) => !mending.has(reason)) ?? obstacles[0];
  if (obstacle !== undefined) {
    const message = obstacles.map((one) => one.message).join('; ');
    return { state: mending.has(obstacle.reason) ? 'moving' : 'stuck', reason: obstacle.reason, message };
  }
  if (paused !== undefined && paused.length > 0) {
    const message = `spec.managementPolicy is Paused, and ${paused.join(', ')} would be changed: set it to Managed to go on`;
    return { state: 'paused', reason: 'Paused', message };
  }
  const rollout = rolloutSummary(view, troubleOf(deployment, pods), resolved);
  return paused === undefined || rollout.state === 'ready' ? rollout : { ...rollout, state: 'paused' };
}

function rolloutSummary(
  view: DeploymentView | undefined,
  trouble: Trouble | undefined,
  resolved: Resolved | undefined,
): Summary {
  if (view === undefined)
    return { state: 'moving', reason: 'Progressing', message: 'the Deployment is about to be made' };
  const { wanted, updated, ready, replicas, observed, conditions } = view;
  if (observed && updated === wanted && ready >= wanted && replicas === wanted) {
    if (wanted === 0)
      return { state: 'ready', reason: 'ScaledToZero', message: 'spec.replicas is 0: no Pod runs, as asked' };
    const [primary] = resolved === undefined ? [] : endpoints(resolved);
    return {
      state: 'ready',
      reason: 'Ready',
      message: `${count(ready, wanted)} ready, serving at ${primary?.host ?? 'its Services'}`,
    };
  }
  const progressing = conditions.find(({ type }) => type === 'Progressing');
  const late = observed && progressing?.status === 'False' && progressing.reason === 'ProgressDeadlineExceeded';
  if (trouble !== undefined && observed) return { state: late ? 'stuck' : 'moving', ...trouble };
  const counts = `${count(updated, wanted)} updated, ${ready} ready`;
  if (late) {
    return {
      state: 'stuck',
      reason: 'ProgressDeadlineExceeded',
      message: `${counts}, and no progress for too long: ${progressing.message ?? ''}`,
    };
  }
  const rollingOut =
    !observed || updated < wanted || replicas > updated || progressing?.reason !== 'NewReplicaSetAvailable';
  return {
    state: 'moving',
    reason: rollingOut ? 'Progressing' : 'PodsNotReady',
    message: observed ? counts : 'a new template is rolled out',
  };
}

/** Ready always; Reconciling and Stalled only while they hold. */
function headline({ state, reason, message }: Summary): WantedCondition[] {
  const ready: WantedCondition = { type: 'Ready', status: state === 'ready' ? 'True' : 'False', reason, message };
  if (state === 'moving') return [ready, { type: 'Reconciling', status: 'True', reason, message }];
  if (state === 'stuck') return [ready, { type: 'Stalled', status: 'True', reason, message }];
  return [ready];
}

function pausedCondition(differing: readonly string[] | undefined): WantedCondition[] {
  if (differing === undefined) return [];
  const message = differing.length === 0 ? 'nothing would be changed' : `${differing.join(', ')} would be changed`;
  return [{ type: 'Paused', status: 'True', reason: 'Paused', message }];
}

/** The condition that `faults` of its kind make False. */
function about(faults: readonly Fault[], type: FaultCondition, reason: string, message: string): WantedCondition {
  const mine = faults.filter(({ condition }) => condition === type);
  const [first] = mine;
  if (first === undefined) return { type, status: 'True', reason, message };
  return {
    type,
    status: 'False',
    reason: first.reason,
    message: mine.map((one) => `${one.path}: ${one.message}`).join('; '),
  };
}

/** Whether anybody answers: at least one Pod is ready, whatever else goes on. */
function availability(view: DeploymentView | undefined, pods: readonly KubeObject[]): WantedCondition {
  const type = 'Available';
  if (view === undefined)
    return { type, status: 'False', reason: 'NotDeployed', message: 'there is no Deployment yet' };
  const { ready, wanted } = view;
  if (ready > 0) return { type, status: 'True', reason: 'PodsReady', message: `${count(ready, wanted)} ready` };
  if (wanted === 0) return { type, status: 'False', reason: 'ScaledToZero', message: 'spec.replicas is 0' };
  return {
    type,
    status: 'False',
    reason: 'PodsNotReady',
    message: troubleOf(undefined, pods)?.message ?? 'no Pod is ready',
  };
}

/** Whether every Service has the address that its type promises. It does not count for Ready: the registry serves all the same. */
function exposure(resolved: Resolved | undefined, services: readonly KubeObject[]): WantedCondition {
  const type = 'ExposureReady';
  if (resolved === undefined)
    return { type, status: 'Unknown', reason: 'NotResolved', message: 'the resource has faults' };
  const addresses = addressesOf(services);
  const missing = resolved.exposures.filter(
    (one) => one.type === 'LoadBalancer' && addresses[one.serviceName] === undefined,
  );
  if (missing.length === 0)
    return { type, status: 'True', reason: 'Exposed', message: 'every Service has its address' };
  const names = missing.map(({ serviceName }) => serviceName).join(', ');
  const message = `no load balancer has given the Service ${names} an address yet`;
  return { type, status: 'False', reason: 'AddressPending', message };
}

function addressesOf(services: readonly KubeObject[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { metadata, status } of services) {
    const { loadBalancer } = (status ?? {}) as { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } };
    const [first] = loadBalancer?.ingress ?? [];
    const address = first?.hostname ?? first?.ip;
    if (address !== undefined) found[metadata.name] = address;
  }
  return found;
}

function claimNameOf(registry: Registry, resolved: Resolved | undefined): string | undefined {
  if (resolved?.storage.type === 'PersistentVolume') return resolved.storage.claimName;
  return registry.spec.storage.persistentVolume?.claimName;
}

function count(some: number, all: number): string {
  return `${some} of ${all} ${all === 1 ? 'Pod' : 'Pods'}`;
}
