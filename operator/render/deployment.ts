import type {
  V1DeploymentSpec,
  V1DeploymentStrategy,
  V1PodSpec,
  V1TopologySpreadConstraint,
} from '@kubernetes/client-node';
import { configSecretName } from '../api/names.ts';
import type { Resolved } from '../api/resolved.ts';
import { CONFIG_FILE, contentHash } from './config.ts';
import { CONFIG_VOLUME, PRE_STOP_SECONDS, registryContainer } from './container.ts';
import { childMetadata, podLabels } from './labels.ts';
import type { KubernetesObject } from './object.ts';
import { dataVolume } from './storage.ts';

/** The annotation of the Pod template that carries the hash of all content which the Pods take in. */
export const CONTENT_HASH = 'berth.dev/content-hash';

/** The user and group of the image. Volumes are given to the group. */
const USER = 65532;

/** What is left for the process to end after its requests have been drained, in seconds. */
const END_SECONDS = 10;

/** The Deployment of the registry's Pods. */
export function deployment(resolved: Resolved): KubernetesObject {
  const { podTemplate } = resolved;
  const spec: V1DeploymentSpec = {
    replicas: resolved.replicas,
    revisionHistoryLimit: 3,
    progressDeadlineSeconds: 600,
    selector: { matchLabels: podLabels(resolved) },
    strategy: strategy(resolved),
    template: {
      metadata: {
        labels: { ...podTemplate.labels, ...podLabels(resolved) },
        annotations: { ...podTemplate.annotations, [CONTENT_HASH]: contentHash(resolved) },
      },
      spec: podSpec(resolved),
    },
  };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: childMetadata(resolved, resolved.name), spec };
}

/**
 * A volume that one node or Pod uses at a time is free only after the old Pod has ended; two servers on a folder or memory of
 * their own would answer differently. Shared storage lets the new Pod come up first.
 */
function strategy({ storage }: Resolved): V1DeploymentStrategy {
  if (!storage.shared) return { type: 'Recreate' };
  return { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
}

/** It satisfies Pod Security "restricted". */
function podSpec(resolved: Resolved): V1PodSpec {
  const { podTemplate, image, http, storage } = resolved;
  const preStop = storage.shared ? PRE_STOP_SECONDS : 0;
  return {
    serviceAccountName: resolved.serviceAccount.name,
    automountServiceAccountToken: false,
    // Variables of Services called registry-something would be taken for settings of the server.
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      fsGroup: USER,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationGracePeriodSeconds: preStop + Math.ceil(http.drainTimeout / 1000) + END_SECONDS,
    topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((key) =>
      spread(resolved, key),
    ),
    ...(image.pullSecrets.length > 0 && { imagePullSecrets: image.pullSecrets.map((name) => ({ name })) }),
    ...(podTemplate.nodeSelector && { nodeSelector: podTemplate.nodeSelector }),
    ...(podTemplate.tolerations && { tolerations: podTemplate.tolerations }),
    ...(podTemplate.priorityClassName && { priorityClassName: podTemplate.priorityClassName }),
    ...(podTemplate.runtimeClassName && { runtimeClassName: podTemplate.runtimeClassName }),
    containers: [registryContainer(resolved)],
    volumes: [
      {
        name: CONFIG_VOLUME,
        secret: {
          secretName: configSecretName(resolved.name),
          defaultMode: 0o440,
          items: [{ key: CONFIG_FILE, path: CONFIG_FILE }],
        },
      },
      ...dataVolume(resolved).volumes,
    ],
  };
}

/**
 * Pods are spread where it can be done and never wait for it; only Pods of the same template are counted, so that a rollout
 * spreads as well.
 */
function spread(resolved: Resolved, topologyKey: string): V1TopologySpreadConstraint {
  return {
    topologyKey,
    maxSkew: 1,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: podLabels(resolved) },
    matchLabelKeys: ['pod-template-hash'],
  };
}
