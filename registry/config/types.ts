/**
 * The typed configuration, nested and named as in Distribution's file. Durations are milliseconds here, whatever the file
 * wrote. Everything is frozen and complete: defaults are filled in, nothing below reads the environment or the file again.
 */

export interface Config {
  readonly version: '0.1';
  readonly log: LogConfig;
  readonly storage: StorageConfig;
  readonly http: HttpConfig;
  readonly health: HealthConfig;
  readonly catalog: { readonly maxentries: number };
  readonly tags: { readonly maxtags: number };
  readonly validation: ValidationConfig;
}

export interface LogConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly formatter: 'text' | 'json' | 'logstash';
  /** Static fields on every line. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly accesslog: { readonly disabled: boolean };
}

export interface StorageConfig {
  readonly driver: DriverConfig;
  readonly delete: { readonly enabled: boolean };
}

export type DriverConfig = FilesystemConfig | { readonly type: 'inmemory' };

export interface FilesystemConfig {
  readonly type: 'filesystem';
  readonly rootdirectory: string;
  /** How many file operations may be under way at once. */
  readonly maxthreads: number;
}

export interface HttpConfig {
  /** `host:port`, `:port`, or a socket's path when `net` is `unix`. Empty: a free TCP port on all addresses. */
  readonly addr: string;
  readonly net: 'tcp' | 'unix';
  /** Empty or `/…/`. */
  readonly prefix: string;
  /** The fixed external base of generated URLs, without a trailing slash unless it has a path. */
  readonly host: string | undefined;
  readonly relativeurls: boolean;
  /** HMAC key of upload states; `undefined`: the process makes one up, and says so. */
  readonly secret: string | undefined;
  /** Added to every routed answer; names as written. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** How long running requests may take after SIGTERM; 0: none at all. */
  readonly draintimeout: number;
  readonly debug: {
    readonly addr: string | undefined;
    readonly prometheus: { readonly enabled: boolean; readonly path: string };
  };
}

export interface HealthConfig {
  readonly storagedriver: {
    readonly enabled: boolean;
    readonly interval: number;
    /** Failures in a row before the registry calls itself unhealthy; at least 1. */
    readonly threshold: number;
  };
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

export interface ValidationConfig {
  readonly manifests: {
    /** `none` admits manifests whose config, layers or children are not there. Berth's own key. */
    readonly references: 'all' | 'none';
    readonly indexes: {
      /** Which children of an index must exist. */
      readonly platforms: 'all' | 'none' | 'list';
      readonly platformlist: readonly Platform[];
    };
  };
}
