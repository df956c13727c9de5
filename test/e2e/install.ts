import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import type { V1Pod } from '@kubernetes/client-node';
import { execute } from '../tools/execute.ts';
import { assertConfined, restartsOf } from './container.ts';
import type { Ground } from './ground.ts';
import { appNamespace } from './pull.ts';

const root = resolve(import.meta.dirname, '../..');
const archive = join(root, 'out', `berth-${process.arch === 'x64' ? 'amd64' : process.arch}.tar`);
/** The namespace that manifests/ makes. */
export const operatorNamespace = 'berth-system';

/**
 * The image is built and given to the node, and `kubectl apply -k manifests` brings up the operator. Gives the identity of its
 * Pod.
 */
export async function isInstalled(ground: Ground): Promise<string | undefined> {
  const { node, objects, step } = ground;
  let uid: string | undefined;

  await step('the image is built from this checkout', async () => {
    await execute(process.execPath, [join(root, 'image/build.ts')], { cwd: root, deadline: 600_000 });
  });

  await step('the image is imported', () => node.importImage(archive));

  await step('kubectl apply -k manifests brings up the operator', async () => {
    await node.kubectl(['apply', '-k', join(root, 'manifests')]);
    const rollout = ['-n', operatorNamespace, 'rollout', 'status', 'deployment', '--timeout=120s'];
    await node.kubectl(rollout, { deadline: 130_000 });
    const pod = await operatorPod(ground);
    uid = pod.metadata?.uid;
    await assertConfined(node, pod);
    await objects.makeNamespace(appNamespace);
  });

  await step('applied once more, nothing changes', async () => {
    const said = await node.kubectl(['apply', '-k', join(root, 'manifests')]);
    assert.deepEqual(
      said
        .trim()
        .split('\n')
        .filter((line) => !line.endsWith(' unchanged')),
      [],
    );
  });
  return uid;
}

/** Through all that was done, nothing ended by itself, and the operator did not complain. */
export async function stayedWell(ground: Ground, operator: string | undefined): Promise<void> {
  const { node, step } = ground;
  await step('no Pod was started again by itself', async () => {
    const { items } = JSON.parse(await node.kubectl(['get', 'pods', '-A', '-o', 'json'])) as { items: V1Pod[] };
    for (const pod of items) assert.equal(restartsOf(pod), 0, pod.metadata?.name);
  });

  await step('the operator is the one of the beginning, and its log holds no error', async () => {
    assert.equal((await operatorPod(ground)).metadata?.uid, operator);
    const text = await node.kubectl(['-n', operatorNamespace, 'logs', 'deployment/berth-operator', '--tail=-1']);
    const lines = text.trim().split('\n');
    assert.ok(lines.length > 1, 'it logs');
    assert.deepEqual(
      lines.filter((line) => !['debug', 'info', 'warn'].includes(levelOf(line))),
      [],
    );
  });
}

async function operatorPod({ objects }: Ground): Promise<V1Pod> {
  const pods = await objects.list<V1Pod>('pods', operatorNamespace);
  assert.equal(pods.length, 1, 'the operator has one Pod');
  return pods[0] as V1Pod;
}

/** A line that is no JSON is a crash's. */
function levelOf(line: string): string {
  try {
    return (JSON.parse(line) as { level: string }).level;
  } catch {
    return 'crash';
  }
}
