/**
 * A configuration as a file would have it: names, nesting and units of the file, defaults filled in. Reading it again gives
 * the same configuration. What is `undefined` is left out. Secrets are in it.
 */
import { formatDuration } from './duration.ts';
import type { CloudFrontConfig, Config, DriverConfig, HealthConfig, RedisConfig, StorageMiddleware } from './types.ts';

type Written = Readonly<Record<string, unknown>>;

export function writtenForm(config: Config): Written {
  const { storage, health, http } = config;
  const { uploadpurging, readonly } = storage.maintenance;
  const { type, ...parameters } = driverForm(storage.driver);
  return defined({
    version: config.version,
    log: config.log,
    storage: {
      [type]: parameters,
      delete: storage.delete,
      redirect: storage.redirect,
      cache: { ...storage.cache, blobdescriptorsize: finite(storage.cache) },
      tag: storage.tag,
      maintenance: { uploadpurging: times(uploadpurging, ['age', 'interval']), readonly },
    },
    http: times(http, ['draintimeout']),
    health: healthForm(health),
    catalog: config.catalog,
    tags: config.tags,
    validation: {
      disabled: !config.validation.enabled,
      manifests: config.validation.manifests,
    },
    redis: config.redis && redisForm(config.redis),
    middleware: {
      registry: config.middleware.registry,
      repository: config.middleware.repository,
      storage: config.middleware.storage.map(middlewareForm),
    },
    compatibility: config.compatibility,
    policy: config.policy,
  }) as Written;
}

/** 0 in the file is no limit; Redis takes none. */
function finite({ blobdescriptor, blobdescriptorsize }: Config['storage']['cache']): number | undefined {
  if (blobdescriptor === 'redis') return undefined;
  return Number.isFinite(blobdescriptorsize) ? blobdescriptorsize : 0;
}

function driverForm(driver: DriverConfig): { readonly type: string; readonly [name: string]: unknown } {
  switch (driver.type) {
    case 's3':
      return { ...driver, storageclass: driver.storageclass ?? 'NONE' };
    case 'azure': {
      const { maxretries, retrydelay, ...rest } = driver;
      return { ...rest, max_retries: maxretries, retry_delay: formatDuration(retrydelay) };
    }
    default:
      return driver as typeof driver & Written;
  }
}

const healthForm = ({ storagedriver, file, http, tcp }: HealthConfig): Written => ({
  storagedriver: times(storagedriver, ['interval']),
  file: file.map((check) => times(check, ['interval'])),
  http: http.map((check) => times(check, ['interval', 'timeout'])),
  tcp: tcp.map((check) => times(check, ['interval', 'timeout'])),
});

/** -1 in the file is never; 0 there would be the default. */
const redisForm = (redis: RedisConfig): Written => ({
  ...times(redis, ['dialtimeout']),
  maxredirects: redis.maxredirects || -1,
  tls: redis.tls && { ...redis.tls, ...(isBare(redis.tls) ? { enabled: true } : {}) },
});

const isBare = ({ certificate, key, rootcas }: NonNullable<RedisConfig['tls']>): boolean =>
  certificate === undefined && key === undefined && rootcas.length === 0;

function middlewareForm({ name, ...options }: StorageMiddleware): Written {
  if (name !== 'cloudfront') return { name, options };
  const { awsregion, ...rest } = options as Omit<CloudFrontConfig, 'name'>;
  return { name, options: { ...times(rest, ['duration', 'updatefrequency']), awsregion: awsregion.join(',') } };
}

/** The same with these members as durations. */
function times<T extends object>(given: T, names: readonly (keyof T & string)[]): Written {
  const changed = names.map((name) => [name, given[name]] as const);
  return {
    ...given,
    ...Object.fromEntries(changed.map(([name, ms]) => [name, typeof ms === 'number' ? formatDuration(ms) : undefined])),
  };
}

/** Without members that are `undefined`, all the way down. */
function defined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(defined);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, defined(inner)]),
  );
}
