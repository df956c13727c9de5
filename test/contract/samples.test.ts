import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from '../../operator/api/resolve.ts';
import { readRegistrySchema } from '../../operator/api/schema.ts';
import { createValidator } from '../../operator/api/validate.ts';
import { render } from '../../operator/render/render.ts';
import { samplesIn } from './samples.ts';

const validate = createValidator(readRegistrySchema());
const inputs = { operatorImage: 'localhost/berth:0.1.0' };

for (const { name, object } of samplesIn('manifests/samples')) {
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
