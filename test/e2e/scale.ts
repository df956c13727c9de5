import assert from 'node:assert/strict';
import type { Ground } from './ground.ts';
import { uploadAcrossPods } from './pushing.ts';

/** Scaled as anything else in Kubernetes, where the storage allows it. */
export async function scales(ground: Ground): Promise<void> {
  const { node, objects, step, shared } = ground;
  const { namespace, name } = shared;

  await step('kubectl scale to two Pods that share the volume, and an upload crosses them', async () => {
    await node.kubectl(['-n', namespace, 'scale', 'registry', name, '--replicas=2']);
    await shared.ready();
    await shared.counts(2);
    const { REPLICAS, AVAILABLE } = await objects.row(name, namespace);
    assert.deepEqual({ REPLICAS, AVAILABLE }, { REPLICAS: '2', AVAILABLE: '2' });
    await uploadAcrossPods(ground);
  });
}
