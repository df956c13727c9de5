import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds } from '../../../operator/api/duration.ts';
import { amount } from '../../../operator/api/quantity.ts';
import { isTransition, readRegistrySchema, rulesOf, type Schema } from '../../../operator/api/schema.ts';
import { createValidator } from '../../../operator/api/validate.ts';

const schema = readRegistrySchema();
const validate = createValidator(schema);
const object = (spec: object) => ({
  apiVersion: 'berth.dev/v1alpha1',
  kind: 'Registry',
  metadata: { name: 'a' },
  spec,
});

test('what is checked is not changed', () => {
  const given = object({ storage: { type: 'EmptyDir' }, replicas: null });
  const before = structuredClone(given);
  validate(given);
  assert.deepEqual(given, before);
});

test('a null counts as absent and gets the default; in config.extra it stays', () => {
  const given = object({ storage: { type: 'EmptyDir' }, replicas: null, config: { extra: { redis: null } } });
  const validation = validate(given);
  assert.ok('registry' in validation);
  assert.equal(validation.registry.spec.replicas, 1);
  assert.deepEqual(validation.registry.spec.config.extra, { redis: null });
});

test('another kind or version is named', () => {
  assert.deepEqual(validate({ ...object({}), kind: 'Deployment' }), {
    problems: [{ path: 'kind', message: 'must be Registry, not "Deployment"' }],
  });
  assert.deepEqual(validate({ kind: 'Registry' }), {
    problems: [{ path: 'apiVersion', message: 'must be berth.dev/v1alpha1, not absent' }],
  });
  assert.ok('problems' in validate(undefined));
});

/**
 * The rules that a file alone cannot break: they compare with the object before the change. Each is tried on a real API server
 * by test/real/registry-resource.test.ts.
 */
const LEFT_TO_THE_API_SERVER = [
  'spec.storage.type',
  'spec.storage.persistentVolume',
  'spec.storage.persistentVolume.claimTemplate',
  'spec.storage.persistentVolume.claimTemplate',
  'spec.storage.persistentVolume.claimTemplate.size',
  'spec.storage.persistentVolume.claimTemplate.accessModes',
];

test('all rules are evaluated here but those that compare with the object before the change', () => {
  const left = rulesOf(schema).filter(({ rule }) => isTransition(rule));
  assert.deepEqual(left.map(({ path }) => path).sort(), LEFT_TO_THE_API_SERVER.toSorted());
});

/** Every node of the schema with its place; entries of lists and maps end in `[]` and `{}`. */
function nodes(node: Schema, path = ''): [string, Schema][] {
  return [
    [path, node],
    ...Object.entries(node.properties ?? {}).flatMap(([name, child]) => nodes(child, `${path}.${name}`)),
    ...(node.items ? nodes(node.items, `${path}[]`) : []),
    ...(node.additionalProperties ? nodes(node.additionalProperties, `${path}{}`) : []),
  ];
}

/** What the schema must say at each node: names of the demands that a node does not meet. */
const demands: Readonly<Record<string, (node: Schema, path: string) => boolean>> = {
  description: (node, path) => node.description !== undefined || /[\]}]$|^\.metadata$/.test(path),
  maxLength: (node, path) =>
    node.type !== 'string' || !!node.enum || node.maxLength !== undefined || !/^\.(spec|status)/.test(path),
  minimum: (node) => node.type !== 'integer' || node.minimum !== undefined,
  maxItems: (node) => !node.items || node.maxItems !== undefined,
  'list type': (node) => !node.items || node['x-kubernetes-list-type'] !== undefined,
  maxProperties: (node) => !node.additionalProperties || node.maxProperties !== undefined,
  'message and reason of rules': (node) =>
    (node['x-kubernetes-validations'] ?? []).every(({ message, reason }) => message && reason),
};

test('every field is described; every string, list, map and number is bounded; every list says its type', () => {
  const all = nodes(schema);
  assert.ok(all.length > 100, `${all.length} nodes`);
  const unmet = all.flatMap(([path, node]) =>
    Object.entries(demands).flatMap(([name, isMet]) => (isMet(node, path) ? [] : [`${path}: ${name}`])),
  );
  assert.deepEqual(unmet, []);
});

test('exactly one place takes fields that the schema does not know', () => {
  const open = nodes(schema).filter(([, node]) => node['x-kubernetes-preserve-unknown-fields']);
  assert.deepEqual(
    open.map(([path]) => path),
    ['.spec.config.extra'],
  );
});

test('durations and quantities are read as Kubernetes reads them', () => {
  assert.equal(milliseconds('1h1m1.5s'), 3_661_500);
  assert.equal(milliseconds('250ms'), 250);
  assert.equal(amount('1Ki'), 1024);
  assert.equal(amount('1.5k'), 1500);
  assert.equal(amount('1e3'), 1000);
  assert.equal(amount('1E'), 1e18);
  assert.equal(amount('-1'), -1);
  for (const text of ['', '1 Gi', 'Gi', '1KiB', '1ki']) assert.equal(amount(text), undefined, text);
});
