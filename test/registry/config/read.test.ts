import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { suite, test } from 'node:test';
import { configPath } from '../../../registry/config/load.ts';
import { configOf, faultsOf, MINIMAL, warningsOf } from './reading.ts';

suite('the smallest file', () => {
  test('gives every default', () => {
    assert.deepEqual(configOf(MINIMAL), {
      version: '0.1',
      log: { level: 'info', formatter: 'text', fields: {}, accesslog: { disabled: false }, reportcaller: false },
      storage: {
        driver: { type: 'inmemory' },
        delete: { enabled: false },
        redirect: { disable: false },
        cache: { blobdescriptor: undefined, blobdescriptorsize: 10_000 },
        tag: { concurrencylimit: availableParallelism() },
        maintenance: {
          uploadpurging: { enabled: true, age: 168 * 3_600_000, interval: 24 * 3_600_000, dryrun: false },
          readonly: { enabled: false, file: undefined },
        },
      },
      http: {
        addr: '',
        net: 'tcp',
        prefix: '',
        host: undefined,
        relativeurls: false,
        secret: undefined,
        headers: {},
        draintimeout: 0,
        debug: { addr: undefined, prometheus: { enabled: false, path: '/metrics' } },
      },
      health: { storagedriver: { enabled: false, interval: 10_000, threshold: 1 }, file: [], http: [], tcp: [] },
      catalog: { maxentries: 1000 },
      tags: { maxtags: 1000 },
      validation: {
        enabled: true,
        manifests: {
          urls: { allow: [], deny: [] },
          references: 'all',
          indexes: { platforms: 'all', platformlist: [] },
        },
      },
      redis: undefined,
      middleware: { registry: [], repository: [], storage: [] },
      compatibility: { schema1: { enabled: false, signingkeyfile: undefined } },
      policy: { repository: { classes: [] } },
    });
    assert.deepEqual(warningsOf(MINIMAL), []);
  });

  test('gives the defaults of the filesystem', () => {
    assert.deepEqual(configOf('version: 0.1\nstorage: filesystem').storage.driver, {
      type: 'filesystem',
      rootdirectory: '/var/lib/registry',
      maxthreads: 100,
    });
  });

  test('sections that are written without anything in them are defaults too', () => {
    const empty = 'log:\nhttp:\nhealth: {storagedriver: }\ncatalog:\ntags:\nvalidation: {manifests: }\nauth:\n';
    assert.deepEqual(configOf(MINIMAL + empty), configOf(MINIMAL));
  });

  test('is frozen all the way down', () => {
    const config = configOf(`${MINIMAL}http: {headers: {X: [a]}}`);
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    assert.ok(frozen(config));
    assert.throws(() => (config.http.headers['X'] as string[]).push('b'), TypeError);
  });
});

suite('a whole file', () => {
  test('is read key by key', () => {
    const config = configOf(`
version: 0.1
log: {level: DEBUG, formatter: json, fields: {service: registry, shard: 7}, accesslog: {disabled: on}, reportcaller: y}
storage:
  filesystem: {rootdirectory: /data, maxthreads: 200}
  delete: {enabled: yes}
  redirect: {disable: true}
  cache: {blobdescriptor: InMemory, blobdescriptorsize: 5}
  tag: {concurrencylimit: 3}
  maintenance:
    uploadpurging: {enabled: false, age: 1h, interval: 2h, dryrun: true}
    readonly: {enabled: true, file: /run/ro}
http:
  addr: localhost:5000
  net: tcp
  prefix: /a/b/
  host: https://registry.example.com/base/
  relativeurls: true
  secret: 0123
  headers: {X-Content-Type-Options: [nosniff], X-Two: [a, 2]}
  draintimeout: 1m30s
  debug: {addr: ':5001', prometheus: {enabled: true, path: /m}}
health:
  storagedriver: {enabled: true, interval: 500ms, threshold: 3}
  file: [{file: /run/down, interval: 1s, threshold: 2}]
  http: [{uri: "https://a/h", statuscode: 204, timeout: 3s, interval: 4s, threshold: 5, headers: {Authorization: [x]}}]
  tcp: [{addr: "a:1", timeout: 6s, interval: 7s, threshold: 8}]
catalog: {maxentries: 5}
tags: {maxtags: 6}
validation:
  manifests:
    urls: {allow: ['(?i)^https://a/'], deny: ['[[:space:]]']}
    references: None
    indexes: {platforms: LIST, platformlist: [{architecture: amd64, os: linux}]}
middleware: {storage: [{name: redirect, options: {baseurl: "https://cdn/"}}]}
compatibility: {schema1: {enabled: true, signingkeyfile: /k}}
policy: {repository: {classes: [image, plugin]}}
`);
    assert.deepEqual(config, {
      version: '0.1',
      log: {
        level: 'debug',
        formatter: 'json',
        fields: { service: 'registry', shard: 7 },
        accesslog: { disabled: true },
        reportcaller: true,
      },
      storage: {
        driver: { type: 'filesystem', rootdirectory: '/data', maxthreads: 200 },
        delete: { enabled: true },
        redirect: { disable: true },
        cache: { blobdescriptor: 'inmemory', blobdescriptorsize: 5 },
        tag: { concurrencylimit: 3 },
        maintenance: {
          uploadpurging: { enabled: false, age: 3_600_000, interval: 7_200_000, dryrun: true },
          readonly: { enabled: true, file: '/run/ro' },
        },
      },
      http: {
        addr: 'localhost:5000',
        net: 'tcp',
        prefix: '/a/b/',
        host: 'https://registry.example.com/base/',
        relativeurls: true,
        secret: '0123',
        headers: { 'X-Content-Type-Options': ['nosniff'], 'X-Two': ['a', '2'] },
        draintimeout: 90_000,
        debug: { addr: ':5001', prometheus: { enabled: true, path: '/m' } },
      },
      health: {
        storagedriver: { enabled: true, interval: 500, threshold: 3 },
        file: [{ file: '/run/down', interval: 1000, threshold: 2 }],
        http: [
          {
            uri: 'https://a/h',
            statuscode: 204,
            timeout: 3000,
            interval: 4000,
            threshold: 5,
            headers: { Authorization: ['x'] },
          },
        ],
        tcp: [{ addr: 'a:1', timeout: 6000, interval: 7000, threshold: 8 }],
      },
      catalog: { maxentries: 5 },
      tags: { maxtags: 6 },
      validation: {
        enabled: true,
        manifests: {
          urls: { allow: ['(?i)^https://a/'], deny: ['[[:space:]]'] },
          references: 'none',
          indexes: { platforms: 'list', platformlist: [{ os: 'linux', architecture: 'amd64' }] },
        },
      },
      redis: undefined,
      middleware: { registry: [], repository: [], storage: [{ name: 'redirect', baseurl: 'https://cdn' }] },
      compatibility: { schema1: { enabled: true, signingkeyfile: '/k' } },
      policy: { repository: { classes: ['image', 'plugin'] } },
    });
  });

  test('aliases and merge keys of YAML 1.1 work', () => {
    const file = `${MINIMAL}catalog: &size {maxentries: 7}\ntags: {maxtags: 8}\nhealth: {storagedriver: {<<: {threshold: 4}, enabled: true}}`;
    assert.equal(configOf(file).health.storagedriver.threshold, 4);
    assert.equal(configOf(file).catalog.maxentries, 7);
  });
});

suite('version', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['storage: inmemory', 'config.yml: version: missing: write version: 0.1'],
    ['version:\nstorage: inmemory', 'config.yml: version: missing: write version: 0.1'],
    ['version: 0.2\nstorage: inmemory', 'config.yml: version: only 0.1 can be read, got 0.2: write version: 0.1'],
    ['version: 0.10\nstorage: inmemory', 'config.yml: version: only 0.1 can be read, got 0.10: write version: 0.1'],
    ['version: {}\nstorage: inmemory', 'config.yml: version: only 0.1 can be read, got a map: write version: 0.1'],
  ];
  for (const [file, expected] of refused) {
    test(`refused: ${JSON.stringify(file)}`, () => assert.deepEqual(faultsOf(file), [expected]));
  }

  test('may be quoted', () => assert.equal(configOf('version: "0.1"\nstorage: inmemory').version, '0.1'));

  test("is the file's own: a variable of an image can neither set nor spoil it", () => {
    assert.equal(configOf(MINIMAL, { REGISTRY_VERSION: '2.8.1' }).version, '0.1');
    assert.deepEqual(faultsOf('storage: inmemory', { REGISTRY_VERSION: '0.1' }).length, 1);
  });
});

suite('the path of the file', () => {
  test('is the argument, else REGISTRY_CONFIGURATION_PATH, else where images of Distribution 3.x and 2.x keep it', () => {
    const all = (): boolean => true;
    assert.equal(configPath('/a.yml', { REGISTRY_CONFIGURATION_PATH: '/b.yml' }, all), '/a.yml');
    assert.equal(configPath(undefined, { REGISTRY_CONFIGURATION_PATH: '/b.yml' }, all), '/b.yml');
    assert.equal(configPath(undefined, {}, all), '/etc/distribution/config.yml');
    const old = '/etc/docker/registry/config.yml';
    assert.equal(
      configPath(undefined, {}, (path) => path === old),
      old,
    );
  });

  test('without either there is one sentence, not a stack', () => {
    assert.throws(() => configPath(undefined, {}, () => false), {
      name: 'ConfigError',
      message:
        'REGISTRY_CONFIGURATION_PATH: no configuration file is named, and there is neither /etc/distribution/config.yml nor ' +
        '/etc/docker/registry/config.yml: pass its path as the argument, or set this variable',
    });
  });

  test('and it is no unknown variable', () => {
    assert.deepEqual(warningsOf(MINIMAL, { REGISTRY_CONFIGURATION_PATH: '/b.yml' }), []);
  });
});
