import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { load, loadAll } from 'js-yaml';
import { resources } from '../../operator/kube/resources.ts';

const folder = new URL('../../manifests/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rules = (loadAll(read('rbac.yaml'))[0] as { rules: readonly Rule[] }).rules;

/** What the operator does with each resource; whatever is missing here or in rbac.yaml fails. */
const needed: Readonly<Record<keyof typeof resources, readonly string[]>> = {
  registry: ['get', 'list', 'watch', 'patch'],
  deployment: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  service: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  secret: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  serviceAccount: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  claim: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  budget: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  configMap: ['get', 'list', 'watch'],
  pod: ['list', 'watch'],
  event: ['create', 'patch'],
};

test('the operator is granted what it does with each resource, and no more', () => {
  for (const [name, resource] of Object.entries(resources)) {
    const group = resource.apiVersion.includes('/') ? resource.apiVersion.split('/')[0] : '';
    const granted = rules
      .filter((rule) => rule.apiGroups.includes(group ?? '') && rule.resources.includes(resource.plural))
      .flatMap(({ verbs }) => verbs);
    assert.deepEqual(granted.toSorted(), needed[name as keyof typeof needed].toSorted(), name);
  }
  const plurals = Object.values(resources).map(({ plural }) => plural);
  const others = rules.flatMap((rule) => rule.resources).filter((one) => !plurals.some((plural) => plural === one));
  assert.deepEqual(others, ['registries/status', 'registries/finalizers']);
  const words = rules.flatMap((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs]);
  assert.ok(!words.some((word) => ['*', 'escalate', 'bind', 'impersonate'].includes(word)));
});

test('the kustomization names every manifest, and the definition by its folder', () => {
  const kustomization = load(read('kustomization.yaml')) as { resources: readonly string[] };
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
  assert.deepEqual(kustomization.resources.toSorted(), ['../crds', ...files].toSorted());
});
