import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from '../../operator/api/resolve.ts';
import type { Resolved } from '../../operator/api/resolved.ts';
import { readRegistrySchema } from '../../operator/api/schema.ts';
import { createValidator } from '../../operator/api/validate.ts';
import { configFile } from '../../operator/render/config.ts';
import { readConfig } from '../../registry/config/read.ts';
import { samplesIn } from './samples.ts';

const validate = createValidator(readRegistrySchema());

function resolved(object: unknown): Resolved {
  const validation = validate(object);
  assert.ok('registry' in validation, JSON.stringify(validation));
  const resolution = resolve(validation.registry, { operatorImage: 'localhost/berth:0.1.0' });
  assert.ok('resolved' in resolution, JSON.stringify(resolution));
  return resolution.resolved;
}

function read(object: unknown) {
  const file = configFile(resolved(object));
  return readConfig({ file, path: 'config.yml', env: { REGISTRY_HTTP_SECRET: 'secret' } });
}

for (const { name, object } of samplesIn('manifests/samples')) {
  test(`the configuration of ${name} is read by the server without a warning`, () => {
    const { config, warnings } = read(object);
    assert.deepEqual(warnings, []);
    assert.equal(config.http.debug.addr, ':5001');
    assert.equal(config.http.secret, 'secret');
  });
}

test('every typed field of a Registry arrives in the server under its own meaning', () => {
  const { config } = read({
    apiVersion: 'berth.dev/v1alpha1',
    kind: 'Registry',
    metadata: { name: 'full' },
    spec: {
      storage: { type: 'EmptyDir', delete: 'Enabled' },
      http: {
        port: 5005,
        host: 'https://registry.example.com',
        prefix: '/images/',
        relativeURLs: 'Enabled',
        headers: [{ name: 'X-Team', values: ['a', 'b'] }],
        drainTimeout: '1m1.5s',
        catalogMaxEntries: 7,
        tagsMaxEntries: 8,
      },
      health: { storage: { interval: '2500ms', threshold: 9 } },
      validation: {
        references: 'None',
        indexPlatforms: 'List',
        platforms: [{ os: 'linux', architecture: 's390x' }],
      },
      observability: { log: { level: 'Warn', format: 'Text', access: 'Disabled' }, metrics: { mode: 'Disabled' } },
      config: { extra: { log: { fields: { service: 'x' } }, storage: { filesystem: { maxthreads: 300 } } } },
    },
  });
  const minimal = { file: 'version: 0.1\nstorage: inmemory', path: '', env: {} };
  const { config: defaults } = readConfig(minimal);
  assert.deepEqual(
    { ...config },
    {
      ...defaults,
      log: {
        level: 'warn',
        formatter: 'text',
        fields: { service: 'x' },
        accesslog: { disabled: true },
        reportcaller: false,
      },
      storage: {
        ...defaults.storage,
        driver: { type: 'filesystem', rootdirectory: '/var/lib/registry', maxthreads: 300 },
        delete: { enabled: true },
      },
      http: {
        addr: ':5005',
        net: 'tcp',
        prefix: '/images/',
        host: 'https://registry.example.com',
        relativeurls: true,
        secret: 'secret',
        headers: { 'X-Team': ['a', 'b'], 'X-Content-Type-Options': ['nosniff'] },
        draintimeout: 61_500,
        debug: { addr: ':5001', prometheus: { enabled: false, path: '/metrics' } },
      },
      health: { ...defaults.health, storagedriver: { enabled: true, interval: 2500, threshold: 9 } },
      catalog: { maxentries: 7 },
      tags: { maxtags: 8 },
      validation: {
        enabled: true,
        manifests: {
          urls: { allow: [], deny: [] },
          references: 'none',
          indexes: { platforms: 'list', platformlist: [{ os: 'linux', architecture: 's390x' }] },
        },
      },
    },
  );
});
