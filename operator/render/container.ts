import type { V1Container, V1EnvVar, V1Probe } from '@kubernetes/client-node';
import { DEBUG_PORT, type Resolved } from '../api/resolved.ts';
import { CONFIG_FILE, CONFIG_FOLDER } from './config.ts';
import { dataVolume } from './storage.ts';

/** The name of the volume with the configuration. */
export const CONFIG_VOLUME = 'config';

/** The name of the container. */
export const CONTAINER = 'registry';

/** How long a Pod that ends still serves while the news reaches every node's proxy, in seconds. */
export const PRE_STOP_SECONDS = 5;

/** The container of the server, whose image starts the program `registry`. It satisfies Pod Security "restricted". */
export function registryContainer(resolved: Resolved): V1Container {
  const { mounts } = dataVolume(resolved);
  return {
    name: CONTAINER,
    image: resolved.image.reference,
    imagePullPolicy: resolved.image.pullPolicy,
    args: ['serve', `${CONFIG_FOLDER}/${CONFIG_FILE}`],
    env: environment(resolved),
    ports: [
      { name: 'http', containerPort: resolved.http.port, protocol: 'TCP' },
      { name: 'debug', containerPort: DEBUG_PORT, protocol: 'TCP' },
    ],
    resources: quantities(resolved),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [{ name: CONFIG_VOLUME, mountPath: CONFIG_FOLDER, readOnly: true }, ...mounts],
    ...probes(resolved),
    // A registry with one Pod gains nothing from the wait: nobody else serves meanwhile.
    ...(resolved.storage.shared && { lifecycle: { preStop: { sleep: { seconds: PRE_STOP_SECONDS } } } }),
  };
}

function environment({ http, podTemplate }: Resolved): V1EnvVar[] {
  return [
    { name: 'REGISTRY_HTTP_SECRET', valueFrom: { secretKeyRef: { name: http.secret.name, key: http.secret.key } } },
    ...(podTemplate.extraEnv ?? []),
  ];
}

/** Quantities as text: an API server that reads `1` and one that reads `"1"` store the same. */
function quantities({ podTemplate: { resources } }: Resolved): NonNullable<V1Container['resources']> {
  const texts = (map: Readonly<Record<string, number | string>>) =>
    Object.fromEntries(Object.entries(map).map(([name, quantity]) => [name, String(quantity)]));
  return {
    ...(resources.requests && { requests: texts(resources.requests) }),
    ...(resources.limits && { limits: texts(resources.limits) }),
  };
}

/**
 * `/livez` never looks at the storage: a restart would not mend it. `/readyz` does, and fails first when the server is told
 * to stop.
 */
function probes({ health }: Resolved): { startupProbe: V1Probe; livenessProbe: V1Probe; readinessProbe: V1Probe } {
  const probe = (path: string, periodSeconds: number, timeoutSeconds: number, failureThreshold: number): V1Probe => ({
    httpGet: { path, port: 'debug' },
    periodSeconds,
    timeoutSeconds,
    failureThreshold,
  });
  return {
    startupProbe: probe('/livez', 1, 1, Math.max(1, Math.ceil(health.startupTimeout / 1000))),
    livenessProbe: probe('/livez', 10, 5, 6),
    readinessProbe: probe(health.readinessIncludesStorage ? '/readyz' : '/livez', 5, 5, 3),
  };
}
