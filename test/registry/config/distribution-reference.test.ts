/**
 * Every key of Distribution's reference, of 3.1 and of 2.8, with each driver. One file is as long as the reference is, so this
 * one is longer than others.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { dump, load } from 'js-yaml';
import { configOf, each, faultsOf, warningsOf } from './reading.ts';

type Tree = Record<string, unknown>;

const HOUR = 3_600_000;

/** Every key of the reference of 3.1; drivers and providers apart, since only one of each can be. */
const reference31 = `
version: 0.1
log:
  accesslog: {disabled: true}
  level: debug
  formatter: text
  fields: {service: registry, environment: staging}
  reportcaller: true
loglevel: debug
storage:
  tag: {concurrencylimit: 8}
  delete: {enabled: false}
  redirect: {disable: false}
  cache: {blobdescriptor: redis}
  maintenance:
    uploadpurging: {enabled: true, age: 168h, interval: 24h, dryrun: false}
    readonly: {enabled: false}
middleware:
  storage: [{name: redirect, options: {baseurl: https://example.com/}}]
http:
  addr: localhost:5000
  prefix: /my/nested/registry/
  host: https://myregistryaddress.org:5000
  secret: asecretforlocaldevelopment
  relativeurls: false
  draintimeout: 60s
  debug: {addr: "localhost:5001", prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
  http2: {disabled: false}
  h2c: {enabled: false}
redis:
  tls: {certificate: /path/to/cert.crt, key: /path/to/key.pem, rootcas: [/path/to/ca.pem]}
  addrs: ["localhost:6379"]
  username: me
  password: asecret
  db: 0
  dialtimeout: 10ms
  readtimeout: 10ms
  writetimeout: 10ms
  poolsize: 64
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
  file: [{file: /path/to/checked/file, interval: 10s}]
  http:
    - uri: http://server.to.check/must/return/200
      headers: {Authorization: [Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==]}
      statuscode: 200
      timeout: 3s
      interval: 10s
      threshold: 3
  tcp: [{addr: "redis-server.domain.com:6379", timeout: 3s, interval: 10s, threshold: 3}]
catalog: {maxentries: 1000}
tags: {maxtags: 1000}
validation:
  disabled: false
  manifests:
    urls: {allow: ['^https?://([^/]+\\.)*example\\.com/'], deny: ['^https?://www\\.example\\.com/']}
    indexes: {platforms: List, platformlist: [{architecture: amd64, os: linux}]}
policy: {repository: {classes: [image, plugin]}}
`;

const drivers: readonly (readonly [name: string, parameters: string, expected: Tree])[] = [
  [
    'filesystem',
    '{rootdirectory: /var/lib/registry, maxthreads: 100}',
    { type: 'filesystem', rootdirectory: '/var/lib/registry', maxthreads: 100 },
  ],
  ['inmemory', '', { type: 'inmemory' }],
  [
    'azure',
    `{accountname: accountname, container: containername, rootdirectory: /az/object/name/prefix, max_retries: 10,
      retry_delay: 100ms, credentials: {type: client_secret, clientid: c, tenantid: t, secret: s}}`,
    {
      type: 'azure',
      accountname: 'accountname',
      accountkey: undefined,
      container: 'containername',
      credentials: { type: 'client_secret', clientid: 'c', tenantid: 't', secret: 's' },
      realm: 'core.windows.net',
      serviceurl: undefined,
      rootdirectory: 'az/object/name/prefix',
      maxretries: 10,
      retrydelay: 100,
      skipverify: false,
    },
  ],
  [
    'gcs',
    `{bucket: bucketname, rootdirectory: /gcs/object/name/prefix, chunksize: 5242880,
      credentials: {type: service_account, project_id: p, private_key_id: k, private_key: x, client_email: c@example.com}}`,
    {
      type: 'gcs',
      bucket: 'bucketname',
      keyfile: undefined,
      credentials: {
        type: 'service_account',
        project_id: 'p',
        private_key_id: 'k',
        private_key: 'x',
        client_email: 'c@example.com',
      },
      rootdirectory: 'gcs/object/name/prefix',
      chunksize: 5_242_880,
      maxconcurrency: 50,
      endpoint: undefined,
    },
  ],
  [
    's3',
    `{accesskey: awsaccesskey, secretkey: awssecretkey, region: us-west-1, regionendpoint: http://myobjects.local,
      forcepathstyle: true, accelerate: false, bucket: bucketname, encrypt: true, keyid: mykeyid, secure: true,
      v4auth: true, chunksize: 5242880, multipartcopychunksize: 33554432, multipartcopymaxconcurrency: 100,
      multipartcopythresholdsize: 33554432, rootdirectory: /s3/object/name/prefix, usedualstack: false, loglevel: debug}`,
    {
      type: 's3',
      accesskey: 'awsaccesskey',
      secretkey: 'awssecretkey',
      sessiontoken: undefined,
      region: 'us-west-1',
      regionendpoint: 'http://myobjects.local',
      redirectendpoint: undefined,
      forcepathstyle: true,
      bucket: 'bucketname',
      encrypt: true,
      keyid: 'mykeyid',
      secure: true,
      skipverify: false,
      v4auth: true,
      chunksize: 5_242_880,
      multipartcopychunksize: 33_554_432,
      multipartcopymaxconcurrency: 100,
      multipartcopythresholdsize: 33_554_432,
      rootdirectory: 's3/object/name/prefix',
      storageclass: 'STANDARD',
      objectacl: 'private',
      useragent: undefined,
      usedualstack: false,
      accelerate: false,
      usefipsendpoint: false,
      loglevel: 'debug',
    },
  ],
];

/** The reference with these keys put over it. */
function reference(changes: string): string {
  return dump(merged(load(reference31) as Tree, load(changes) as Tree));
}

function merged(below: Tree, above: Tree): Tree {
  const result = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = result[key];
    const deep = isTree(old) && isTree(value);
    result[key] = deep ? merged(old, value) : value;
  }
  return result;
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/** No call to Redis waits as long as the reference says. */
const WAITING = [/: redis\.readtimeout: has no effect/, /: redis\.writetimeout: has no effect/];

suite('every key of the reference of 3.1, with each driver', () => {
  for (const [name, parameters, expected] of drivers) {
    test(name, () => {
      const file = reference(`storage: {${name}: ${parameters}}`);
      assert.deepEqual(faultsOf(file), []);
      each(warningsOf(file), WAITING);
      const config = configOf(file);
      assert.deepEqual(config.storage.driver, expected);
      assert.equal(config.log.reportcaller, true);
      assert.deepEqual(config.storage.maintenance.uploadpurging, {
        enabled: true,
        age: 168 * HOUR,
        interval: 24 * HOUR,
        dryrun: false,
      });
      assert.deepEqual(config.redis?.tls, {
        certificate: '/path/to/cert.crt',
        key: '/path/to/key.pem',
        rootcas: ['/path/to/ca.pem'],
      });
      assert.deepEqual(config.policy.repository.classes, ['image', 'plugin']);
      assert.equal(config.health.http[0]?.timeout, 3000);
    });
  }

  test('with CloudFront before S3', () => {
    const file = reference(`
storage: {s3: {bucket: bbb, region: us-east-1}}
middleware:
  storage:
    - name: cloudfront
      options:
        baseurl: https://my.cloudfronted.domain.com/
        privatekey: /path/to/pem
        keypairid: cloudfrontkeypairid
        duration: 3000s
        ipfilteredby: awsregion
        awsregion: us-east-1, use-east-2
        updatefrenquency: 12h
        iprangesurl: https://ip-ranges.amazonaws.com/ip-ranges.json
    - {name: rewrite, options: {scheme: https, host: cdn.example.com, trimpathprefix: /b}}
`);
    assert.deepEqual(faultsOf(file), []);
    each(warningsOf(file), [
      ...WAITING,
      /middleware\.storage\.0\.options\.updatefrenquency: an older name of updatefrequency/,
    ]);
    assert.deepEqual(configOf(file).middleware.storage, [
      {
        name: 'cloudfront',
        baseurl: 'https://my.cloudfronted.domain.com',
        privatekey: '/path/to/pem',
        keypairid: 'cloudfrontkeypairid',
        duration: 3_000_000,
        ipfilteredby: 'awsregion',
        awsregion: ['us-east-1', 'use-east-2'],
        updatefrequency: 12 * HOUR,
        iprangesurl: 'https://ip-ranges.amazonaws.com/ip-ranges.json',
      },
      { name: 'rewrite', scheme: 'https', host: 'cdn.example.com', trimpathprefix: '/b' },
    ]);
  });

  test('what is not built yet is one fault or one warning a section, and no key of it is unknown', () => {
    const file = reference(`
storage: {inmemory: {}}
log: {hooks: [{type: mail, levels: [panic], options: {smtp: {addr: "m:25", username: u, password: p, insecure: true},
  from: a@b, to: [c@d]}}]}
auth: {token: {autoredirect: true, realm: r, service: s, issuer: i, rootcertbundle: /b, jwks: /j,
  signingalgorithms: [EdDSA, HS256]}}
http: {tls: {certificate: /c, key: /k, clientcas: [/ca], clientauth: require-and-verify-client-cert,
  letsencrypt: {cachefile: /f, email: e@f, hosts: [h], directoryurl: https://acme}}}
notifications:
  events: {includereferences: true}
  endpoints: [{name: a, disabled: false, url: https://x, headers: {A: [b]}, timeout: 1s, threshold: 10, backoff: 1s,
    ignoredmediatypes: [a/b], ignore: {mediatypes: [a/b], actions: [pull]}}]
proxy: {remoteurl: https://registry-1.docker.io, username: u, password: p, exec: {command: c, lifetime: 1h}, ttl: 168h}
`);
    each(faultsOf(file), [
      /http\.tls: not supported by this version/,
      /auth: the provider token is not supported by this version/,
      /proxy: not supported by this version/,
    ]);
    const built = load(file) as { http: Tree; auth?: unknown; proxy?: unknown };
    delete built.http['tls'];
    delete built.auth;
    delete built.proxy;
    each(warningsOf(dump(built)), [...WAITING, /log\.hooks: has no effect/, /notifications: has no effect/]);
  });
});

suite('every key of the reference of 2.8 that 3.1 does not have', () => {
  const gone: readonly (readonly [string, readonly RegExp[], readonly RegExp[]])[] = [
    [
      `storage: {swift: {username: u, password: p, authurl: https://a, tenant: t, tenantid: t, domain: d, domainid: d,
        insecureskipverify: true, region: fr, container: c, rootdirectory: /r}}`,
      [/storage\.swift: the driver swift is gone since Distribution 3\.0: copy the tree/],
      [],
    ],
    [
      'storage: {oss: {accesskeyid: a, accesskeysecret: s, region: r, bucket: b, internal: true, encrypt: true}}',
      [/storage\.oss: the driver oss is gone since Distribution 3\.0: copy the tree/],
      [],
    ],
    [
      `storage: inmemory
reporting: {bugsnag: {apikey: k, releasestage: s, endpoint: e}, newrelic: {licensekey: k, name: n, verbose: true}}`,
      [],
      [/reporting: has no effect in this version: take it out: Distribution 3\.0 has none either/],
    ],
    ['storage: inmemory\ncompatibility: {schema1: {signingkeyfile: /k, enabled: true}}', [], []],
    [
      `storage: {azure: {accountname: a, accountkey: a2V5, container: c, realm: core.windows.net,
        copy_status_poll_max_retry: 10, copy_status_poll_delay: 100ms}}`,
      [],
      [
        /copy_status_poll_max_retry: an older name of max_retries/,
        /copy_status_poll_delay: an older name of retry_delay/,
      ],
    ],
    [
      'storage: inmemory\nhttp: {tls: {certificate: /c, key: /k, minimumtls: tls1.0}}',
      [
        /http\.tls: not supported/,
        /http\.tls\.minimumtls: TLS 1\.0 and 1\.1 are gone since Distribution 3\.0: write tls1\.2/,
      ],
      [],
    ],
    [
      'storage: inmemory\nproxy: {remoteurl: https://r, cacheTTL: 48h, remotenamespace: n}',
      [/proxy: not supported by this version/],
      [],
    ],
    [
      'storage: inmemory\nmiddleware: {storage: [{name: alicdn, options: {baseurl: b}}]}',
      [/middleware\.storage\.0\.name: the middleware alicdn is gone since Distribution 3\.0/],
      [],
    ],
  ];
  for (const [yaml, faults, warnings] of gone) {
    test(yaml.slice(0, 80), () => {
      const file = `version: 0.1\n${yaml}`;
      each(faultsOf(file), faults);
      if (faults.length === 0) each(warningsOf(file), warnings);
    });
  }
});
