/**
 * Files as users of Distribution have them, with the keys of its examples and of its images. They mean here what they mean
 * there; what is another matter is said in one line each.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Config } from '../../../registry/config/types.ts';
import { configOf, each, faultsOf, warningsOf } from './reading.ts';

interface Example {
  readonly name: string;
  readonly file: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly faults?: readonly RegExp[];
  readonly warnings?: readonly RegExp[];
  /** Of the configuration, in any order of keys. */
  readonly means?: (config: Config) => readonly (readonly [actual: unknown, expected: unknown])[];
}

const examples: readonly Example[] = [
  {
    name: 'a first configuration, with users',
    file: `
version: 0.1
log: {fields: {service: registry}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  tag: {concurrencylimit: 8}
http:
  addr: :5000
  headers: {X-Content-Type-Options: [nosniff]}
auth: {htpasswd: {realm: basic-realm, path: /etc/registry}}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`,
    faults: [/^config\.yml: auth: the provider htpasswd is not supported by this version: /],
  },
  {
    name: 'the configuration of the image of 3.x',
    file: `
version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  maintenance: {uploadpurging: {enabled: false}}
  tag: {concurrencylimit: 8}
http:
  addr: :5000
  debug: {addr: ":5001", prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`,
    means: (c) => [
      [c.log.level, 'debug'],
      [c.log.fields, { service: 'registry', environment: 'development' }],
      [c.storage.delete.enabled, true],
      [c.storage.cache, { blobdescriptor: 'inmemory', blobdescriptorsize: 10_000 }],
      [c.storage.driver, { type: 'filesystem', rootdirectory: '/var/lib/registry', maxthreads: 100 }],
      [c.storage.maintenance.uploadpurging.enabled, false],
      [c.storage.tag.concurrencylimit, 8],
      [c.http.addr, ':5000'],
      [c.http.debug, { addr: ':5001', prometheus: { enabled: true, path: '/metrics' } }],
      [c.http.headers, { 'X-Content-Type-Options': ['nosniff'] }],
      [c.health.storagedriver, { enabled: true, interval: 10_000, threshold: 3 }],
    ],
  },
  {
    name: 'the image of 2.x, changed by its environment',
    file: `
version: 0.1
log: {fields: {service: registry}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
http: {addr: ":5000", headers: {X-Content-Type-Options: [nosniff]}}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`,
    env: {
      REGISTRY_STORAGE: 's3',
      REGISTRY_STORAGE_S3_BUCKET: 'images',
      REGISTRY_STORAGE_S3_REGION: 'us-east-1',
      REGISTRY_STORAGE_S3_REGIONENDPOINT: 'http://minio:9000',
      REGISTRY_STORAGE_S3_ACCESSKEY: '0123',
      REGISTRY_STORAGE_S3_SECRETKEY: 'yes',
      REGISTRY_STORAGE_S3_SECURE: 'false',
      REGISTRY_STORAGE_S3_CHUNKSIZE: '33554432',
      REGISTRY_STORAGE_DELETE_ENABLED: 'true',
      REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory',
      REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
      REGISTRY_HTTP_SECRET: 'e1',
      'REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin': "['*']",
      REGISTRY_LOG_LEVEL: 'WARN',
    },
    means: (c) => [
      [c.storage.driver.type, 's3'],
      [c.storage.driver.type === 's3' && c.storage.driver.bucket, 'images'],
      [c.storage.driver.type === 's3' && c.storage.driver.accesskey, '0123'],
      [c.storage.driver.type === 's3' && c.storage.driver.secretkey, 'yes'],
      [c.storage.driver.type === 's3' && c.storage.driver.forcepathstyle, true],
      [c.storage.driver.type === 's3' && c.storage.driver.chunksize, 33_554_432],
      [c.storage.delete.enabled, true],
      [c.storage.redirect.disable, true],
      [c.storage.cache.blobdescriptor, 'inmemory'],
      [c.http.secret, 'e1'],
      [c.http.headers, { 'X-Content-Type-Options': ['nosniff'], 'access-control-allow-origin': ['*'] }],
      [c.log.level, 'warn'],
    ],
  },
  {
    name: 'a cache in Redis as 2.x wrote it, with receivers of events that are turned off',
    file: `
version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
  cache: {blobdescriptor: redis}
  filesystem: {rootdirectory: /var/lib/registry-cache}
  maintenance: {uploadpurging: {enabled: false}}
http:
  addr: :5000
  secret: asecretforlocaldevelopment
  debug: {addr: "localhost:5001"}
redis:
  addr: localhost:6379
  pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}
  dialtimeout: 10ms
  readtimeout: 10ms
  writetimeout: 10ms
notifications:
  events: {includereferences: true}
  endpoints:
    - {name: local-8082, url: "http://localhost:5003/callback", headers: {Authorization: [Bearer x]}, timeout: 1s,
       threshold: 10, backoff: 1s, disabled: true}
`,
    warnings: [
      /^config\.yml: redis\.pool: keys of 2\.x: maxactive is poolsize now/,
      /^config\.yml: redis\.addr: a key of 2\.x: write addrs/,
      /^config\.yml: redis\.readtimeout: has no effect in this registry: take it out: a call is given up/,
      /^config\.yml: redis\.writetimeout: has no effect in this registry/,
    ],
    means: (c) => [
      [c.storage.cache.blobdescriptor, 'redis'],
      [c.redis?.addrs, ['localhost:6379']],
      [c.redis?.poolsize, 64],
      [c.redis?.dialtimeout, 10],
      [c.redis?.tls, undefined],
    ],
  },
  {
    name: 'a bucket of another server, one key twice, a section that there never was',
    file: `
version: 0.1
http: {addr: ":5000", draintimeout: 5s, secret: hmacsecret}
log: {accesslog: {disabled: false}, formatter: text, level: debug}
storage:
  redirect: {disable: true}
  maintenance: {uploadpurging: {enabled: false}}
  s3:
    region: us-east-1
    accesskey: distribution
    secretkey: password
    bucket: images-local
    rootdirectory: /registry-v2
    regionendpoint: http://minio:9000
    encrypt: false
    secure: false
    chunksize: 33554432
    secure: true
    v4auth: true
cache: {blobdescriptor: {provider: redis}}
`,
    warnings: [
      /^config\.yml: storage\.s3\.secure: written twice, the last one counts/,
      /^config\.yml: cache: unknown key, ignored: /,
    ],
    means: (c) => [
      [c.storage.driver.type === 's3' && c.storage.driver.secure, true],
      [c.storage.driver.type === 's3' && c.storage.driver.rootdirectory, 'registry-v2'],
      [c.storage.driver.type === 's3' && c.storage.driver.regionendpoint, 'http://minio:9000'],
      [c.http.draintimeout, 5000],
    ],
  },
  {
    name: 'the oldest names',
    file: 'version: 0.1\nloglevel: warn\nstorage: {s3aws: {bucket: bbb, region: us-east-1}, cache: {layerinfo: inmemory}}',
    warnings: [/^config\.yml: storage\.cache\.layerinfo: an older name of blobdescriptor: write blobdescriptor$/],
    means: (c) => [
      [c.log.level, 'warn'],
      [c.storage.driver.type, 's3'],
      [c.storage.cache.blobdescriptor, 'inmemory'],
    ],
  },
];

suite('examples', () => {
  for (const { name, file, env = {}, faults = [], warnings = [], means } of examples) {
    test(name, () => {
      each(faultsOf(file, env), faults);
      if (faults.length > 0) return;
      each(warningsOf(file, env), warnings);
      for (const [actual, expected] of means?.(configOf(file, env)) ?? []) assert.deepEqual(actual, expected);
    });
  }
});
