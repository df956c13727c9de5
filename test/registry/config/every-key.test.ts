/** Every key of the reader, from the file and from the environment: what it takes, and what it says of the rest. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { dump, YAML11_SCHEMA } from 'js-yaml';
import { ConfigError, type Problem } from '../../../registry/config/problem.ts';
import { readConfig } from '../../../registry/config/read.ts';
import type { Config } from '../../../registry/config/types.ts';
import { writtenForm } from '../../../registry/config/written.ts';
import { cases } from './every-key-cases.ts';
import { everyKey, type Key } from './schema.ts';

type Tree = Record<string, unknown>;

interface Outcome {
  readonly config: Config | undefined;
  readonly faults: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const extensions = { registry: ['mine', 'other'], repository: ['mine', 'other'] };

function outcome(file: Tree, env: Readonly<Record<string, string>> = {}): Outcome {
  try {
    const read = readConfig({ file: JSON.stringify(file), path: 'config.yml', env, extensions });
    return { ...read, faults: [] };
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return { config: undefined, faults: error.faults, warnings: [] };
  }
}

const rewrite = ['scheme', 'host', 'trimpathprefix'];
const cloudfront = { baseurl: 'https://cdn', privatekey: '/k', keypairid: 'K' };

/** What has to be there so that a key can mean something. */
function surroundings(path: string): Tree {
  const [top = '', second = ''] = path.split(/[.[]/);
  const driver: Record<string, Tree> = {
    s3: { bucket: 'bbb', region: 'us-east-1' },
    s3aws: {},
    azure: { accountname: 'a', container: 'c' },
    gcs: { bucket: 'b' },
    filesystem: {},
  };
  const isDriver = top === 'storage' && driver[second] !== undefined;
  const file: Tree = { version: '0.1', storage: isDriver ? { [second]: driver[second] } : { inmemory: {} } };
  const option = /^middleware\.storage\[\]\.options\.(.+)$/.exec(path)?.[1];
  if (option !== undefined && !rewrite.includes(option)) {
    file['storage'] = { s3: driver['s3'] };
    file['middleware'] = { storage: [{ name: 'cloudfront', options: { ...cloudfront } }] };
  } else if (path.startsWith('middleware.storage[]')) {
    file['middleware'] = { storage: [{ name: 'redirect', options: { baseurl: 'https://cdn' } }] };
    if (option !== undefined) file['middleware'] = { storage: [{ name: 'rewrite', options: {} }] };
  } else if (top === 'middleware') file['middleware'] = { [second]: [{ name: 'other', options: {} }] };
  if (path.startsWith('log.hooks')) file['log'] = { hooks: [{ type: 'mail' }] };
  if (path.startsWith('health.file[]')) file['health'] = { file: [{ file: '/x' }] };
  if (path.startsWith('health.http[]')) file['health'] = { http: [{ uri: 'http://x' }] };
  if (path.startsWith('health.tcp[]')) file['health'] = { tcp: [{ addr: 'x:1' }] };
  if (path.startsWith('notifications.endpoints')) file['notifications'] = { endpoints: [{ name: 'a' }] };
  if (top === 'redis') file['redis'] = path === 'redis.addr' ? {} : { addrs: ['x:1'] };
  if (path.includes('platformlist')) {
    file['validation'] = { manifests: { indexes: { platformlist: [{ os: 'linux', architecture: 'amd64' }] } } };
  }
  if (top === 'proxy') file['proxy'] = { remoteurl: 'https://x' };
  return file;
}

/** Keys that stand beside the one in question, since alone it would be half of something. */
const companions: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'storage.s3.accesskey': { secretkey: 'SK' },
  'storage.s3.secretkey': { accesskey: 'AK' },
  'storage.s3.sessiontoken': { accesskey: 'AK', secretkey: 'SK' },
  'storage.s3.secure': { regionendpoint: 'minio:9000' },
  'redis.tls.certificate': { key: '/k' },
  'redis.tls.key': { certificate: '/c' },
  'http.net': { addr: '/run/x.sock' },
};

/** Sets a value in a file, by path; `[]` is the first element. */
function put(file: Tree, path: string, value: unknown): Tree {
  const names = path.replaceAll('[]', '.0').split('.');
  let node = file;
  for (const name of names.slice(0, -1)) {
    node[name] ??= {};
    node = node[name] as Tree;
  }
  node[names.at(-1) ?? ''] = value;
  const beside = companions[path];
  if (beside !== undefined) Object.assign(node, beside);
  return file;
}

/** A value of another type than the key takes. */
function wrongType(key: Key): unknown {
  const { kind } = key.spec.shape;
  return kind === 'scalar' ? { hunter: 2 } : 'hunter';
}

const concrete = (path: string): string => path.replaceAll('[]', '.0');
const first = (variable: string): string => variable.replaceAll(/_N(?=_|$)/g, '_0');
const keys = everyKey();
const anything = new Set(keys.filter(({ spec }) => spec.shape.kind === 'any').map(({ path }) => path));

test('every key has a case, and every case a key', () => {
  assert.ok(keys.length > 180, `only ${keys.length} keys were found`);
  assert.deepEqual(keys.map(({ path }) => path).sort(), Object.keys(cases).sort());
});

suite('a good value', () => {
  for (const key of keys.filter(({ unbuilt }) => unbuilt === undefined)) {
    const good = cases[key.path]?.[0];
    test(`${key.path}: ${JSON.stringify(good)} is taken, from file and environment alike`, () => {
      const base = outcome(put(surroundings(key.path), key.path, undefined));
      const { config, faults } = outcome(put(surroundings(key.path), key.path, good));
      assert.deepEqual(faults, []);
      if (isQuiet(key.path)) assert.deepEqual(config, base.config);
      else assert.notDeepEqual(config, base.config, 'it has no effect');
      if (key.path === 'version') return;
      if (config !== undefined) {
        const again = dump(writtenForm(config), { schema: YAML11_SCHEMA });
        assert.deepEqual(readConfig({ file: again, path: '', env: {}, extensions }).config, config, again);
      }
      const env = { [first(key.variable)]: JSON.stringify(good) };
      const byEnvironment = outcome(put(surroundings(key.path), key.path, undefined), env);
      assert.deepEqual(byEnvironment.faults, []);
      assert.deepEqual(byEnvironment.config, config);
    });
  }
});

/** Keys whose good value is the default, or that only count beside others. */
function isQuiet(path: string): boolean {
  return [
    'storage.s3.v4auth',
    'storage.azure.credentials.type',
    'validation.enabled',
    'redis.pool.maxidle',
    'redis.pool.idletimeout',
  ].includes(path);
}

suite('a value of another type', () => {
  for (const key of keys.filter(({ path }) => !anything.has(path))) {
    test(key.path, () => {
      const file = put(surroundings(key.path), key.path, wrongType(key));
      one(outcome(file), concrete(key.path), /^(expected|only 0\.1 can be read)/);
      if (key.path === 'version') return;
      const variable = first(key.variable);
      const env = { [variable]: JSON.stringify(wrongType(key)) };
      one(outcome(put(surroundings(key.path), key.path, undefined), env), variable, /^expected/);
    });
  }
});

suite('a value that is out of range, malformed or contradicts what is beside it', () => {
  for (const key of keys) {
    const [, ...bad] = cases[key.path] ?? [undefined];
    for (const [value, message] of bad) {
      test(`${key.path}: ${JSON.stringify(value)}`, () => {
        one(outcome(put(surroundings(key.path), key.path, value)), concrete(key.path), message);
      });
    }
  }
});

/** Exactly one line about the place, with a remedy and without a secret. */
function one({ faults }: Outcome, path: string, message: RegExp): void {
  const found = faults.filter((fault) => fault.path === path || fault.path.startsWith(`${path}.`));
  const all = JSON.stringify(faults);
  assert.equal(found.length, 1, all);
  assert.match(found[0]?.message ?? '', message);
  assert.notEqual(found[0]?.remedy, '', all);
  assert.ok(!all.includes('hunter2'), all);
}

suite('a key that this version does not act on', () => {
  for (const key of keys) {
    const { unbuilt } = key;
    if (unbuilt === undefined) continue;
    test(`${key.path}: one ${unbuilt.severity}`, () => {
      const file = put(surroundings(key.path), key.path, cases[key.path]?.[0]);
      const { faults, warnings } = outcome(file);
      const found = [...faults, ...warnings].filter(({ message }) =>
        /not supported by this version|has no effect in this/.test(message),
      );
      const asksForNothing = /^notifications\.(events\.includereferences|endpoints\[\]\.disabled)$/.test(key.path);
      assert.equal(found.length, asksForNothing ? 0 : 1, JSON.stringify([faults, warnings]));
      assert.equal(faults.length, unbuilt.severity === 'fault' ? 1 : 0);
    });
  }
});
