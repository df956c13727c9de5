/**
 * The environment over the file: what each kind of name does, and what becomes of names that mean nothing.
 * One matrix of names, values and outcomes, longer than other files: split up, its gaps could not be seen.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Config } from '../../../registry/config/types.ts';
import { configOf, type Env, faultsOf, MINIMAL, warningsOf } from './reading.ts';

interface Case {
  readonly name: string;
  readonly file?: string;
  readonly env: Env;
  readonly pick: (config: Config) => unknown;
  readonly expected: unknown;
}

const HEADERS = `${MINIMAL}http: {headers: {X-One: [a, b]}}\n`;
const FILES = 'version: 0.1\nstorage: {filesystem: {rootdirectory: /yaml, maxthreads: 50}}\n';

const cases: readonly Case[] = [
  { name: 'text', env: { REGISTRY_HTTP_ADDR: ':5000' }, pick: (c) => c.http.addr, expected: ':5000' },
  { name: 'bool', env: { REGISTRY_HTTP_RELATIVEURLS: 'true' }, pick: (c) => c.http.relativeurls, expected: true },
  {
    name: 'bool of YAML 1.1',
    env: { REGISTRY_HTTP_RELATIVEURLS: 'on' },
    pick: (c) => c.http.relativeurls,
    expected: true,
  },
  { name: 'int', env: { REGISTRY_TAGS_MAXTAGS: '12' }, pick: (c) => c.tags.maxtags, expected: 12 },
  { name: 'duration', env: { REGISTRY_HTTP_DRAINTIMEOUT: '5s' }, pick: (c) => c.http.draintimeout, expected: 5000 },
  { name: 'nothing: the default', env: { REGISTRY_HTTP_NET: '' }, pick: (c) => c.http.net, expected: 'tcp' },
  {
    name: 'nothing over something: the default',
    file: `${MINIMAL}catalog: {maxentries: 5}`,
    env: { REGISTRY_CATALOG_MAXENTRIES: '' },
    pick: (c) => c.catalog.maxentries,
    expected: 1000,
  },
  {
    name: 'a text that looks like a number',
    env: { REGISTRY_HTTP_SECRET: '0123' },
    pick: (c) => c.http.secret,
    expected: '0123',
  },
  { name: "quotes are YAML's", env: { REGISTRY_HTTP_SECRET: '"a b"' }, pick: (c) => c.http.secret, expected: 'a b' },
  {
    name: 'a text that is no YAML',
    env: { REGISTRY_HTTP_SECRET: '@a: [b' },
    pick: (c) => c.http.secret,
    expected: '@a: [b',
  },
  {
    name: 'an address that is no YAML',
    env: { REGISTRY_HTTP_ADDR: '[::1]:5000' },
    pick: (c) => c.http.addr,
    expected: '[::1]:5000',
  },
  {
    name: "three levels, the file's section not there",
    env: { REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED: 'true', REGISTRY_HTTP_DEBUG_ADDR: ':1' },
    pick: (c) => c.http.debug,
    expected: { addr: ':1', prometheus: { enabled: true, path: '/metrics' } },
  },
  {
    name: 'a whole structure replaces what the file has',
    file: `${MINIMAL}http: {addr: ":1", prefix: /a/}`,
    env: { REGISTRY_HTTP: '{addr: ":2"}' },
    pick: (c) => [c.http.addr, c.http.prefix],
    expected: [':2', ''],
  },
  {
    name: 'a deeper name changes the structure, whatever comes first in the environment',
    env: { REGISTRY_HTTP_NET: 'tcp', REGISTRY_HTTP_ADDR: ':3', REGISTRY_HTTP: '{addr: ":2", prefix: /a/}' },
    pick: (c) => [c.http.addr, c.http.prefix],
    expected: [':3', '/a/'],
  },
  {
    name: 'a bare driver over a bare driver',
    env: { REGISTRY_STORAGE: 'filesystem' },
    pick: (c) => c.storage.driver.type,
    expected: 'filesystem',
  },
  {
    name: "a bare driver drops the file's parameters",
    file: FILES,
    env: { REGISTRY_STORAGE: 'filesystem' },
    pick: (c) => c.storage.driver,
    expected: { type: 'filesystem', rootdirectory: '/var/lib/registry', maxthreads: 100 },
  },
  {
    name: 'parameters of a bare driver',
    env: { REGISTRY_STORAGE: 'filesystem', REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/env' },
    pick: (c) => c.storage.driver,
    expected: { type: 'filesystem', rootdirectory: '/env', maxthreads: 100 },
  },
  {
    name: "a parameter beside the file's",
    file: FILES,
    env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/env' },
    pick: (c) => c.storage.driver,
    expected: { type: 'filesystem', rootdirectory: '/env', maxthreads: 50 },
  },
  {
    name: 'a parameter under a driver without any',
    file: 'version: 0.1\nstorage: {filesystem: }',
    env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/env' },
    pick: (c) => c.storage.driver.type === 'filesystem' && c.storage.driver.rootdirectory,
    expected: '/env',
  },
  {
    name: 'a section beside a bare driver',
    env: { REGISTRY_STORAGE_DELETE_ENABLED: 'true' },
    pick: (c) => c.storage.delete.enabled,
    expected: true,
  },
  {
    name: 'a map level in lower case',
    env: { REGISTRY_STORAGE_delete_Enabled: 'true' },
    pick: (c) => c.storage.delete.enabled,
    expected: true,
  },
  {
    name: 'the storage by the environment alone',
    file: 'version: 0.1',
    env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/env' },
    pick: (c) => c.storage.driver.type,
    expected: 'filesystem',
  },
  {
    name: 'nested maintenance keys, absent from the file',
    env: { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'false' },
    pick: (c) => c.storage.maintenance.readonly.enabled,
    expected: false,
  },
  {
    name: 'nested maintenance keys, absent from the file: on',
    env: { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' },
    pick: (c) => c.storage.maintenance.readonly.enabled,
    expected: true,
  },
  {
    name: 'a nested maintenance section as one value',
    env: { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{"enabled":true}' },
    pick: (c) => c.storage.maintenance.readonly.enabled,
    expected: true,
  },
  {
    name: "nested maintenance keys over the file's",
    file: 'version: 0.1\nstorage: {inmemory: , maintenance: {readonly: {enabled: true}}}',
    env: { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'false' },
    pick: (c) => c.storage.maintenance.readonly.enabled,
    expected: false,
  },
  {
    name: 'a new name in a map is in lower case',
    env: { REGISTRY_LOG_FIELDS_SERVICE: 'r' },
    pick: (c) => c.log.fields,
    expected: { service: 'r' },
  },
  {
    name: 'an existing name of a map keeps its case',
    file: HEADERS,
    env: { 'REGISTRY_HTTP_HEADERS_X-ONE': '[c]' },
    pick: (c) => c.http.headers,
    expected: { 'X-One': ['c'] },
  },
  {
    name: 'a header in the usual spelling',
    env: { 'REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin': '["*"]' },
    pick: (c) => c.http.headers,
    expected: { 'access-control-allow-origin': ['*'] },
  },
  {
    name: 'a map under a map',
    env: { REGISTRY_LOG_FIELDS_A_B: '1' },
    pick: (c) => c.log.fields,
    expected: { a: { b: 1 } },
  },
  {
    name: 'a list by element: in place',
    file: HEADERS,
    env: { 'REGISTRY_HTTP_HEADERS_X-ONE_0': 'z' },
    pick: (c) => c.http.headers,
    expected: { 'X-One': ['z', 'b'] },
  },
  {
    name: 'a list by element: at its end',
    file: HEADERS,
    env: { 'REGISTRY_HTTP_HEADERS_X-ONE_2': 'z' },
    pick: (c) => c.http.headers,
    expected: { 'X-One': ['a', 'b', 'z'] },
  },
  {
    name: 'a list by element: from nothing',
    env: { REGISTRY_HTTP_HEADERS_X_0: 'a', REGISTRY_HTTP_HEADERS_X_1: 'b' },
    pick: (c) => c.http.headers,
    expected: { x: ['a', 'b'] },
  },
  {
    name: 'a list by element: the eleventh comes after the tenth',
    env: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`REGISTRY_HTTP_HEADERS_X_${i}`, `v${i}`])),
    pick: (c) => c.http.headers['x']?.[10],
    expected: 'v10',
  },
  {
    name: 'a list of structures by field',
    env: {
      REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMLIST_0_OS: 'linux',
      REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMLIST_0_ARCHITECTURE: 'arm64',
    },
    pick: (c) => c.validation.manifests.indexes.platformlist,
    expected: [{ os: 'linux', architecture: 'arm64' }],
  },
  {
    name: 'a list of structures by whole element',
    env: { REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMLIST_0: '{os: linux, architecture: arm64}' },
    pick: (c) => c.validation.manifests.indexes.platformlist,
    expected: [{ os: 'linux', architecture: 'arm64' }],
  },
  { name: 'auth as a bare name', env: { REGISTRY_AUTH: 'none' }, pick: (c) => c.http.net, expected: 'tcp' },
  {
    name: 'aliases of the file are not changed together',
    file: `${MINIMAL}log: {fields: {a: &m {x: 1}, b: *m}}`,
    env: { REGISTRY_LOG_FIELDS_A_X: '2' },
    pick: (c) => c.log.fields,
    expected: { a: { x: 2 }, b: { x: 1 } },
  },
  {
    name: 'other variables mean nothing',
    env: { HTTP_ADDR: ':1', REGISTRYHTTP_ADDR: ':2', registry_http_addr: ':3' },
    pick: (c) => c.http.addr,
    expected: '',
  },
];

suite('applied', () => {
  for (const { name, file, env, pick, expected } of cases) {
    test(name, () => assert.deepEqual(pick(configOf(file ?? MINIMAL, env)), expected));
  }
});

suite("faults carry the variable's name", () => {
  const faults: readonly (readonly [Env, RegExp])[] = [
    [{ REGISTRY_HTTP_DRAINTIMEOUT: 'soon' }, /^REGISTRY_HTTP_DRAINTIMEOUT: expected a duration/],
    [{ REGISTRY_HTTP: '{draintimeout: soon}' }, /^REGISTRY_HTTP: draintimeout: expected a duration/],
    [{ REGISTRY_HTTP: '{addr: [' }, /^REGISTRY_HTTP: not YAML: line 1, column \d+: /],
    [{ REGISTRY_PROXY_REMOTEURL: 'https://a' }, /^REGISTRY_PROXY_REMOTEURL: not supported by this version/],
    [{ REGISTRY_AUTH: 'htpasswd' }, /^REGISTRY_AUTH: the provider htpasswd is not supported/],
    [{ REGISTRY_AUTH_HTPASSWD_PATH: '/p' }, /^REGISTRY_AUTH_HTPASSWD_PATH: the provider htpasswd is not supported/],
    [{ REGISTRY_HTTP_TLS_CERTIFICATE: '/c' }, /^REGISTRY_HTTP_TLS_CERTIFICATE: not supported/],
    [
      { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: '1' },
      /^REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: expected/,
    ],
    [{ REGISTRY_HTTP_HEADERS_X_1: 'a' }, /^REGISTRY_HTTP_HEADERS_X_1: the list has no element 0: use 0 for the next/],
    [{ REGISTRY_HTTP_HEADERS_X_Y: 'a' }, /^REGISTRY_HTTP_HEADERS_X_Y: "Y" is no index/],
    [{ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/x' }, /exactly one storage driver, got inmemory and filesystem/],
  ];
  for (const [env, expected] of faults) {
    test(JSON.stringify(env), () => {
      const found = faultsOf(MINIMAL, env);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', expected);
    });
  }
});

suite('names that differ from the keys are those of Go', () => {
  const names: readonly (readonly [Env, (config: Config) => unknown, unknown])[] = [
    [{ REGISTRY_HEALTH_FILECHECKERS_0_FILE: '/x' }, (c) => c.health.file[0]?.file, '/x'],
    [{ REGISTRY_HEALTH_HTTPCHECKERS: '[{uri: "http://x"}]' }, (c) => c.health.http[0]?.uri, 'http://x'],
    [{ REGISTRY_HEALTH_HTTPCHECKERS_0: '{uri: "http://x"}' }, (c) => c.health.http[0]?.uri, 'http://x'],
    [{ REGISTRY_HEALTH_TCPCHECKERS_0_ADDR: 'x:1' }, (c) => c.health.tcp[0]?.addr, 'x:1'],
    [{ REGISTRY_COMPATIBILITY_SCHEMA1_TRUSTKEY: '/k' }, (c) => c.compatibility.schema1.signingkeyfile, '/k'],
    [
      { REGISTRY_REDIS_OPTIONS_ADDRS: '["x:1"]', REGISTRY_REDIS_OPTIONS_DB: '3' },
      (c) => [c.redis?.addrs, c.redis?.db],
      [['x:1'], 3],
    ],
    [{ REGISTRY_REDIS_OPTIONS: '{addrs: ["x:1"], db: 3}' }, (c) => [c.redis?.addrs, c.redis?.db], [['x:1'], 3]],
    [{ REGISTRY_REDIS_ADDRS_0: 'x:1', REGISTRY_REDIS_DB: '3' }, (c) => [c.redis?.addrs, c.redis?.db], [['x:1'], 3]],
  ];
  for (const [env, pick, expected] of names) {
    test(Object.keys(env).join(', '), () => assert.deepEqual(pick(configOf(MINIMAL, env)), expected));
  }

  const warned: readonly (readonly [Env, string])[] = [
    [{ REGISTRY_NOTIFICATIONS_EVENTS: '{}' }, 'ignored: no such key'],
    [{ REGISTRY_HEALTH_FILE: '[]' }, 'ignored: no such key'],
    [{ REGISTRY_COMPATIBILITY_SCHEMA1_SIGNINGKEYFILE: '/k' }, 'ignored: no such key'],
    [{ REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL: 'https://x' }, 'has no effect in this version'],
    [{ REGISTRY_LOG_HOOKS_0_MAILOPTIONS_FROM: 'x' }, 'has no effect in this version'],
  ];
  for (const [env, expected] of warned) {
    const [name = ''] = Object.keys(env);
    test(`${name}: ${expected}`, () => {
      const warnings = warningsOf(MINIMAL, env);
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.ok(warnings[0]?.startsWith(`${name}: ${expected}`), warnings[0]);
    });
  }

  test('REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES asks for nothing by itself', () => {
    assert.deepEqual(warningsOf(MINIMAL, { REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES: 'true' }), []);
  });
});

suite('names that mean nothing are warned about, with the nearest that does', () => {
  const unknown: readonly (readonly [string, string])[] = [
    ['REGISTRY_HTTP_ADRR', 'REGISTRY_HTTP_ADRR: ignored: no such key: did you mean "REGISTRY_HTTP_ADDR"?'],
    ['REGISTRY_HTPP_ADDR', 'REGISTRY_HTPP_ADDR: ignored: no such key: did you mean "REGISTRY_HTTP_ADDR"?'],
    ['REGISTRY_http_addr', 'REGISTRY_http_addr: ignored: no such key: did you mean "REGISTRY_HTTP_addr"?'],
    ['REGISTRY_SOMETHINGELSE', 'REGISTRY_SOMETHINGELSE: ignored: no such key: take it out'],
    ['REGISTRY_HTTP_ADDR_X', 'REGISTRY_HTTP_ADDR_X: ignored: its key takes a single value: take it out'],
    ['REGISTRY_STORAGE_INMEMORY_X', 'REGISTRY_STORAGE_INMEMORY_X: unknown key, ignored: take it out'],
  ];
  for (const [name, expected] of unknown) {
    test(name, () => assert.deepEqual(warningsOf(MINIMAL, { [name]: 'v' }), [expected]));
  }

  test('a name that leads nowhere leaves nothing behind', () => {
    assert.deepEqual(configOf(MINIMAL, { REGISTRY_HTTP_ADRR: 'v', REGISTRY_LOG_X_Y: 'v' }), configOf(MINIMAL));
  });
});

suite('service links of Kubernetes', () => {
  const links = (service: string, ip = '10.0.0.1'): Env => {
    const prefix = service.toUpperCase().replaceAll('-', '_');
    return {
      [`${prefix}_SERVICE_HOST`]: ip,
      [`${prefix}_SERVICE_PORT`]: '5000',
      [`${prefix}_SERVICE_PORT_HTTP`]: '5000',
      [`${prefix}_PORT`]: `tcp://${ip}:5000`,
      [`${prefix}_PORT_5000_TCP`]: `tcp://${ip}:5000`,
      [`${prefix}_PORT_5000_TCP_PROTO`]: 'tcp',
      [`${prefix}_PORT_5000_TCP_PORT`]: '5000',
      [`${prefix}_PORT_5000_TCP_ADDR`]: ip,
    };
  };

  for (const service of ['registry', 'registry-auth', 'registry-storage', 'registry-http', 'registry-log-fields']) {
    test(`a Service ${service} changes nothing and is named once`, () => {
      assert.deepEqual(configOf(MINIMAL, links(service)), configOf(MINIMAL));
      const warnings = warningsOf(MINIMAL, links(service));
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.ok(
        warnings[0]?.endsWith(
          `: ignored: Kubernetes sets them for the Service ${service}: set enableServiceLinks: false in the Pod`,
        ),
      );
    });
  }

  test('real keys beside them count', () => {
    assert.equal(configOf(MINIMAL, { ...links('registry-http'), REGISTRY_HTTP_ADDR: ':1' }).http.addr, ':1');
  });

  test("a key of one's own that ends like a link is no link", () => {
    assert.deepEqual(configOf(MINIMAL, { REGISTRY_LOG_FIELDS_PORT: '5000' }).log.fields, { port: 5000 });
  });
});

suite('a variable that holds a whole structure', () => {
  const structures: readonly (readonly [env: Env, faults: readonly string[], warnings: readonly string[]])[] = [
    [
      { REGISTRY_HTTP: '{addr: nope, headers: {a: b}, secrt: x}' },
      [
        'REGISTRY_HTTP: headers.a: expected a list, got "b": write [nosniff]',
        'REGISTRY_HTTP: addr: expected host:port, got nope: write "nope:5000"',
      ],
      [],
    ],
    [
      { REGISTRY_HTTP: '{addr: ":5000", secrt: x, debug: {adr: x}}' },
      [],
      [
        'REGISTRY_HTTP: debug.adr: unknown key, ignored: did you mean "addr"?',
        'REGISTRY_HTTP: secrt: unknown key, ignored: did you mean "secret"?',
      ],
    ],
    [
      { REGISTRY_HEALTH: '{file: [{file: /a}, {file: /b, interval: soon}]}' },
      [
        'REGISTRY_HEALTH: file.1.interval: expected a duration of 0 or more, got "soon": write a number and a unit, such as 10s',
      ],
      [],
    ],
    [
      { REGISTRY_HTTP: '{addr: ":5000"}', REGISTRY_HTTP_ADDR: 'nope' },
      ['REGISTRY_HTTP_ADDR: expected host:port, got nope: write "nope:5000"'],
      [],
    ],
    [
      { REGISTRY_HTTP: '[a]' },
      ['REGISTRY_HTTP: expected a map of keys, got a list: write its keys below it, indented'],
      [],
    ],
  ];
  for (const [env, faults, warnings] of structures) {
    test(`names the place in it: ${Object.values(env).join(' ')}`, () => {
      assert.deepEqual(faultsOf(MINIMAL, env), faults);
      if (faults.length === 0) assert.deepEqual(warningsOf(MINIMAL, env), warnings);
    });
  }
});
