import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject, V1PersistentVolumeClaim } from '@kubernetes/client-node';
import { eventually } from '../support/eventually.ts';
import { type Ground, sharedClaim, sharedSample, sharedVolume } from './ground.ts';
import { runPulled } from './pull.ts';

const kinds = 'deployments,replicasets,pods,services,endpointslices,secrets,serviceaccounts,poddisruptionbudgets';

/** Deleted, a Registry takes everything along but the images. */
export async function endsAndReturns(ground: Ground): Promise<void> {
  const { node, objects, images, step, shared } = ground;
  const { namespace, name } = shared;
  const claim = () => objects.get<V1PersistentVolumeClaim>('persistentvolumeclaim', namespace, sharedClaim);
  let uid: string | undefined;

  await step('deleted: its children go, the claim and the images stay', async () => {
    uid = (await claim()).metadata?.uid;
    await node.kubectl(['-n', namespace, 'delete', 'registry', name]);
    await eventually(async () => {
      const left = await objects.list<KubernetesObject>(kinds, namespace, `berth.dev/registry=${name}`);
      assert.deepEqual(
        left.map(({ kind, metadata }) => `${kind} ${metadata?.name}`),
        [],
      );
    });
    const { metadata, status } = await claim();
    assert.deepEqual([metadata?.uid, metadata?.deletionTimestamp, status?.phase], [uid, undefined, 'Bound']);
    const folder = join(node.folder, 'volumes', sharedVolume, 'docker/registry/v2');
    assert.ok((await readdir(folder)).includes('blobs'));
  });

  await step('applied again: it finds its claim, and every byte', async () => {
    await objects.applyFile(sharedSample, namespace);
    await shared.ready();
    assert.equal((await claim()).metadata?.uid, uid);
    await images.assertAllThere(await shared.address());
  });

  await step('the kubelet pulls an image that was pushed before the end', async () => {
    await node.mapService(namespace, name);
    const late = await images.image('never-pulled-before-the-end');
    await runPulled(ground, late, `${shared.host}/team/late`);
  });
}
