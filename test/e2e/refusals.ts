import assert from 'node:assert/strict';
import { samplesIn } from '../contract/samples.ts';
import { eventually } from '../support/eventually.ts';
import type { Ground } from './ground.ts';
import { operatorNamespace } from './install.ts';
import { instanceOf } from './instance.ts';

const operatorUser = `system:serviceaccount:${operatorNamespace}:berth-operator`;

/** What must not come through, and what whoever tried is told. */
export async function refuses({ node, objects, step, shared }: Ground): Promise<void> {
  const bad = new Map(samplesIn('test/contract/bad').map((sample) => [sample.name, sample]));
  const file = (name: string) => {
    assert.ok(bad.has(name), name);
    return `test/contract/bad/${name}`;
  };

  await step('a Registry that cannot work is refused with its place and the reason', async () => {
    const path = new URL(`../../${file('replicas-readwriteonce.yaml')}`, import.meta.url).pathname;
    assert.equal(
      await objects.refusal(['-n', shared.namespace, 'apply', '-f', path]),
      'The Registry "bad" is invalid: spec.replicas: Invalid value: more than one replica needs a claim with the access mode ReadWriteMany',
    );
  });

  await step('one whose fault only the operator sees is Stalled, and its row says why', async () => {
    await objects.applyFile(file('extra-owned-key.yaml'), shared.namespace);
    const instance = instanceOf(node, objects, shared.namespace, 'bad');
    await eventually(async () => assert.equal((await instance.condition('Stalled')).status, 'True'));
    const { message } = await instance.condition('Ready');
    assert.equal(message, 'spec.config.extra.http.addr: may not be set here: set spec.http.port instead');
    const { READY, REASON } = await objects.row('bad', shared.namespace);
    assert.deepEqual({ READY, REASON }, { READY: 'False', REASON: 'KeyNotAllowed' });
    assert.deepEqual(await objects.podsOf('bad', shared.namespace), []);
    await node.kubectl(['-n', shared.namespace, 'delete', 'registry', 'bad']);
  });

  await step('Pod Security "restricted" holds in the operator\'s namespace and in the registry\'s', async () => {
    for (const namespace of [operatorNamespace, shared.namespace]) {
      const said = await objects.refusal(['-n', namespace, 'run', 'root', '--image=localhost/pause:1', '--privileged']);
      assert.match(said, /violates PodSecurity "restricted:latest"/);
    }
  });

  await step('the operator may do nothing beyond its work', async () => {
    const questions = [
      ['delete', 'namespaces'],
      ['create', 'clusterroles'],
      ['create', 'pods'],
      ['get', 'nodes'],
      ['update', 'registries.berth.dev'],
      ['delete', 'registries.berth.dev'],
    ];
    for (const question of questions) {
      const said = await objects.refusal(['auth', 'can-i', ...question, '-A', `--as=${operatorUser}`]);
      assert.match(said, /^no\b/m, question.join(' '));
    }
  });
}
