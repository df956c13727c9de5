import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoints } from '../../../operator/api/endpoints.ts';
import { references, resolve } from '../../../operator/api/resolve.ts';
import type { Fault, Inputs, Resolved } from '../../../operator/api/resolved.ts';
import { readRegistrySchema } from '../../../operator/api/schema.ts';
import type { Registry } from '../../../operator/api/types.ts';
import { createValidator } from '../../../operator/api/validate.ts';

const validate = createValidator(readRegistrySchema());
const offline: Inputs = { operatorImage: 'localhost/berth:0.1.0' };

function registry(spec: object): Registry {
  const metadata = { name: 'images', namespace: 'team' };
  const validation = validate({ apiVersion: 'berth.dev/v1alpha1', kind: 'Registry', metadata, spec });
  assert.ok('registry' in validation, JSON.stringify(validation));
  return validation.registry;
}

function resolved(spec: object, inputs: Inputs = offline): Resolved {
  const resolution = resolve(registry(spec), inputs);
  assert.ok('resolved' in resolution, JSON.stringify(resolution));
  return resolution.resolved;
}

function faults(spec: object, inputs: Inputs = offline): readonly Fault[] {
  const resolution = resolve(registry(spec), inputs);
  assert.ok('faults' in resolution);
  return resolution.faults;
}

const emptyDir = { storage: { type: 'EmptyDir' } };
const existing = (replicas: number) => ({
  replicas,
  storage: { type: 'PersistentVolume', persistentVolume: { claimName: 'disk' } },
});

test('without an image the operator runs its own; a digest stands behind the tag', () => {
  assert.equal(resolved(emptyDir).image.reference, 'localhost/berth:0.1.0');
  const digest = `sha256:${'a'.repeat(64)}`;
  const image = { repository: 'example.com:5000/berth', tag: '1.0', digest };
  assert.equal(resolved({ ...emptyDir, image }).image.reference, `example.com:5000/berth:1.0@${digest}`);
  assert.deepEqual(
    faults(emptyDir, { operatorImage: '' }).map(({ reason }) => reason),
    ['ImageUnknown'],
  );
});

test('an existing claim must be there, and be ReadWriteMany for more than one replica', () => {
  const missing = faults(existing(1), { ...offline, claim: null });
  assert.deepEqual([missing[0]?.condition, missing[0]?.reason], ['StorageReady', 'ClaimNotFound']);
  const once = { ...offline, claim: { accessModes: ['ReadWriteOnce'] } };
  assert.match(faults(existing(2), once)[0]?.message ?? '', /access modes ReadWriteOnce, but 2 replicas/);
  assert.equal(resolved(existing(1), once).storage.shared, false);
  const many = { ...offline, claim: { accessModes: ['ReadWriteMany'] } };
  assert.equal(resolved(existing(1), many).storage.shared, true);
});

test('offline, where nobody can be asked, the number of replicas tells whether a claim is shared', () => {
  assert.equal(resolved(existing(2)).storage.shared, true);
  assert.equal(resolved(existing(1)).storage.shared, false);
});

test('a Secret or key that a Registry names and that is missing is a fault; the Secret that the operator makes is none', () => {
  const valueFrom = { secretKeyRef: { name: 'redis', key: 'password' } };
  const spec = { ...emptyDir, podTemplate: { extraEnv: [{ name: 'PASSWORD', valueFrom }] } };
  const [fault] = faults(spec, { ...offline, referenced: {} });
  assert.equal(fault?.path, 'spec.podTemplate.extraEnv[PASSWORD].valueFrom');
  assert.match(fault?.message ?? '', /there is no Secret redis/);
  const other = faults(spec, { ...offline, referenced: { 'Secret/redis': { user: 'hash' } } });
  assert.match(other[0]?.message ?? '', /the Secret redis has no key password/);
  assert.ok(resolved(spec, { ...offline, referenced: { 'Secret/redis': { password: 'hash' } } }));
});

test('the hash of what is referenced follows the values in use, and nothing else', () => {
  const hash = (referenced: Inputs['referenced'] & object) =>
    resolved(emptyDir, { ...offline, referenced }).referencedHash;
  const before = hash({ 'Secret/images-http': { secret: 'a' } });
  assert.equal(hash({ 'Secret/images-http': { secret: 'a', other: 'x' }, 'Secret/other': { a: 'b' } }), before);
  assert.notEqual(hash({ 'Secret/images-http': { secret: 'b' } }), before);
  assert.deepEqual(
    references(registry(emptyDir)).map(({ kind, name, key }) => `${kind}/${name}/${key}`),
    ['Secret/images-http/secret'],
  );
});

test('the primary Service is always there; endpoints name the hosts that can be known', () => {
  const expose = [
    { name: 'public', type: 'LoadBalancer', port: 443 },
    { name: 'nodes', type: 'NodePort' },
  ];
  const found = resolved({ ...emptyDir, expose });
  assert.deepEqual(
    found.exposures.map(({ name, serviceName, port }) => [name, serviceName, port]),
    [
      ['default', 'images', 5000],
      ['nodes', 'images-nodes', 5000],
      ['public', 'images-public', 443],
    ],
  );
  assert.deepEqual(endpoints(found, { 'images-public': '2001:db8::1' }), [
    { name: 'default', type: 'ClusterIP', host: 'images.team.svc:5000', url: 'http://images.team.svc:5000/' },
    { name: 'nodes', type: 'NodePort' },
    { name: 'public', type: 'LoadBalancer', host: '[2001:db8::1]:443', url: 'http://[2001:db8::1]:443/' },
  ]);
});

test('config.extra and extraEnv pass what has no field, and name the field of what has one', () => {
  const extra = {
    log: { fields: { a: 1 }, level: 'debug' },
    storage: { maintenance: { uploadpurging: { enabled: false } }, filesystem: 'x' },
    notifications: { endpoints: [] },
    constructor: {},
  };
  assert.deepEqual(
    faults({ ...emptyDir, config: { extra } }).map(({ path, message }) => `${path}: ${message}`),
    [
      'spec.config.extra.log.level: may not be set here: set spec.observability.log.level instead',
      'spec.config.extra.storage.filesystem: must be an object with the keys maxthreads',
      'spec.config.extra.constructor: may not be set here; known keys are auth, health, http, log, middleware, notifications, policy, proxy, redis, reporting, storage, validation',
    ],
  );
  const variables = ['REGISTRY_HTTP_SECRET', 'REGISTRY_STORAGE', 'REGISTRY_LOG_FIELDS_TEAM', 'REGISTRY_HTTP', 'TZ'];
  const extraEnv = variables.map((name) => ({ name, value: 'x' }));
  assert.deepEqual(
    faults({ ...emptyDir, podTemplate: { extraEnv } }).map(({ path }) => path),
    ['REGISTRY_HTTP_SECRET', 'REGISTRY_STORAGE', 'REGISTRY_HTTP'].map((name) => `spec.podTemplate.extraEnv[${name}]`),
  );
});
