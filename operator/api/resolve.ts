import { createHash } from 'node:crypto';
import { milliseconds } from './duration.ts';
import { extraFaults, variableFaults } from './extra.ts';
import { dataClaimName, HTTP_SECRET_KEY, httpSecretName, PRIMARY, serviceName } from './names.ts';
import type { Fault, Inputs, Reference, Resolution, ResolvedExposure, ResolvedStorage } from './resolved.ts';
import type { EnvironmentVariable, Registry } from './types.ts';

/**
 * What a Registry stands for, with every default filled in, or all faults that keep it from being rendered. Pure. The schema's
 * own defaults and rules have been applied before: by the API server, or by `validate`.
 */
export function resolve(registry: Registry, inputs: Inputs): Resolution {
  const { metadata, spec } = registry;
  const image = imageReference(registry, inputs);
  const storage = resolveStorage(registry, inputs);
  const faults = [
    ...imageFaults(image),
    ...extraFaults(spec.config.extra ?? {}),
    ...variableFaults(spec.podTemplate.extraEnv ?? []),
    ...claimFaults(registry, inputs),
    ...referenceFaults(registry, inputs),
  ];
  if (faults.length > 0) return { faults };
  return {
    resolved: {
      name: metadata.name,
      namespace: metadata.namespace ?? 'default',
      uid: metadata.uid,
      deletionPolicy: spec.deletionPolicy,
      image: {
        reference: image,
        pullPolicy: spec.image.pullPolicy,
        pullSecrets: (spec.image.pullSecretRefs ?? []).map(({ name }) => name),
      },
      replicas: spec.replicas,
      storage,
      deleteEnabled: spec.storage.delete === 'Enabled',
      http: {
        port: spec.http.port,
        host: spec.http.host,
        prefix: spec.http.prefix,
        relativeURLs: spec.http.relativeURLs === 'Enabled',
        headers: Object.fromEntries((spec.http.headers ?? []).map(({ name, values }) => [name, values])),
        drainTimeout: milliseconds(spec.http.drainTimeout),
        catalogMaxEntries: spec.http.catalogMaxEntries,
        tagsMaxEntries: spec.http.tagsMaxEntries,
        secret: spec.http.secretRef ?? { name: httpSecretName(metadata.name), key: HTTP_SECRET_KEY },
      },
      health: {
        storage: {
          enabled: spec.health.storage.mode === 'Enabled',
          interval: milliseconds(spec.health.storage.interval),
          threshold: spec.health.storage.threshold,
        },
        startupTimeout: milliseconds(spec.health.startupTimeout),
        readinessIncludesStorage: spec.health.readinessIncludesStorage === 'Enabled',
      },
      validation: spec.validation,
      exposures: exposures(registry),
      log: spec.observability.log,
      metricsEnabled: spec.observability.metrics.mode === 'Enabled',
      podTemplate: spec.podTemplate,
      serviceAccount: {
        name: spec.podTemplate.serviceAccountName ?? metadata.name,
        made: spec.podTemplate.serviceAccountName === undefined,
      },
      extraConfig: spec.config.extra ?? {},
      referencedHash: referencedHash(registry, inputs),
    },
  };
}

/** The values in Secrets and ConfigMaps that the Pods take in, for the reconciler to watch and to hash. */
export function references(registry: Registry): readonly Reference[] {
  const { metadata, spec } = registry;
  const secret: Reference = spec.http.secretRef
    ? { kind: 'Secret', ...spec.http.secretRef, path: 'spec.http.secretRef' }
    : { kind: 'Secret', name: httpSecretName(metadata.name), key: HTTP_SECRET_KEY, path: undefined };
  return [secret, ...(spec.podTemplate.extraEnv ?? []).flatMap(variableReference)];
}

function variableReference({ name, valueFrom }: EnvironmentVariable): Reference[] {
  const path = `spec.podTemplate.extraEnv[${name}].valueFrom`;
  if (valueFrom?.secretKeyRef) return [{ kind: 'Secret', ...valueFrom.secretKeyRef, path }];
  if (valueFrom?.configMapKeyRef) return [{ kind: 'ConfigMap', ...valueFrom.configMapKeyRef, path }];
  return [];
}

function imageReference({ spec: { image } }: Registry, inputs: Inputs): string {
  if (image.repository === undefined) return inputs.operatorImage;
  return `${image.repository}${image.tag ? `:${image.tag}` : ''}${image.digest ? `@${image.digest}` : ''}`;
}

function imageFaults(image: string): Fault[] {
  if (image !== '') return [];
  const message =
    'names no repository, and the operator was not told its own image: set it, or BERTH_IMAGE in the Deployment of the operator';
  return [{ condition: 'ConfigValid', reason: 'ImageUnknown', path: 'spec.image', message }];
}

function resolveStorage({ metadata, spec }: Registry, inputs: Inputs): ResolvedStorage {
  const { type, persistentVolume, emptyDir } = spec.storage;
  if (type === 'InMemory') return { type, shared: false };
  if (type === 'EmptyDir') {
    return { type, shared: false, medium: emptyDir?.medium ?? 'Disk', sizeLimit: emptyDir?.sizeLimit };
  }
  const template = persistentVolume?.claimTemplate;
  const modes: readonly string[] | undefined = template?.accessModes ?? inputs.claim?.accessModes;
  return {
    type,
    // Nobody can be asked for the access modes of an existing claim offline: then the number of replicas tells what is meant.
    shared: modes ? modes.includes('ReadWriteMany') : spec.replicas > 1,
    claimName: persistentVolume?.claimName ?? dataClaimName(metadata.name),
    template,
    subPath: persistentVolume?.subPath,
  };
}

/** The rules about an existing claim that the schema's rules cannot know. */
function claimFaults({ metadata, spec }: Registry, inputs: Inputs): Fault[] {
  const name = spec.storage.persistentVolume?.claimName;
  if (name === undefined || inputs.claim === undefined) return [];
  const path = 'spec.storage.persistentVolume.claimName';
  if (inputs.claim === null) {
    const message = `there is no PersistentVolumeClaim ${name} in the namespace ${metadata.namespace ?? 'default'}: make it, or name another`;
    return [{ condition: 'StorageReady', reason: 'ClaimNotFound', path, message }];
  }
  if (spec.replicas <= 1 || inputs.claim.accessModes.includes('ReadWriteMany')) return [];
  const message = `the PersistentVolumeClaim ${name} has the access modes ${inputs.claim.accessModes.join(', ')}, but ${spec.replicas} replicas need ReadWriteMany: set spec.replicas to 1, or name a shared claim`;
  return [{ condition: 'StorageReady', reason: 'ClaimNotShared', path, message }];
}

function referenceFaults(registry: Registry, { referenced }: Inputs): Fault[] {
  if (referenced === undefined) return [];
  return references(registry).flatMap(({ kind, name, key, path }): Fault[] => {
    const object = referenced[`${kind}/${name}`];
    if (path === undefined || object?.[key] !== undefined) return [];
    const missing = object ? `the ${kind} ${name} has no key ${key}` : `there is no ${kind} ${name} in the namespace`;
    const reason = kind === 'Secret' ? 'SecretNotFound' : 'ConfigMapNotFound';
    return [{ condition: 'CredentialsResolved', reason, path, message: `${missing}: make it, or name another` }];
  });
}

function referencedHash(registry: Registry, { referenced }: Inputs): string {
  const lines = references(registry)
    .map(({ kind, name, key }) => `${kind}/${name}/${key}=${referenced?.[`${kind}/${name}`]?.[key] ?? ''}`)
    .sort();
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

function exposures({ metadata, spec }: Registry): ResolvedExposure[] {
  const listed = spec.expose ?? [];
  const primary = listed.find(({ name }) => name === PRIMARY) ?? { name: PRIMARY, type: 'ClusterIP' };
  const others = listed.filter(({ name }) => name !== PRIMARY).sort((a, b) => (a.name < b.name ? -1 : 1));
  return [primary, ...others].map((entry) => ({
    ...entry,
    serviceName: serviceName(metadata.name, entry.name),
    port: entry.port ?? spec.http.port,
  }));
}
