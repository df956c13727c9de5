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
  /** `undefined`: no address is configured. */
  readonly redis: RedisConfig | undefined;
  readonly middleware: MiddlewareConfig;
  readonly compatibility: { readonly schema1: Schema1Config };
  readonly policy: { readonly repository: { readonly classes: readonly string[] } };
}

export interface LogConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly formatter: 'text' | 'json' | 'logstash';
  /** Static fields on every line. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly accesslog: { readonly disabled: boolean };
  /** Adds file and function to every line. */
  readonly reportcaller: boolean;
}

export interface StorageConfig {
  readonly driver: DriverConfig;
  readonly delete: { readonly enabled: boolean };
  readonly redirect: { readonly disable: boolean };
  readonly cache: CacheConfig;
  /** Tag links read at once when a manifest is deleted; at least 1. */
  readonly tag: { readonly concurrencylimit: number };
  readonly maintenance: MaintenanceConfig;
}

export interface CacheConfig {
  /** `undefined`: none. */
  readonly blobdescriptor: 'inmemory' | 'redis' | undefined;
  /** Entries in memory; `Infinity` is what 0 and less mean in the file. */
  readonly blobdescriptorsize: number;
}

export interface MaintenanceConfig {
  readonly uploadpurging: {
    readonly enabled: boolean;
    readonly age: number;
    readonly interval: number;
    readonly dryrun: boolean;
  };
  readonly readonly: {
    readonly enabled: boolean;
    /** Writes are refused while this file exists. Berth's own key. */
    readonly file: string | undefined;
  };
}

export type DriverConfig = FilesystemConfig | { readonly type: 'inmemory' } | S3Config | AzureConfig | GcsConfig;

/** Bytes, counts and names as in Distribution's parameters of the same name. */
export interface S3Config {
  readonly type: 's3';
  /** Both set, or neither: then the SDK's ordinary chain. */
  readonly accesskey: string | undefined;
  readonly secretkey: string | undefined;
  readonly sessiontoken: string | undefined;
  readonly region: string;
  readonly regionendpoint: string | undefined;
  readonly redirectendpoint: string | undefined;
  /** Where the file says nothing: whether `regionendpoint` is set, as 2.x did. */
  readonly forcepathstyle: boolean;
  readonly bucket: string;
  readonly encrypt: boolean;
  readonly keyid: string | undefined;
  readonly secure: boolean;
  readonly skipverify: boolean;
  readonly v4auth: boolean;
  readonly chunksize: number;
  readonly multipartcopychunksize: number;
  readonly multipartcopymaxconcurrency: number;
  readonly multipartcopythresholdsize: number;
  /** Without slashes at its ends. */
  readonly rootdirectory: string;
  /** `undefined`: the header is left out (`NONE`). */
  readonly storageclass: string | undefined;
  readonly objectacl: string;
  readonly useragent: string | undefined;
  readonly usedualstack: boolean;
  readonly accelerate: boolean;
  readonly usefipsendpoint: boolean;
  readonly loglevel: string;
}

export interface AzureConfig {
  readonly type: 'azure';
  readonly accountname: string;
  readonly accountkey: string | undefined;
  readonly container: string;
  readonly credentials: {
    readonly type: 'client_secret' | 'shared_key' | 'default_credentials';
    readonly clientid: string | undefined;
    readonly tenantid: string | undefined;
    readonly secret: string | undefined;
  };
  readonly realm: string;
  readonly serviceurl: string | undefined;
  readonly rootdirectory: string;
  /** -1: pending copies are aborted, nothing is tried again. */
  readonly maxretries: number;
  readonly retrydelay: number;
  readonly skipverify: boolean;
}

export interface GcsConfig {
  readonly type: 'gcs';
  readonly bucket: string;
  readonly keyfile: string | undefined;
  /** The key file's content, inline. */
  readonly credentials: Readonly<Record<string, unknown>> | undefined;
  readonly rootdirectory: string;
  /** Bytes; a multiple of 256 KiB. */
  readonly chunksize: number;
  readonly maxconcurrency: number;
  /** The service's address, for emulators and private endpoints. Berth's own key. */
  readonly endpoint: string | undefined;
}

/** Distribution 3.x's keys; those of 2.x (`addr`, `pool`) and of the 3.0 previews are mapped on them. Durations in milliseconds. */
export interface RedisConfig {
  readonly addrs: readonly string[];
  readonly mastername: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly sentinelusername: string | undefined;
  readonly sentinelpassword: string | undefined;
  readonly db: number;
  readonly clientname: string | undefined;
  readonly dialtimeout: number;
  readonly poolsize: number;
  readonly maxredirects: number;
  readonly readonly: boolean;
  readonly routebylatency: boolean;
  readonly routerandomly: boolean;
  /** `undefined`: plain text. Present as soon as any key below `redis.tls` asks for it. */
  readonly tls: RedisTlsConfig | undefined;
}

export interface RedisTlsConfig {
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly rootcas: readonly string[];
}

export interface MiddlewareConfig {
  readonly registry: readonly MiddlewareEntry[];
  readonly repository: readonly MiddlewareEntry[];
  /** Innermost first, as written. Those with `disabled: true` are not in the lists. */
  readonly storage: readonly StorageMiddleware[];
}

export interface MiddlewareEntry {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export type StorageMiddleware =
  | { readonly name: 'redirect'; readonly baseurl: string }
  | {
      readonly name: 'rewrite';
      readonly scheme: string | undefined;
      readonly host: string | undefined;
      readonly trimpathprefix: string | undefined;
    }
  | CloudFrontConfig;

export interface CloudFrontConfig {
  readonly name: 'cloudfront';
  readonly baseurl: string;
  /** The file of the key, PEM. */
  readonly privatekey: string;
  readonly keypairid: string;
  /** How long a signed URL is good for. */
  readonly duration: number;
  readonly ipfilteredby: 'none' | 'aws' | 'awsregion';
  readonly awsregion: readonly string[];
  readonly updatefrequency: number;
  readonly iprangesurl: string;
}

export interface Schema1Config {
  /** Admits pushes, and converts schema 2 for clients that accept nothing newer. */
  readonly enabled: boolean;
  readonly signingkeyfile: string | undefined;
}

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
  readonly file: readonly FileCheckConfig[];
  readonly http: readonly HttpCheckConfig[];
  readonly tcp: readonly TcpCheckConfig[];
}

/** Unhealthy while the file exists. */
export interface FileCheckConfig {
  readonly file: string;
  readonly interval: number;
  readonly threshold: number;
}

export interface HttpCheckConfig {
  readonly uri: string;
  readonly statuscode: number;
  /** `undefined`: a deadline of ours. */
  readonly timeout: number | undefined;
  readonly interval: number;
  readonly threshold: number;
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

export interface TcpCheckConfig {
  readonly addr: string;
  readonly timeout: number | undefined;
  readonly interval: number;
  readonly threshold: number;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

export interface ValidationConfig {
  /** `false`: neither URLs nor an index's platforms are looked at. */
  readonly enabled: boolean;
  readonly manifests: {
    /** RE2 patterns as written, each valid. Both empty: URLs are not looked at. */
    readonly urls: { readonly allow: readonly string[]; readonly deny: readonly string[] };
    /** `none` admits manifests whose config, layers or children are not there. Berth's own key. */
    readonly references: 'all' | 'none';
    readonly indexes: {
      /** Which children of an index must exist. */
      readonly platforms: 'all' | 'none' | 'list';
      readonly platformlist: readonly Platform[];
    };
  };
}
