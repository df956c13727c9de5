import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { resolve } from '../../../operator/api/resolve.ts';
import { readRegistrySchema } from '../../../operator/api/schema.ts';
import { createValidator } from '../../../operator/api/validate.ts';
import { manifest } from '../../../operator/local/manifest.ts';
import { samplesIn } from '../../contract/samples.ts';

const golden = new URL('../../../operator/render/golden/', import.meta.url);
const validate = createValidator(readRegistrySchema());

/** `GOLDEN=write node --test test/operator/render/golden.test.ts` writes the files anew, for the difference to be reviewed. */
const write = process.env['GOLDEN'] === 'write';

function rendered(object: unknown, cluster: { uid?: string } = {}): string {
  const validation = validate(object);
  assert.ok('registry' in validation, JSON.stringify(validation));
  const { registry } = validation;
  const metadata = { ...registry.metadata, namespace: 'images', ...cluster };
  const resolution = resolve({ ...registry, metadata }, { operatorImage: 'localhost/berth:0.1.0' });
  assert.ok('resolved' in resolution, JSON.stringify(resolution));
  return manifest(resolution.resolved);
}

function compare(name: string, text: string): void {
  if (write) writeFileSync(new URL(name, golden), text);
  assert.equal(text, readFileSync(new URL(name, golden), 'utf8'));
}

const samples = samplesIn('manifests/samples');

for (const { name, object } of samples) {
  test(`rendering ${name} gives the golden file, and the same bytes each time`, () => {
    compare(name, rendered(object));
    assert.equal(rendered(object), rendered(structuredClone(object)));
  });
}

const owned = {
  apiVersion: 'berth.dev/v1alpha1',
  kind: 'Registry',
  metadata: { name: 'owned' },
  spec: {
    deletionPolicy: 'Delete',
    image: { repository: 'example.com/berth', tag: '1.2.3', pullPolicy: 'Always', pullSecretRefs: [{ name: 'pull' }] },
    storage: { type: 'PersistentVolume', persistentVolume: { claimTemplate: { size: '1Gi', volumeName: 'disk' } } },
    podTemplate: {
      runtimeClassName: 'gvisor',
      serviceAccountName: 'registry',
      extraEnv: [{ name: 'REGISTRY_REDIS_PASSWORD', valueFrom: { secretKeyRef: { name: 'redis', key: 'password' } } }],
    },
  },
};

test('children of a Registry in a cluster belong to it, under deletionPolicy Delete the claim too', () => {
  compare('owned.yaml', rendered(owned, { uid: '0d6b7c1e-0000-4000-8000-000000000001' }));
});

test('every golden file is compared', () => {
  const compared = [...samples.map(({ name }) => name), 'owned.yaml'].sort();
  assert.deepEqual(readdirSync(golden).sort(), compared);
});
