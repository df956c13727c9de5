import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { assertConfined } from './container.ts';
import { type Ground, sharedClaim, sharedSample, sharedVolume } from './ground.ts';

/** From `kubectl apply` to Ready, with the truth told on the way. */
export async function begins({ node, objects, step, shared }: Ground): Promise<void> {
  const { namespace, name } = shared;

  await step('a Registry that has no volume yet says so', async () => {
    await objects.makeNamespace(namespace);
    await objects.applyFile(sharedSample, namespace);
    await eventually(async () => {
      const storage = await shared.condition('StorageReady');
      assert.equal(storage.reason, 'ClaimPending');
      assert.match(storage.message ?? '', /shared-data has no volume yet/);
      assert.equal((await objects.row(name, namespace))['READY'], 'False');
    });
  });

  await step('with a volume it becomes Ready, and kubectl shows where it is', async () => {
    await node.addLocalVolume({ name: sharedVolume, size: '100Gi', storageClassName: '' });
    await shared.ready();
    const { AGE: _, ...row } = await objects.row(name, namespace);
    assert.deepEqual(row, {
      NAME: name,
      READY: 'True',
      REASON: 'Ready',
      STORAGE: 'PersistentVolume',
      ADDRESS: shared.host,
      REPLICAS: '2',
      AVAILABLE: '2',
    });
    const { status } = await shared.read();
    assert.deepEqual(status?.storage, { type: 'PersistentVolume', claimName: sharedClaim, capacity: '100Gi' });
  });

  await step('its Pods run as user 65532 on a read-only root, without rights', async () => {
    const pods = await objects.podsOf(name, namespace);
    assert.equal(pods.length, 2);
    for (const pod of pods) await assertConfined(node, pod);
  });
}
