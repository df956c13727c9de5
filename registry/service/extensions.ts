/**
 * The points at which a registry is extended by code of whoever runs it, in a program of their own (`docs/extending.md`). They
 * are those of Distribution: around the whole registry, around each repository, around each access to a blob.
 *
 * What HTTP asks for goes through the wrappers, those of the repository before those of the registry, of each kind the last
 * in the configuration first. What services ask of one another does not, but for `blobAccess`.
 */
import { LRUCache } from 'lru-cache';
import type { Logger } from '../log.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Store } from '../storage/store.ts';
import type { BlobLookup } from './lookup.ts';
import type { Services } from './services.ts';

/** Given to a program's `run`; the names in it are those that the configuration may use. */
export interface Extensions {
  /** By the names of `middleware.registry`. */
  readonly registry?: Readonly<Record<string, RegistryMiddleware>>;
  /** By the names of `middleware.repository`. */
  readonly repository?: Readonly<Record<string, RepositoryMiddleware>>;
  /** In force as soon as it is there: the configuration has no name for it. */
  readonly blobAccess?: BlobAccess;
}

export interface MiddlewareContext {
  /** `options` of the entry in the configuration, as they stand there. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly log: Logger;
  /** The storage below all services. */
  readonly store: Store;
}

/**
 * Called once, at the start. Gives back services that do more, or less, than those it is handed. What it throws ends the
 * start with its message.
 */
export type RegistryMiddleware = (services: Services, context: MiddlewareContext) => Services | Promise<Services>;

/**
 * Called when a repository is first asked for, and again after it was forgotten, so it must be quick and keep nothing of its
 * own in closures that has to last. What its functions throw is answered as an error; a `RegistryError` in its own words.
 */
export type RepositoryMiddleware = (repository: Repository, context: MiddlewareContext) => Repository;

/**
 * Stands around the one question whether a repository has a blob: those of clients (`confirm: false`) and those on which the
 * success of a push depends (`confirm: true`). To hide a blob, answer `undefined`. One that is answered for a repository
 * without a link to it is served all the same.
 */
export type BlobAccess = (lookup: BlobLookup) => BlobLookup;

/** A service's methods without their first argument, the repository's name. */
export type OfOne<Service> = {
  readonly [Method in keyof Service]: Service[Method] extends (
    name: RepositoryName,
    ...rest: infer Rest
  ) => infer Result
    ? (...rest: Rest) => Result
    : never;
};

/** What can be done in one repository. */
export interface Repository {
  readonly name: RepositoryName;
  readonly blobs: OfOne<Services['blobs']>;
  readonly uploads: OfOne<Services['uploads']>;
  readonly manifests: OfOne<Services['manifests']>;
  readonly tags: OfOne<Services['tags']>;
  readonly referrers: OfOne<Services['referrers']>;
}

const parts = ['blobs', 'uploads', 'manifests', 'tags', 'referrers'] as const;

/** Repositories that are kept once they were wrapped. */
const mostKept = 1_000;

/** An entry of the configuration. */
export interface NamedMiddleware {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface ExtendOptions {
  readonly extensions: Extensions;
  readonly middleware: {
    readonly registry: readonly NamedMiddleware[];
    readonly repository: readonly NamedMiddleware[];
  };
  readonly log: Logger;
  readonly store: Store;
}

/** Wraps services as the configuration says. Without an entry they come back as they are. */
export async function extend(services: Services, options: ExtendOptions): Promise<Services> {
  const { extensions, middleware, log, store } = options;
  const wraps = middleware.repository.map(({ name, options: given }, index) => {
    const wrap = find(extensions.repository, name, `middleware.repository[${index}]`);
    return (repository: Repository): Repository => wrap(repository, { options: given, log, store });
  });
  let extended = services;
  for (const [index, { name, options: given }] of middleware.registry.entries()) {
    const wrap = find(extensions.registry, name, `middleware.registry[${index}]`);
    extended = await wrap(extended, { options: given, log, store });
  }
  return wraps.length === 0 ? extended : withRepositories(extended, wraps);
}

function find<T>(table: Readonly<Record<string, T>> = {}, name: string, place: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found !== undefined) return found;
  const known = Object.keys(table).join(', ') || 'none';
  throw new Error(`${place}: no middleware is called ${JSON.stringify(name)}; this program registers: ${known}`);
}

type Method = (...args: readonly unknown[]) => unknown;
type Methods = Readonly<Record<string, Method>>;

function withRepositories(services: Services, wraps: readonly ((repository: Repository) => Repository)[]): Services {
  const kept = new LRUCache<RepositoryName, Repository>({ max: mostKept });

  function repository(name: RepositoryName): Repository {
    const known = kept.get(name);
    if (known !== undefined) return known;
    const made = wraps.reduce((inner, wrap) => wrap(inner), repositoryOf(services, name));
    kept.set(name, made);
    return made;
  }

  const through = (part: (typeof parts)[number]): Methods =>
    mapped(
      services[part],
      (_method, called) =>
        (name, ...rest) =>
          methodsOf(repository(name as RepositoryName)[part])[called]?.(...rest),
    );

  return { ...services, ...Object.fromEntries(parts.map((part) => [part, through(part)])) };
}

const repositoryOf = (services: Services, name: RepositoryName): Repository =>
  ({
    name,
    ...Object.fromEntries(
      parts.map((part) => [
        part,
        mapped(
          services[part],
          (method) =>
            (...rest) =>
              method(name, ...rest),
        ),
      ]),
    ),
  }) as unknown as Repository;

/** All methods of these services take the name first, which `OfOne` holds them to. */
const methodsOf = (service: object): Methods => service as Methods;

const mapped = (service: object, change: (method: Method, called: string) => Method): Methods =>
  Object.fromEntries(Object.entries(methodsOf(service)).map(([called, method]) => [called, change(method, called)]));
