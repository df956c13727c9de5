import { join } from 'node:path';
import type { V1Container, V1DeploymentSpec, V1EnvVar, V1Probe, V1Volume } from '@kubernetes/client-node';
import type { Resolved } from '../api/resolved.ts';
import { CONTAINER } from '../render/container.ts';
import type { KubernetesObject } from '../render/object.ts';
import { render } from '../render/render.ts';
import { DATA_FOLDER, DATA_VOLUME } from '../render/storage.ts';

/** A value that a variable takes from a Secret or ConfigMap. */
export interface ValueReference {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly name: string;
  readonly key: string;
}

/** A variable of the process: a value, or where it comes from. */
export type Variable = { readonly name: string } & ({ readonly value: string } | { readonly from: ValueReference });

/** A probe of the kubelet, as far as the rendered ones go. Times are milliseconds. */
export interface HttpProbe {
  readonly path: string;
  readonly period: number;
  readonly timeout: number;
  readonly failureThreshold: number;
}

/** The rendered Pod as one process of this machine. */
export interface Workload {
  /** Arguments of the server, with the paths of the container mapped into the data folder. */
  readonly args: readonly string[];
  /** The container's variables, and after them those that stand for what is different here. */
  readonly variables: readonly Variable[];
  readonly overrides: readonly { readonly name: string; readonly value: string }[];
  /** Folders that must be there. */
  readonly folders: readonly string[];
  /** Files that are written before each start; they may hold passwords. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly startup: HttpProbe;
  readonly liveness: HttpProbe;
  readonly readiness: HttpProbe;
  /** How long the process may take to end, in milliseconds. */
  readonly grace: number;
}

/** Where the process runs. */
export interface Place {
  /** The data folder, absolute. */
  readonly data: string;
  readonly port: number;
  readonly debugPort: number;
}

/**
 * Translates what the operator would deploy into a process: mounts become folders below the data folder, and variables set the
 * paths and addresses that the configuration has otherwise. Pure.
 */
export function workload(resolved: Resolved, place: Place): Workload {
  const objects = render(resolved);
  const pod = (objects.find(({ kind }) => kind === 'Deployment')?.['spec'] as V1DeploymentSpec | undefined)?.template
    .spec;
  const container = pod?.containers.find(({ name }) => name === CONTAINER);
  if (pod === undefined || container === undefined) throw new Error('the rendered Deployment has no container');
  const volumes = pod.volumes ?? [];
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, subPath }) => {
    const root = join(place.data, name === DATA_VOLUME ? 'images' : name);
    return {
      volume: volumes.find((volume) => volume.name === name),
      mountPath,
      root,
      folder: join(root, subPath ?? ''),
    };
  });
  const local = (path: string): string => {
    const mount = mounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
    return mount ? join(mount.folder, path.slice(mount.mountPath.length)) : path;
  };
  const images = mounts.find(({ mountPath }) => mountPath === DATA_FOLDER)?.folder;
  return {
    args: (container.args ?? []).map(local),
    variables: (container.env ?? []).map(variable),
    overrides: overrides(resolved, place, images),
    folders: mounts.map(({ folder }) => folder),
    files: mounts.flatMap(({ volume, folder }) => secretFiles(objects, volume, folder)),
    startup: probe(container, 'startupProbe'),
    liveness: probe(container, 'livenessProbe'),
    readiness: probe(container, 'readinessProbe'),
    grace: (pod.terminationGracePeriodSeconds ?? 30) * 1000,
  };
}

function overrides({ http }: Resolved, { port, debugPort }: Place, images: string | undefined): Workload['overrides'] {
  const address = `127.0.0.1:${port}`;
  return [
    { name: 'REGISTRY_HTTP_ADDR', value: address },
    { name: 'REGISTRY_HTTP_DEBUG_ADDR', value: `127.0.0.1:${debugPort}` },
    // URLs in answers must lead back here, not to the address that the registry has elsewhere.
    ...(http.host === undefined ? [] : [{ name: 'REGISTRY_HTTP_HOST', value: `http://${address}` }]),
    ...(images === undefined ? [] : [{ name: 'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY', value: quoted(images) }]),
  ];
}

/** The server reads the value of a variable as YAML. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : JSON.stringify(text);
}

function variable({ name, value, valueFrom }: V1EnvVar): Variable {
  const { secretKeyRef, configMapKeyRef } = valueFrom ?? {};
  if (secretKeyRef) return { name, from: { kind: 'Secret', name: secretKeyRef.name ?? '', key: secretKeyRef.key } };
  if (configMapKeyRef) {
    return { name, from: { kind: 'ConfigMap', name: configMapKeyRef.name ?? '', key: configMapKeyRef.key } };
  }
  return { name, value: value ?? '' };
}

function secretFiles(objects: readonly KubernetesObject[], volume: V1Volume | undefined, folder: string) {
  const secret = objects.find(
    ({ kind, metadata }) => kind === 'Secret' && metadata.name === volume?.secret?.secretName,
  );
  if (secret === undefined) return [];
  return Object.entries(secret['data'] as Record<string, string>).map(([key, value]) => ({
    path: join(folder, key),
    content: Buffer.from(value, 'base64').toString('utf8'),
  }));
}

function probe(container: V1Container, which: 'startupProbe' | 'livenessProbe' | 'readinessProbe'): HttpProbe {
  const { httpGet, periodSeconds, timeoutSeconds, failureThreshold }: V1Probe = container[which] ?? {};
  return {
    path: httpGet?.path ?? '/',
    period: (periodSeconds ?? 10) * 1000,
    timeout: (timeoutSeconds ?? 1) * 1000,
    failureThreshold: failureThreshold ?? 3,
  };
}
