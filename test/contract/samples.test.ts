import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from '../../operator/api/resolve.ts';
import { readRegistrySchema, type Schema } from '../../operator/api/schema.ts';
import { createValidator } from '../../operator/api/validate.ts';
import { render } from '../../operator/render/render.ts';
import { samplesIn } from './samples.ts';

const validate = createValidator(readRegistrySchema());
const inputs = { operatorImage: 'localhost/berth:0.1.0' };

for (const { name, object } of [...samplesIn('manifests/samples'), ...samplesIn('test/contract/full')]) {
  test(`the sample ${name} passes the schema, resolves and renders`, () => {
    const validation = validate(object);
    assert.ok('registry' in validation, JSON.stringify(validation));
    const resolution = resolve(validation.registry, inputs);
    assert.ok('resolved' in resolution, JSON.stringify(resolution));
    const kinds = render(resolution.resolved).map(({ kind }) => kind);
    assert.ok(kinds.includes('Deployment') && kinds.includes('Service') && kinds.includes('Secret'), kinds.join());
  });
}

for (const { name, object, notes } of samplesIn('test/contract/bad')) {
  test(`the bad sample ${name} is refused with its place and what to do`, () => {
    const expected = notes['expect'];
    assert.ok(expected, 'the file says what is expected');
    const validation = validate(object);
    const found = 'problems' in validation ? validation.problems : faults(validation.registry);
    const lines = found.map(({ path, message }) => `${path}: ${message}`);
    assert.ok(
      lines.some((line) => line.includes(expected)),
      `expected: ${expected}\nfound: ${lines.join('\n') || 'nothing'}`,
    );
  });
}

function faults(registry: Parameters<typeof resolve>[0]) {
  const resolution = resolve(registry, inputs);
  return 'faults' in resolution ? resolution.faults : [];
}

/** The places in a value that the schema names; what is below a free-form object counts as one place. */
function places(value: unknown, schema: Schema, path: string): string[] {
  const { items, properties } = schema;
  if (Array.isArray(value) && items) return value.flatMap((item) => places(item, items, `${path}[]`));
  if (typeof value !== 'object' || value === null || properties === undefined) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([key, child]) => places(child, properties[key] ?? {}, `${path}.${key}`)),
  ];
}

/** All places that the schema names. */
function named(schema: Schema, path: string): string[] {
  if (schema.items) return named(schema.items, `${path}[]`);
  return [path, ...Object.entries(schema.properties ?? {}).flatMap(([key, child]) => named(child, `${path}.${key}`))];
}

test('the full samples set every field of the spec', () => {
  const spec = readRegistrySchema().properties?.['spec'] ?? {};
  const set = samplesIn('test/contract/full').flatMap(({ object }) =>
    places((object as { spec: unknown }).spec, spec, 'spec'),
  );
  assert.deepEqual([...new Set(set)].sort(), named(spec, 'spec').sort());
});
