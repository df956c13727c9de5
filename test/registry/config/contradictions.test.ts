/**
 * Keys that are fine each by itself, and what is said when they stand together. One table, longer than other files: split up,
 * its gaps could not be seen.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Config } from '../../../registry/config/types.ts';
import { configOf, type Env, faultsOf, MINIMAL, warningsOf } from './reading.ts';

const S3 = 'version: 0.1\nstorage: {s3: {bucket: bbb, region: us-east-1, %}}';
const OTHER = 'version: 0.1\nstorage: {s3: {bucket: bbb, regionendpoint: "http://minio:9000", %}}';
const AZURE = 'version: 0.1\nstorage: {azure: {accountname: a, container: c, %}}';
const within = (file: string, keys: string): string => file.replace('%', keys);

interface Row {
  readonly file: string;
  readonly env?: Env;
  /** Exactly these lines, without the file's name. */
  readonly faults?: readonly string[];
  readonly warnings?: readonly string[];
  readonly means?: (config: Config) => unknown;
  readonly is?: unknown;
}

const s3 = (config: Config) => (config.storage.driver.type === 's3' ? config.storage.driver : undefined);

const rows: readonly Row[] = [
  {
    file: 'version: 0.1\nstorage: {inmemory: , s3: {bucket: bbb, region: us-east-1}}',
    faults: ['storage: expected exactly one storage driver, got inmemory and s3: keep one and take the other out'],
  },
  {
    file: 'version: 0.1\nstorage: {s3: {bucket: bbb, region: us-east-1}}',
    env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/x' },
    faults: ['storage: expected exactly one storage driver, got s3 and filesystem: keep one and take the other out'],
  },
  {
    file: 'version: 0.1\nstorage: {gcs: {}, s3: {bucket: my-bucket, region: nowhere}, filesystem: {maxthreads: many}}',
    faults: [
      'storage: expected exactly one storage driver, got gcs and s3 and filesystem: keep one and take the others out',
      "storage.gcs.bucket: missing: write the bucket's name",
      'storage.s3.region: no region of Amazon: write one such as us-east-1, or a regionendpoint',
      'storage.filesystem.maxthreads: expected an integer, got "many": write 100 for the default',
    ],
  },
  {
    file: 'version: 0.1\nstorage: {oss: {}, filesystem: {}}',
    faults: [
      'storage: expected exactly one storage driver, got oss and filesystem: keep filesystem and take the other out',
      "storage.oss: the driver oss is gone since Distribution 3.0: copy the tree as it is (rclone reads it) and use storage.filesystem, or use storage.s3 with OSS's S3 endpoint as regionendpoint",
    ],
  },
  // The names of buckets.
  ...['ab', 'Bucket', 'my_bucket', '-bucket', 'bucket-', 'a..b', 'x'.repeat(64)].map((bucket) => ({
    file: `version: 0.1\nstorage: {s3: {bucket: "${bucket}", region: eu-central-1}}`,
    faults: [
      'storage.s3.bucket: no name that a bucket of Amazon can have: write 3 to 63 of a-z, 0-9, dots and hyphens, as the bucket is called',
    ],
  })),
  ...[
    { bucket: 'My_Bucket', region: 'us-east-1' },
    { bucket: 'my.bucket-1', region: 'eu-central-1' },
    { bucket: 'my--bucket', region: 'eu-central-1' },
    { bucket: 'arn:aws:s3:eu-central-1:1:accesspoint/A', region: 'eu-central-1' },
    { bucket: 'B_', region: 'here', regionendpoint: 'https://ceph.example.com' },
  ].map((written) => ({
    file: `version: 0.1\nstorage: {s3: ${JSON.stringify(written)}}`,
    means: (c: Config) => s3(c)?.bucket,
    is: written.bucket,
  })),
  // Credentials.
  ...['hunter2', 'a2V5=', 'a_V5', 'a2V5 a2V5'].map((key) => ({
    file: within(AZURE, `accountkey: "${key}"`),
    faults: ["storage.azure.accountkey: expected base64: copy the account's key whole, as Azure shows it"],
  })),
  {
    file: within(S3, 'accesskey: hunter2'),
    faults: ['storage.s3.secretkey: missing, though accesskey is set: write both or neither'],
  },
  {
    file: within(S3, 'secretkey: hunter2'),
    faults: ['storage.s3.accesskey: missing, though secretkey is set: write both or neither'],
  },
  {
    file: within(S3, 'sessiontoken: hunter2'),
    faults: ['storage.s3.sessiontoken: belongs to accesskey and secretkey: write all three, or take it out'],
  },
  {
    file: within(AZURE, 'credentials: {type: shared_key}'),
    faults: ["storage.azure.accountkey: missing, though credentials.type is shared_key: write the account's key"],
  },
  {
    file: within(AZURE, 'credentials: {type: client_secret, clientid: c}'),
    faults: [
      'storage.azure.credentials.tenantid: missing, though credentials.type is client_secret: write credentials.tenantid',
      'storage.azure.credentials.secret: missing, though credentials.type is client_secret: write credentials.secret',
    ],
  },
  {
    file: within(AZURE, 'accountkey: hunter2, credentials: {type: default_credentials}'),
    warnings: [
      'storage.azure.accountkey: has no effect with credentials.type default_credentials: take one of the two out',
    ],
  },
  {
    file: within(AZURE, 'credentials: {secret: hunter2}'),
    warnings: [
      'storage.azure.credentials.secret: has no effect without type: client_secret: write that type, or take it out',
    ],
  },
  {
    file: within(AZURE, 'accountkey: a2V5'),
    means: (c) => c.storage.driver.type === 'azure' && c.storage.driver.credentials.type,
    is: 'shared_key',
  },
  {
    file: within(AZURE, 'max_retries: 0'),
    means: (c) => c.storage.driver.type === 'azure' && c.storage.driver.credentials.type,
    is: 'default_credentials',
  },
  {
    file: 'version: 0.1\nstorage: {gcs: {bucket: b, keyfile: /k, credentials: {private_key: hunter2}}}',
    faults: ['storage.gcs.credentials: expected either keyfile or credentials, got both: take one of the two out'],
  },
  {
    file: 'version: 0.1\nstorage: {gcs: {bucket: b}}',
    env: { REGISTRY_STORAGE_GCS_CREDENTIALS_PRIVATE_KEY: 'k', REGISTRY_STORAGE_GCS_CREDENTIALS_CLIENT_EMAIL: 'e' },
    means: (c) => c.storage.driver.type === 'gcs' && c.storage.driver.credentials,
    is: { private_key: 'k', client_email: 'e' },
  },
  // Amazon and others.
  {
    file: 'version: 0.1\nstorage: {s3: {bucket: bbb}}',
    faults: ["storage.s3.region: missing: write the bucket's region, such as us-east-1, or a regionendpoint"],
  },
  {
    file: 'version: 0.1\nstorage: {s3: {bucket: bbb, regionendpoint: "http://", v4auth: false}}',
    faults: ['storage.s3.regionendpoint: expected a URL with http:// or https:// and a host: write https://host:port'],
  },
  { file: within(OTHER, 'region: anywhere'), means: (c) => s3(c)?.region, is: 'anywhere' },
  { file: within(OTHER, 'encrypt: false'), means: (c) => s3(c)?.region, is: 'us-east-1' },
  { file: within(OTHER, 'encrypt: false'), means: (c) => s3(c)?.forcepathstyle, is: true },
  { file: within(OTHER, 'forcepathstyle: false'), means: (c) => s3(c)?.forcepathstyle, is: false },
  { file: within(S3, 'encrypt: false'), means: (c) => s3(c)?.forcepathstyle, is: false },
  {
    file: 'version: 0.1\nstorage: {s3: {bucket: bbb, regionendpoint: "minio:9000", secure: false}}',
    means: (c) => s3(c)?.regionendpoint,
    is: 'http://minio:9000',
  },
  { file: within(S3, 'storageclass: none'), means: (c) => s3(c)?.storageclass, is: undefined },
  { file: within(S3, 'loglevel: off'), means: (c) => s3(c)?.loglevel, is: 'off' },
  {
    file: within(S3, 'loglevel: loud'),
    warnings: [
      'storage.s3.loglevel: expected one of off, debug, debugwithsigning, debugwithhttpbody, debugwithrequestretries, ' +
        'debugwithrequesterrors, debugwitheventstreambody, got "loud": write off for the default',
    ],
    means: (c) => s3(c)?.loglevel,
    is: 'off',
  },
  {
    file: 'version: 0.1\nstorage: {s3: {bucket: bbb, regionendpoint: "https://s3.amazonaws.com", v4auth: false}}',
    faults: ['storage.s3.v4auth: Amazon takes signature version 4 alone: take it out'],
  },
  {
    file: within(OTHER, 'v4auth: false'),
    warnings: [
      'storage.s3.v4auth: signature version 2 is not spoken, so requests are signed with version 4: take it out',
    ],
  },
  {
    file: within(OTHER, 'accelerate: true'),
    faults: ['storage.s3.accelerate: has its own endpoint, beside regionendpoint: take one of the two out'],
  },
  {
    file: within(S3, 'accelerate: true, forcepathstyle: true'),
    faults: ['storage.s3.accelerate: does not work with forcepathstyle: take one of the two out'],
  },
  {
    file: within(S3, 'accelerate: true, usefipsendpoint: true'),
    faults: ['storage.s3.accelerate: does not work with usefipsendpoint: take one of the two out'],
  },
  {
    file: within(OTHER, 'usedualstack: true, usefipsendpoint: true'),
    warnings: [
      'storage.s3.usedualstack: has no effect with regionendpoint: take one of the two out',
      'storage.s3.usefipsendpoint: has no effect with regionendpoint: take one of the two out',
    ],
    means: (c) => [s3(c)?.usedualstack, s3(c)?.usefipsendpoint],
    is: [false, false],
  },
  {
    file: within(S3, 'keyid: k'),
    warnings: ['storage.s3.keyid: has no effect without encrypt: write encrypt: true, or take it out'],
  },
  // The cache and Redis.
  {
    file: 'version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: redis}}',
    faults: [
      'storage.cache.blobdescriptor: redis, and no address of one is configured: write redis: {addrs: ["redis:6379"]}, or inmemory',
    ],
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: redis}}\nredis: {password: hunter2}',
    faults: [
      'storage.cache.blobdescriptor: redis, and no address of one is configured: write redis: {addrs: ["redis:6379"]}, or inmemory',
    ],
  },
  {
    file: `${MINIMAL}redis: {password: hunter2}`,
    warnings: ['redis: no address, so nothing is done with it: write addrs: ["redis:6379"]'],
    means: (c) => c.redis,
    is: undefined,
  },
  {
    file: `${MINIMAL}redis: {addr: "r:1"}`,
    warnings: [
      'redis.addr: a key of 2.x: write addrs: ["host:port"] for Distribution 3.x',
      'redis: configured and unused: write storage: {cache: {blobdescriptor: redis}}, or take it out',
    ],
    means: (c) => c.redis?.addrs,
    is: ['r:1'],
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: redis, blobdescriptorsize: 5}}\nredis: {addrs: ["r:1"]}',
    warnings: [
      "storage.cache.blobdescriptorsize: has no effect with redis: take it out, and set maxmemory in Redis's own configuration",
    ],
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: memcached}}',
    warnings: ['storage.cache.blobdescriptor: expected one of inmemory, redis, got "memcached": write one of these'],
    means: (c) => c.storage.cache.blobdescriptor,
    is: undefined,
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: inmemory, layerinfo: redis}}',
    warnings: ['storage.cache.layerinfo: ignored, since blobdescriptor is written too: take it out'],
    means: (c) => c.storage.cache.blobdescriptor,
    is: 'inmemory',
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: inmemory, blobdescriptorsize: -1}}',
    means: (c) => c.storage.cache.blobdescriptorsize,
    is: Number.POSITIVE_INFINITY,
  },
  ...redisRows(),
  // Where clients are sent.
  {
    file: `${MINIMAL}middleware: {storage: [{name: cloudfront, options: {baseurl: b, privatekey: k, keypairid: i}}]}`,
    faults: [
      'middleware.storage.0: cloudfront works with storage.s3 alone, not with inmemory: take it out, or use the middleware redirect',
    ],
  },
  {
    file: `${within(S3, 'encrypt: false').slice(0, -1)}, redirect: {disable: true}}\nmiddleware: {storage: [{name: redirect, options: {baseurl: b}}]}`,
    warnings: [
      'middleware.storage.0: redirect has no effect, since storage.redirect.disable is set: take one of the two out',
    ],
  },
  {
    file: `${MINIMAL}middleware: {storage: [{name: cloudfront, disabled: true}, {name: nobody, disabled: true}]}`,
    means: (c) => c.middleware.storage,
    is: [],
  },
  {
    file: `${MINIMAL}middleware: {storage: [{name: rewrite}]}`,
    warnings: ['middleware.storage.0.options: nothing is rewritten: write scheme, host or trimpathprefix'],
  },
  {
    file: `${MINIMAL}middleware: {storges: []}`,
    warnings: ['middleware.storges: unknown key, ignored: did you mean "storage"?'],
  },
  {
    file: `${within(S3, 'encrypt: false')}\nmiddleware: {storage: [{name: cloudfront, options: {baseurl: b, privatekey: k, keypairid: i, ipfilteredby: awsregion}}]}`,
    faults: [
      'middleware.storage.0.options.awsregion: missing, though ipfilteredby is awsregion: write us-east-1,us-east-2',
    ],
  },
  // Health, addresses, validation, upkeep.
  {
    file: `${MINIMAL}http: {secret: replace this by a long random text}`,
    warnings: ['http.secret: the text of a sample, which everybody knows: write what openssl rand -hex 32 prints'],
  },
  {
    file: `${MINIMAL}policy: {repository: {classes: [img, image, plugn, chart]}}`,
    warnings: [
      'policy.repository.classes.0: no manifest is of the class "img": write image or plugin',
      'policy.repository.classes.2: no manifest is of the class "plugn": did you mean "plugin"?',
      'policy.repository.classes.3: no manifest is of the class "chart": write image or plugin',
    ],
    means: (c) => c.policy.repository.classes,
    is: ['img', 'image', 'plugn', 'chart'],
  },
  {
    file: `${MINIMAL}health: {file: [{file: /a}, {file: /a}], tcp: [{addr: "a:1"}, {addr: "b:1"}, {addr: "a:1"}]}`,
    faults: [
      'health.file.1: the same check is there twice: take one out',
      'health.tcp.2: the same check is there twice: take one out',
    ],
  },
  {
    file: `${MINIMAL}http: {addr: ":5000", debug: {addr: ":5000"}}`,
    faults: ['http.debug.addr: the same as http.addr: write another port, such as ":5001"'],
  },
  {
    file: `${MINIMAL}validation: {manifests: {urls: {allow: ['(?=x)', '(', '\\8', 'ok']}}}`,
    faults: [
      'validation.manifests.urls.allow.0: no regular expression of RE2: error parsing regexp: invalid or unsupported Perl syntax: `(?=`: see https://golang.org/s/re2syntax',
      'validation.manifests.urls.allow.1: no regular expression of RE2: error parsing regexp: missing closing ): `(?:()`: see https://golang.org/s/re2syntax',
      'validation.manifests.urls.allow.2: no regular expression of RE2: error parsing regexp: invalid escape sequence: `\\8`: see https://golang.org/s/re2syntax',
    ],
  },
  {
    file: `${MINIMAL}validation: {enabled: true}`,
    warnings: [
      "validation.enabled: foreign layers (those with URLs) are admitted while no list of URLs is written: write validation.manifests.urls.deny: ['.*'] to refuse them, as Distribution does",
    ],
  },
  {
    file: `${MINIMAL}validation: {disabled: true, manifests: {urls: {deny: [x]}, indexes: {platforms: all}}}`,
    warnings: ['validation.manifests.urls: has no effect, since validation.disabled is set: take one of the two out'],
    means: (c) => [c.validation.enabled, c.validation.manifests.urls.deny, c.validation.manifests.indexes.platforms],
    is: [false, [], 'none'],
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , maintenance: {readonly: {}, uploadpurging: {}}}',
    means: (c) => [c.storage.maintenance.readonly.enabled, c.storage.maintenance.uploadpurging.enabled],
    is: [false, true],
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , maintenance: {uploadpurging: {age: 0s}}}',
    warnings: ['storage.maintenance.uploadpurging.age: uploads that clients are busy with are deleted too: write 168h'],
  },
  {
    file: 'version: 0.1\nstorage: {inmemory: , maintenance: {uploadpurging: {enabled: false, interval: 0s}}}',
    means: (c) => c.storage.maintenance.uploadpurging.enabled,
    is: false,
  },
];

/** Never in plain text when any key below `redis.tls` asks for TLS. */
function redisRows(): readonly Row[] {
  const used = 'version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: redis}}\nredis: {addrs: ["r:1"], tls: %}';
  const bare = { certificate: undefined, key: undefined, rootcas: [] };
  const enabled = 'redis.tls.enabled: a key of the previews of 3.0, honoured here: write rootcas for Distribution 3.1';
  const rootcas = { ...bare, rootcas: ['/ca'] };
  const tls = (config: Config): unknown => config.redis?.tls;
  return [
    { file: within(used, '{}'), means: tls, is: undefined },
    { file: within(used, '{enabled: false}'), means: tls, is: undefined },
    { file: within(used, '{rootcas: []}'), means: tls, is: undefined },
    { file: within(used, '{enabled: true}'), warnings: [enabled], means: tls, is: bare },
    { file: within(used, '{rootcas: [/ca]}'), means: tls, is: rootcas },
    {
      file: within(used, '{clientcas: [/ca]}'),
      warnings: ['redis.tls.clientcas: an older name of rootcas: write rootcas'],
      means: tls,
      is: rootcas,
    },
    {
      file: within(used, '{clientcas: [/old], rootcas: [/ca]}'),
      warnings: ['redis.tls.clientcas: ignored, since rootcas is written too: take it out'],
      means: tls,
      is: rootcas,
    },
    {
      file: within(used, '{enabled: false, rootcas: [/ca]}'),
      warnings: ['redis.tls.enabled: ignored: the other keys ask for TLS: take them out, or this'],
      means: tls,
      is: rootcas,
    },
    {
      file: within(used, '{certificate: /c}'),
      faults: ['redis.tls.key: missing, though certificate is set: write both or neither'],
    },
    {
      file: within(used, '{key: /k}'),
      faults: ['redis.tls.certificate: missing, though key is set: write both or neither'],
    },
    { file: within(used, '{rootcas: [""]}'), faults: ['redis.tls.rootcas.0: expected a file: take it out'] },
    {
      file: within(used, '{}, addr: "old:1"'),
      warnings: ['redis.addr: ignored, since addrs is written too: take it out'],
      means: (c) => c.redis?.addrs,
      is: ['r:1'],
    },
    {
      file: within(used, '{}, db: 2').replace('["r:1"]', '["r:1", "r:2"]'),
      warnings: ['redis.db: several addresses are a cluster, which has only database 0: take it out'],
    },
    {
      file: within(used, '{}').replace('["r:1"]', '[redis, "r:1"]'),
      faults: ['redis.addrs.0: expected host:port: write "redis:6379"'],
    },
    {
      file: within(used, '{}, readtimeout: -1, dialtimeout: -1, maxretries: -1, poolsize: 0, pool: {maxactive: 7}'),
      warnings: [
        'redis.maxretries: has no effect in this registry: take it out: a call is given up after 50 ms, and never repeated',
        'redis.dialtimeout: the default is used, because nothing waits without end: write a duration such as 10s',
        'redis.readtimeout: has no effect in this registry: take it out: a call is given up after 50 ms, and never repeated',
        'redis.pool: keys of 2.x: maxactive is poolsize now, the others have no effect: write poolsize',
      ],
      means: (c) => [c.redis?.dialtimeout, c.redis?.poolsize],
      is: [5000, 7],
    },
  ];
}

suite('together', () => {
  for (const { file, env = {}, faults = [], warnings = [], means, is } of rows) {
    test(file.slice(file.indexOf('\n') + 1).replace(/^storage: inmemory\n/, ''), () => {
      const inFile = (line: string): string => `config.yml: ${line}`;
      assert.deepEqual(faultsOf(file, env), faults.map(inFile));
      if (faults.length > 0) return;
      assert.deepEqual(warningsOf(file, env), warnings.map(inFile));
      assert.deepEqual(means?.(configOf(file, env)), is);
    });
  }
});
