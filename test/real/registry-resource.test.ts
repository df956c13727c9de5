import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isTransition, readRegistrySchema, rulesOf } from '../../operator/api/schema.ts';
import { createValidator } from '../../operator/api/validate.ts';
import { samplesIn } from '../contract/samples.ts';
import { type ApiServer, startApiServer } from '../support/apiserver.ts';
import { missing } from '../support/tools.ts';

const crd = new URL('../../crds/berth.dev_registries.yaml', import.meta.url).pathname;
const schema = readRegistrySchema();
const skip = await missing('etcd', 'kube-apiserver', 'kubectl');

/** What kubectl prints when the API server refuses. */
async function refusal(run: Promise<string>): Promise<string> {
  try {
    return `accepted: ${await run}`;
  } catch (error) {
    return String(error instanceof Error && 'stderr' in error ? error.stderr : error);
  }
}

/** Versions of Kubernetes differ in whether and how they show the refused value. */
const withoutValue = (message: string): string =>
  message.replace(/Invalid value: ("[a-z]+"|\d+): /g, 'Invalid value: ');

const registry = (name: string, spec: object) =>
  JSON.stringify({ apiVersion: 'berth.dev/v1alpha1', kind: 'Registry', metadata: { name }, spec });

const claim = (template: object, more: object = {}) => ({
  storage: { type: 'PersistentVolume', persistentVolume: { claimTemplate: { size: '10Gi', ...template }, ...more } },
});

/** A change of each kind that a rule on the former object forbids, with the rule's message. */
const forbidden: readonly { readonly from: object; readonly to: object; readonly message: string }[] = [
  {
    from: { storage: { type: 'EmptyDir' } },
    to: { storage: { type: 'InMemory' } },
    message: 'the type of storage cannot change',
  },
  {
    from: claim({}),
    to: claim({ storageClassName: 'fast' }),
    message: 'the storage class of a claim cannot change',
  },
  { from: claim({ volumeName: 'a' }), to: claim({ volumeName: 'b' }), message: 'the volume of a claim cannot change' },
  { from: claim({}), to: claim({ size: '9Gi' }), message: 'a volume cannot shrink' },
  {
    from: claim({}),
    to: claim({ accessModes: ['ReadWriteMany'] }),
    message: 'the access modes of a claim cannot change',
  },
  { from: claim({}), to: claim({}, { subPath: 'a' }), message: 'subPath cannot change' },
];

describe('the Registry resource on a real API server', { skip }, () => {
  let server: ApiServer;
  before(async () => {
    const started = await startApiServer();
    if ('reason' in started) throw new Error(started.reason);
    server = started;
    const warnings = await server.kubectl(['apply', '--server-side', '-f', crd]);
    assert.match(warnings, /serverside-applied/);
    await server.kubectl(['wait', '--for=condition=Established', 'crd/registries.berth.dev', '--timeout=30s']);
  });
  after(() => server?.stop());
  const apply = (input: string) =>
    server.kubectl(['apply', '--server-side', '--validate=strict', '-f', '-'], { input });

  test('the definition is structural, below 150 kB, and nothing of it is pruned', async () => {
    assert.ok(readFileSync(crd).length < 150_000);
    const conditions = await server.kubectl([
      'get',
      'crd',
      'registries.berth.dev',
      '-o',
      'jsonpath={.status.conditions}',
    ]);
    assert.doesNotMatch(conditions, /NonStructuralSchema/);
    // The schema is published a moment after the definition is established.
    for (const end = performance.now() + 30_000; ; await sleep(200)) {
      const explained = await refusal(server.kubectl(['explain', 'registry.spec.http', '--recursive']));
      if (explained.includes('drainTimeout')) break;
      assert.ok(performance.now() < end, explained);
    }
  });

  for (const { name, text, object } of [...samplesIn('manifests/samples'), ...samplesIn('test/contract/full')]) {
    test(`the sample ${name} is accepted, with the defaults that the offline check fills in`, async () => {
      await apply(text);
      const { metadata } = object as { metadata: { name: string } };
      const stored = JSON.parse(await server.kubectl(['get', 'registry', metadata.name, '-o', 'json']));
      const validation = createValidator(schema)(object);
      assert.ok('registry' in validation);
      assert.deepEqual(stored.spec, validation.registry.spec);
      assert.equal(stored.status.observedGeneration, -1);
    });
  }

  for (const { name, text, notes } of samplesIn('test/contract/bad')) {
    if (notes['server'] === undefined) continue;
    test(`the bad sample ${name} is refused`, async () => {
      const found = await refusal(apply(text));
      assert.ok(
        withoutValue(found).includes(withoutValue(notes['server'] ?? '')),
        `expected: ${notes['server']}\nfound: ${found}`,
      );
    });
  }

  for (const [index, { from, to, message }] of forbidden.entries()) {
    test(`refused on a change: ${message}`, async () => {
      await apply(registry(`change-${index}`, from));
      assert.match(await refusal(apply(registry(`change-${index}`, to))), new RegExp(message));
    });
  }

  test('a volume may grow', async () => {
    await apply(registry('grow', claim({})));
    await apply(registry('grow', claim({ size: '1Ti' })));
  });

  test('every rule is tried here: by a bad sample, or by a forbidden change', () => {
    const tried = [
      ...samplesIn('test/contract/bad').map(({ notes }) => notes['server'] ?? ''),
      ...forbidden.map(({ message }) => message),
    ];
    const untried = rulesOf(schema).filter(
      ({ rule }) =>
        !tried.some(
          (text) => text !== '' && rule.message.includes(text.replace(/^.*(Invalid value|Forbidden): (\d+: )?/, '')),
        ),
    );
    assert.deepEqual(
      untried.map(({ path, rule }) => `${path}: ${rule.message}`),
      [],
    );
    assert.equal(rulesOf(schema).filter(({ rule }) => isTransition(rule)).length, forbidden.length);
  });

  test('kubectl scale of a ReadWriteOnce registry is refused by the rule, of a ReadWriteMany one done', async () => {
    await apply(registry('single', claim({})));
    await apply(registry('many', claim({ accessModes: ['ReadWriteMany'] })));
    const scale = (name: string) => server.kubectl(['scale', `registry/${name}`, '--replicas=2']);
    assert.match(
      await refusal(scale('single')),
      /more than one replica needs a claim with the access mode ReadWriteMany/,
    );
    assert.match(await scale('many'), /scaled/);
  });

  test('printer columns show storage, replicas and age before the operator has seen the resource', async () => {
    await apply(registry('printed', { storage: { type: 'EmptyDir' } }));
    const table = await server.kubectl(['get', 'reg', 'printed']);
    assert.match(table, /NAME\s+READY\s+REASON\s+STORAGE\s+ADDRESS\s+REPLICAS\s+AVAILABLE\s+AGE/);
    assert.match(table, /printed\s+EmptyDir\s+1/);
  });
});
