import { createHash } from 'node:crypto';
import { dump } from 'js-yaml';
import { configSecretName } from '../api/names.ts';
import { DEBUG_PORT, type Resolved } from '../api/resolved.ts';
import { childMetadata } from './labels.ts';
import type { KubernetesObject } from './object.ts';
import { DATA_FOLDER } from './storage.ts';

/** Where the server finds its configuration in the container. */
export const CONFIG_FOLDER = '/etc/distribution';

/** The file within that folder, and the key in the Secret. */
export const CONFIG_FILE = 'config.yml';

type Tree = { readonly [key: string]: unknown };

/**
 * The Secret with the server's configuration file. A Secret, since `config.extra` may carry passwords of mail servers or
 * notification endpoints.
 */
export function configSecret(resolved: Resolved): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: childMetadata(resolved, configSecretName(resolved.name)),
    type: 'Opaque',
    data: { [CONFIG_FILE]: Buffer.from(configFile(resolved)).toString('base64') },
  };
}

/**
 * A hash of all content that the Pods take in: the configuration and the referenced Secrets and ConfigMaps. It stands in the
 * Pod template, so that a change of content rolls the Pods and nothing else does.
 */
export function contentHash(resolved: Resolved): string {
  return createHash('sha256').update(configFile(resolved)).update(resolved.referencedHash).digest('hex');
}

/** The server's configuration file, in CNCF Distribution's form, with sorted keys. `http.secret` comes by the environment. */
export function configFile(resolved: Resolved): string {
  return dump(merge(rendered(resolved), resolved.extraConfig), { sortKeys: true, lineWidth: -1, noRefs: true });
}

function rendered(resolved: Resolved): Tree {
  const { http, health, log, validation } = resolved;
  return {
    version: '0.1',
    log: {
      level: log.level.toLowerCase(),
      formatter: log.format.toLowerCase(),
      accesslog: { disabled: log.access === 'Disabled' },
    },
    storage: { ...driver(resolved), delete: { enabled: resolved.deleteEnabled } },
    http: {
      addr: `:${http.port}`,
      ...(http.host !== undefined && { host: http.host }),
      ...(http.prefix !== undefined && { prefix: http.prefix }),
      relativeurls: http.relativeURLs,
      draintimeout: duration(http.drainTimeout),
      headers: headers(http.headers),
      debug: { addr: `:${DEBUG_PORT}`, prometheus: { enabled: resolved.metricsEnabled, path: '/metrics' } },
    },
    health: {
      storagedriver: {
        enabled: health.storage.enabled,
        interval: duration(health.storage.interval),
        threshold: health.storage.threshold,
      },
    },
    catalog: { maxentries: http.catalogMaxEntries },
    tags: { maxtags: http.tagsMaxEntries },
    validation: {
      manifests: {
        references: validation.references.toLowerCase(),
        indexes: {
          platforms: validation.indexPlatforms.toLowerCase(),
          ...(validation.platforms && { platformlist: validation.platforms }),
        },
      },
    },
  };
}

function driver({ storage }: Resolved): Tree {
  return storage.type === 'InMemory' ? { inmemory: {} } : { filesystem: { rootdirectory: DATA_FOLDER } };
}

function headers(given: Resolved['http']['headers']): Tree {
  const named = Object.keys(given).some((name) => name.toLowerCase() === 'x-content-type-options');
  return named ? given : { ...given, 'X-Content-Type-Options': ['nosniff'] };
}

/** Milliseconds as Go writes durations; a bare number would mean nanoseconds. */
function duration(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`;
}

/** `extra` laid over `base`, maps key by key. Resolving has refused every key of `extra` that `base` sets. */
function merge(base: Tree, extra: Tree): Tree {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    const below = merged[key];
    merged[key] = isTree(below) && isTree(value) ? merge(below, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
