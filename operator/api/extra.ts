import type { Fault } from './resolved.ts';
import type { EnvironmentVariable } from './types.ts';

/** Keys that may be set by hand: `free` means the key with all that is below it. */
interface Keys {
  readonly [key: string]: 'free' | Keys;
}

/**
 * The keys of the server's configuration file for which the resource has no field. It is a list of what may pass: a key that a
 * field sets, or that gets a field later, must not be settable in two places.
 */
const ALLOWED: Keys = {
  auth: 'free',
  health: { file: 'free', http: 'free', tcp: 'free' },
  http: { h2c: 'free', http2: 'free' },
  log: { fields: 'free', hooks: 'free', reportcaller: 'free' },
  middleware: 'free',
  notifications: 'free',
  policy: 'free',
  proxy: 'free',
  redis: 'free',
  reporting: 'free',
  storage: {
    cache: 'free',
    filesystem: { maxthreads: 'free' },
    maintenance: 'free',
    redirect: 'free',
    tag: 'free',
  },
  validation: { disabled: 'free', enabled: 'free', manifests: { urls: 'free' } },
};

/** The same for variables, whose names for a few lists differ from the file's keys. */
const ALLOWED_VARIABLES: Keys = {
  ...ALLOWED,
  health: { filecheckers: 'free', httpcheckers: 'free', tcpcheckers: 'free' },
};

/** Which field sets a key that is refused, for the message. */
const FIELDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    catalog: 'spec.http.catalogMaxEntries',
    'health.storagedriver': 'spec.health.storage',
    'http.addr': 'spec.http.port',
    'http.debug': 'spec.observability.metrics',
    'http.draintimeout': 'spec.http.drainTimeout',
    'http.headers': 'spec.http.headers',
    'http.host': 'spec.http.host',
    'http.prefix': 'spec.http.prefix',
    'http.relativeurls': 'spec.http.relativeURLs',
    'http.secret': 'spec.http.secretRef',
    'log.accesslog': 'spec.observability.log.access',
    'log.formatter': 'spec.observability.log.format',
    'log.level': 'spec.observability.log.level',
    loglevel: 'spec.observability.log.level',
    'storage.delete': 'spec.storage.delete',
    storage: 'spec.storage',
    tags: 'spec.http.tagsMaxEntries',
    'validation.manifests.indexes': 'spec.validation.indexPlatforms',
    'validation.manifests.references': 'spec.validation.references',
  }),
);

/** Faults of `spec.config.extra`: keys that fields of the resource set, and keys that are not known. */
export function extraFaults(extra: Readonly<Record<string, unknown>>): Fault[] {
  return objectFaults(extra, ALLOWED, []);
}

function objectFaults(value: Readonly<Record<string, unknown>>, keys: Keys, path: readonly string[]): Fault[] {
  return Object.entries(value).flatMap(([key, child]) => {
    const below = Object.hasOwn(keys, key) ? keys[key] : undefined;
    const place = [...path, key];
    if (below === 'free') return [];
    if (below === undefined) return [notAllowed(place, keys)];
    if (isObject(child)) return objectFaults(child, below, place);
    return [fault(place, `must be an object with the keys ${Object.keys(below).join(', ')}`)];
  });
}

/** Faults of `spec.podTemplate.extraEnv`: `REGISTRY_*` variables that would change what a field of the resource sets. */
export function variableFaults(variables: readonly EnvironmentVariable[]): Fault[] {
  return variables.flatMap(({ name }) => {
    if (!name.startsWith('REGISTRY_')) return [];
    const path = name.slice('REGISTRY_'.length).toLowerCase().split('_');
    if (isFree(path, ALLOWED_VARIABLES)) return [];
    return [
      {
        condition: 'ConfigValid',
        reason: 'KeyNotAllowed',
        path: `spec.podTemplate.extraEnv[${name}]`,
        message: `the variable ${name} may not be set here${owner(path)}`,
      },
    ];
  });
}

function isFree(path: readonly string[], keys: Keys): boolean {
  const [head, ...rest] = path;
  const below = head !== undefined && Object.hasOwn(keys, head) ? keys[head] : undefined;
  return below === 'free' || (below !== undefined && isFree(rest, below));
}

function notAllowed(place: readonly string[], keys: Keys): Fault {
  const known = owner(place);
  return fault(place, `may not be set here${known || `; known keys are ${Object.keys(keys).join(', ')}`}`);
}

/** The end of a sentence that names the field which sets the key, or nothing. */
function owner(path: readonly string[]): string {
  for (let length = path.length; length > 0; length--) {
    const field = FIELDS.get(path.slice(0, length).join('.'));
    if (field !== undefined) return `: set ${field} instead`;
  }
  return '';
}

function fault(place: readonly string[], message: string): Fault {
  const path = `spec.config.extra.${place.join('.')}`;
  return { condition: 'ConfigValid', reason: 'KeyNotAllowed', path, message };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
