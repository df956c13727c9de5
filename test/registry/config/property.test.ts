/** Whatever a file and an environment hold: a frozen configuration or one `ConfigError`, never anything else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dump, YAML11_SCHEMA } from 'js-yaml';
import { ConfigError } from '../../../registry/config/problem.ts';
import { readConfig } from '../../../registry/config/read.ts';
import { writtenForm } from '../../../registry/config/written.ts';

const RUNS = 300;

const words = [
  ...['version', 'log', 'level', 'fields', 'storage', 'filesystem', 'inmemory', 'delete', 'enabled', 'maintenance'],
  ...['readonly', 'http', 'addr', 'host', 'headers', 'debug', 'prometheus', 'health', 'storagedriver', 'tags', 'auth'],
  ...['validation', 'manifests', 'indexes', 'platformlist', 'middleware', 'proxy', 'tls', '__proto__', 'constructor'],
  ...[
    'redis',
    'addrs',
    'addr',
    'pool',
    'maxretries',
    'rootcas',
    'cache',
    'blobdescriptor',
    'layerinfo',
    'uploadpurging',
  ],
  ...[
    'age',
    's3',
    'bucket',
    'region',
    'regionendpoint',
    'azure',
    'max_retries',
    'gcs',
    'credentials',
    'name',
    'options',
  ],
  ...['baseurl', 'urls', 'allow', 'deny', 'file', 'tcp', 'uri', 'policy', 'repository', 'classes', 'compatibility'],
];

const scalar = fc.oneof(
  fc.constantFrom(
    '',
    'none',
    'all',
    'info',
    'inmemory',
    '0.1',
    '10s',
    '-1h',
    ':5000',
    '/a/',
    'https://a/b',
    '~',
    '*',
    '@',
  ),
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
);

const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...words), tie('value'), { maxKeys: 6 }),
  ),
}));

const variable = fc.oneof(
  fc.array(fc.constantFrom(...words.map((word) => word.toUpperCase()), '0', '1', '', 'FILECHECKERS'), { maxLength: 5 }),
  fc.array(fc.string(), { maxLength: 3 }),
);
const environment = fc
  .array(
    fc.tuple(
      variable,
      fc.oneof(
        fc.string(),
        anyValue.map((value) => JSON.stringify(value) ?? ''),
      ),
    ),
    { maxLength: 6 },
  )
  .map((pairs) => Object.fromEntries(pairs.map(([pieces, value]) => [['REGISTRY', ...pieces].join('_'), value])));

function holds(file: string, env: Readonly<Record<string, string>>): void {
  try {
    const { config } = readConfig({ file, path: 'config.yml', env });
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.http.headers));
    const again = dump(writtenForm(config), { schema: YAML11_SCHEMA });
    assert.deepEqual(readConfig({ file: again, path: 'again.yml', env: {} }).config, config, again);
    assert.ok(config.tags.maxtags > 0 && config.catalog.maxentries > 0 && config.http.draintimeout >= 0);
  } catch (error) {
    assert.ok(error instanceof ConfigError, error instanceof Error ? (error.stack ?? '') : String(error));
    assert.ok(error.faults.length > 0 && error.faults.every(({ message }) => message !== ''));
  }
}

test('any YAML of known keys and any environment', () => {
  const file = fc.dictionary(fc.constantFrom(...words), anyValue).map((value) => dump({ version: 0.1, ...value }));
  fc.assert(fc.property(file, environment, holds), { numRuns: RUNS });
});

test('any text as a file, and any environment', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), environment, holds), { numRuns: RUNS });
});

test('any text as the value of any variable', () => {
  const file = 'version: 0.1\nstorage: inmemory\n';
  const one = fc.tuple(
    fc.constantFrom('REGISTRY_HTTP', 'REGISTRY_STORAGE', 'REGISTRY_LOG_FIELDS', 'REGISTRY_AUTH'),
    fc.string(),
  );
  fc.assert(
    fc.property(one, ([name, value]) => holds(file, { [name]: value })),
    { numRuns: RUNS },
  );
});
