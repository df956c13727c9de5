/** Each key by itself: what it takes, what it makes of it, and what it says of the rest. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Config } from '../../../registry/config/types.ts';
import { configOf, faultsOf, MINIMAL, warningsOf } from './reading.ts';

type Accepted = readonly [yaml: string, pick: (config: Config) => unknown, expected: unknown];

const accepted: readonly Accepted[] = [
  ['loglevel: debug', (c) => c.log.level, 'debug'],
  ['loglevel: debug\nlog: {level: error}', (c) => c.log.level, 'error'],
  ['loglevel: debug\nlog: {formatter: json}', (c) => c.log.level, 'debug'],
  ['log: {formatter: logstash}', (c) => c.log.formatter, 'logstash'],
  ['log: {fields: {a: {b: [1, true, x]}}}', (c) => c.log.fields, { a: { b: [1, true, 'x'] } }],
  ['http: {addr: "[::1]:5000"}', (c) => c.http.addr, '[::1]:5000'],
  ['http: {addr: ":0"}', (c) => c.http.addr, ':0'],
  ['http: {addr: /run/r.sock, net: unix}', (c) => c.http.addr, '/run/r.sock'],
  ['http: {prefix: /}', (c) => c.http.prefix, ''],
  ['http: {host: "https://r.example.com"}', (c) => c.http.host, 'https://r.example.com'],
  ['http: {host: "https://r.example.com/"}', (c) => c.http.host, 'https://r.example.com'],
  ['http: {host: "http://r.example.com:8080/a/"}', (c) => c.http.host, 'http://r.example.com:8080/a/'],
  ['http: {host: "https://r.example.com/a/b"}', (c) => c.http.host, 'https://r.example.com/a/'],
  ['http: {secret: 1e5}', (c) => c.http.secret, '1e5'],
  ['http: {secret: yes}', (c) => c.http.secret, 'yes'],
  ['http: {secret: ""}', (c) => c.http.secret, undefined],
  ['http: {draintimeout: 60s}', (c) => c.http.draintimeout, 60_000],
  ['http: {draintimeout: 1.5h}', (c) => c.http.draintimeout, 5_400_000],
  ['http: {draintimeout: 5000000000}', (c) => c.http.draintimeout, 5000],
  ['http: {draintimeout: "0"}', (c) => c.http.draintimeout, 0],
  ['http: {draintimeout: 1h2m3s4ms}', (c) => c.http.draintimeout, 3_723_004],
  ['http: {debug: {prometheus: {path: ""}}}', (c) => c.http.debug.prometheus.path, '/metrics'],
  ['health: {storagedriver: {threshold: 0}}', (c) => c.health.storagedriver.threshold, 1],
  ['health: {storagedriver: {threshold: -3}}', (c) => c.health.storagedriver.threshold, 1],
  ['health: {storagedriver: {interval: 0}}', (c) => c.health.storagedriver.interval, 10_000],
  ['catalog: {maxentries: 0}', (c) => c.catalog.maxentries, 1000],
  ['catalog: {maxentries: -5}', (c) => c.catalog.maxentries, 1000],
  ['tags: {maxtags: 0}', (c) => c.tags.maxtags, 1000],
  ['tags: {maxtags: 1_0}', (c) => c.tags.maxtags, 10],
  ['validation: {disabled: true}', (c) => c.validation.manifests.indexes.platforms, 'none'],
  ['validation: {disabled: true, enabled: true}', (c) => c.validation.manifests.indexes.platforms, 'all'],
  ['validation: {disabled: true}', (c) => c.validation.manifests.references, 'all'],
  ['validation: {manifests: {indexes: {platforms: None}}}', (c) => c.validation.manifests.indexes.platforms, 'none'],
  ['auth: none', (c) => c.http.net, 'tcp'],
  ['auth: {None: }', (c) => c.http.net, 'tcp'],
  ['auth: {}', (c) => c.http.net, 'tcp'],
];

suite('accepted', () => {
  for (const [yaml, pick, expected] of accepted) {
    test(yaml, () => assert.deepEqual(pick(configOf(MINIMAL + yaml)), expected));
  }
});

const refused: readonly (readonly [yaml: string, expected: RegExp])[] = [
  ['log: {formatter: xml}', /^config\.yml: log\.formatter: expected one of text, json, logstash/],
  ['log: []', /^config\.yml: log: expected a map of keys, got a list/],
  ['http: {addr: localhost}', /http\.addr: expected host:port, got localhost: write "localhost:5000"$/],
  ['http: {addr: 5000}', /http\.addr: expected host:port, got 5000: write ":5000"$/],
  ['http: {addr: ":99999"}', /http\.addr: expected host:port, got :99999: write ":5000"$/],
  ['http: {addr: 99999}', /http\.addr: expected host:port, got 99999: write ":5000"$/],
  ['http: {addr: "h:70000"}', /http\.addr: expected host:port, got h:70000: write "h:5000"$/],
  ['http: {addr: "a b"}', /http\.addr: expected host:port, got a b: write "127\.0\.0\.1:5000"$/],
  ['http: {addr: [a]}', /http\.addr: expected a text, got a list/],
  ['http: {net: unix}', /http\.addr: expected the path of a socket/],
  [`http: {net: unix, addr: /${'x'.repeat(120)}}`, /http\.addr: a socket's path has at most 107 bytes/],
  ['http: {debug: {addr: x}}', /http\.debug\.addr: expected host:port, got x/],
  ['http: {prefix: /a}', /http\.prefix: .*: write \/a\/$/],
  ['http: {prefix: a/b/}', /http\.prefix: .*: write \/a\/b\/$/],
  ['http: {prefix: //}', /http\.prefix: .*: write \/registry\/$/],
  ['http: {host: "ftp://a"}', /http\.host: expected a URL with http/],
  ['http: {host: "https://u:hunter2@a.example.com"}', /http\.host: .*: write https:\/\/a\.example\.com$/],
  ['http: {host: "https://a.example.com/?x"}', /http\.host: expected scheme, host and path only/],
  ['http: {draintimeout: -1s}', /http\.draintimeout: expected a duration of 0 or more/],
  ['http: {draintimeout: 10 s}', /http\.draintimeout/],
  ['http: {draintimeout: 1.5}', /http\.draintimeout/],
  ['http: {draintimeout: ""}', /http\.draintimeout/],
  ['http: {draintimeout: 9999999h}', /http\.draintimeout/],
  ['http: {headers: {"a b": [c]}}', /http\.headers\.a b: no name of a header/],
  ['http: {headers: {X: ["a\\r\\nY: b"]}}', /http\.headers\.X: a value of a header has one line/],
  ['http: {headers: {X: [{}]}}', /http\.headers\.X\.0: expected a text, got a map/],
  ['http: {debug: {prometheus: {path: metrics}}}', /http\.debug\.prometheus\.path: expected a path/],
  ['http: {debug: {prometheus: {path: /livez}}}', /http\.debug\.prometheus\.path: \/livez has a meaning of its own/],
  ['health: {storagedriver: {interval: -1s}}', /health\.storagedriver\.interval/],
  ['health: {storagedriver: {threshold: 1.5}}', /health\.storagedriver\.threshold: expected an integer/],
  ['tags: {maxtags: -1}', /tags\.maxtags: expected 0 or more, got -1/],
  ['catalog: {maxentries: 99999999999999999999}', /catalog\.maxentries: expected an integer/],
  ['validation: {manifests: {references: some}}', /references: expected one of all, none, got "some"/],
  ['validation: {manifests: {indexes: {platforms: linux}}}', /platforms: expected one of all, none, list/],
  [
    'validation: {manifests: {indexes: {platformlist: [{os: linux}]}}}',
    /platformlist\.0: expected os and architecture/,
  ],
  ['validation: {manifests: {indexes: {platformlist: linux}}}', /platformlist: expected a list/],
];

suite('refused', () => {
  for (const [yaml, expected] of refused) {
    test(yaml, () => {
      const faults = faultsOf(MINIMAL + yaml);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0] ?? '', expected);
    });
  }

  test('a secret is never echoed', () => {
    const file = `${MINIMAL}http: {host: "https://u:hunter2@a", secret: [hunter2]}\nauth: {token: {x: hunter2}}\nproxy: {remoteurl: "https://u:hunter2@a"}`;
    const faults = faultsOf(file);
    assert.equal(faults.length, 4);
    assert.ok(!faults.join('\n').includes('hunter2'));
  });
});

const storages: readonly (readonly [yaml: string, expected: RegExp | undefined])[] = [
  ['storage: {inmemory: }', undefined],
  ['storage: {filesystem: {}, delete: , redirect: {disable: true}, maintenance: {readonly: {}}}', undefined],
  ['storage: {filesystem: {maxthreads: 3}}', undefined],
  ['storage: {filesystem: {maxthreads: -3}}', /storage\.filesystem\.maxthreads: expected 0 or more/],
  ['storage: {filesystem: {rootdirectory: ""}}', /storage\.filesystem\.rootdirectory: expected a folder/],
  ['storage: {filesystem: x}', /storage\.filesystem: expected a map of keys, got "x"/],
  ['', /^config\.yml: storage: no storage driver is configured: write storage: \{filesystem/],
  ['storage:', /storage: no storage driver is configured/],
  ['storage: ""', /storage: no storage driver is configured/],
  ['storage: {delete: {enabled: true}}', /storage: no storage driver is configured/],
  ['storage: [filesystem]', /storage: expected a driver, got a list/],
  ['storage: {filesystem: {}, inmemory: {}}', /exactly one storage driver, got filesystem and inmemory/],
  ['storage: filesytem', /storage\.filesytem: unknown storage driver: did you mean "filesystem"\?/],
  ['storage: tape', /storage\.tape: unknown storage driver: write one of filesystem, inmemory/],
  ['storage: {swift: {}}', /storage\.swift: the driver swift is gone since Distribution 3\.0: copy the tree/],
  ['storage: {oss: {}}', /storage\.oss: the driver oss is gone since Distribution 3\.0: copy the tree/],
  ['storage: rados', /storage\.rados: the driver rados is gone since Distribution 3\.0: copy the tree/],
  ['storage: {inmemory: {}, maintenance: {readonly: true}}', /maintenance\.readonly: expected a map of keys, got true/],
  ['storage: {inmemory: {}, delete: {enabled: 1}}', /storage\.delete\.enabled: expected true or false, got 1/],
];

suite('storage', () => {
  for (const [yaml, expected] of storages) {
    test(yaml === '' ? 'none' : yaml, () => {
      const faults = faultsOf(`version: 0.1\n${yaml}`);
      if (expected === undefined) assert.deepEqual(faults, []);
      else assert.match(faults.join('\n'), expected);
      assert.ok(faults.length <= 1, faults.join('\n'));
    });
  }

  test('no fewer than 25 operations at once', () => {
    const { driver } = configOf('version: 0.1\nstorage: {filesystem: {maxthreads: 3}}').storage;
    assert.equal(driver.type === 'filesystem' && driver.maxthreads, 25);
  });

  test('a misspelt key beside the driver is asked about, since it counts as a second driver', () => {
    assert.deepEqual(faultsOf('version: 0.1\nstorage: {inmemory: {}, delet: {enabled: true}}'), [
      'config.yml: storage.delet: unknown storage driver: did you mean "delete"?',
      'config.yml: storage: expected exactly one storage driver, got inmemory and delet: keep one and take the other out',
    ]);
  });
});

suite('keys that protect and are not built are faults, as soon as they ask for something', () => {
  const faults: readonly (readonly [string, string])[] = [
    ['auth: {silly: {realm: r, service: s}}', 'auth'],
    ['auth: token', 'auth'],
    ['auth: tokn', 'auth'],
    ['auth: {none: , htpasswd: }', 'auth'],
    ['http: {tls: {certificate: /c, key: /k}}', 'http.tls'],
    ['http: {tls: {letsencrypt: {hosts: [a]}}}', 'http.tls'],
    ['proxy: {remoteurl: "https://registry-1.docker.io"}', 'proxy'],
    ['middleware: {registry: [{name: x}]}', 'middleware.registry.0.name'],
    ['middleware: {storage: [{name: x, disabled: true}, {name: y}]}', 'middleware.storage.1.name'],
  ];
  for (const [yaml, key] of faults) {
    test(yaml, () => {
      const found = faultsOf(MINIMAL + yaml);
      assert.ok(found.length > 0);
      for (const line of found) assert.ok(line.startsWith(`config.yml: ${key}: `), line);
    });
  }

  const harmless = [
    'http: {tls: {certificate: "", clientcas: []}}',
    'http: {tls: }',
    'proxy: {remoteurl: "", ttl: 0}',
    'middleware: {}',
    'middleware: {storage: [{name: x, disabled: true}]}',
    'policy: {repository: {classes: []}}',
    'validation: {manifests: {urls: {allow: []}}}',
  ];
  for (const yaml of harmless) test(`nothing asked: ${yaml}`, () => assert.deepEqual(faultsOf(MINIMAL + yaml), []));
});

suite('warnings', () => {
  const once: readonly (readonly [string, RegExp])[] = [
    ['notifications: {endpoints: [{name: a}, {name: b}]}', /^config\.yml: notifications: has no effect/],
    ['log: {hooks: [{type: mail}]}', /^config\.yml: log\.hooks: has no effect in this version/],
    ['reporting: {bugsnag: {apikey: k}}', /reporting: has no effect/],
    ['http: {http2: {disabled: true}}', /http\.http2: has no effect/],
    ['htpp: {addr: x}', /^config\.yml: htpp: unknown key, ignored: did you mean "http"\?$/],
    ['http: {adr: x}', /^config\.yml: http\.adr: unknown key, ignored: did you mean "addr"\?$/],
    ['http: {zzzzzz: x}', /^config\.yml: http\.zzzzzz: unknown key, ignored: take it out$/],
    ['http: {draintimeout: 30}', /http\.draintimeout: 30 means 30 nanoseconds: write 30s if you mean seconds/],
    ['http: {host: "https://a.example.com/b"}', /http\.host: the last part of the path has no effect: b/],
    ['http: {debug: {prometheus: {enabled: true}}}', /prometheus\.path: metrics are served on the debug address, and/],
    ['validation: {manifests: {indexes: {platforms: list}}}', /platformlist: it is empty/],
  ];
  for (const [yaml, expected] of once) {
    test(yaml, () => {
      const warnings = warningsOf(MINIMAL + yaml);
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.match(warnings[0] ?? '', expected);
    });
  }

  const silent = [
    'http: {http2: {disabled: false}, h2c: {enabled: false}}',
    'log: {hooks: [], reportcaller: false}',
    'notifications: {events: {includereferences: false}, endpoints: []}',
    'compatibility: {schema1: {enabled: false}}',
  ];
  for (const yaml of silent) test(`nothing asked: ${yaml}`, () => assert.deepEqual(warningsOf(MINIMAL + yaml), []));
});
