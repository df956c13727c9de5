import assert from 'node:assert/strict';
import { createPushClient, digestOf, imageManifest, type PushClient } from '../support/push-client.ts';
import { createChance, freshSeed } from '../support/push-client-random.ts';
import type { Ground } from './ground.ts';
import { appNamespace, runPulled } from './pull.ts';

/** What users do: push with their clients, run from the cluster. */
export async function isPushedToAndPulledFrom(ground: Ground): Promise<void> {
  const { node, images, step, shared } = ground;
  const [byCrane, bySkopeo] = [await images.image('crane'), await images.image('skopeo')];

  await step('crane pushes from outside the node', async () => {
    await images.pushWithCrane(byCrane, await shared.address(), 'team/app');
    await images.pushWithCrane(await images.image('never-pulled-before-the-end'), await shared.address(), 'team/late');
  });

  await step('skopeo pushes inside the node', async () => {
    const { spec } = await shared.service();
    await images.pushWithSkopeo(bySkopeo, `${spec?.clusterIP}:5000`, 'team/app');
  });

  await step('the kubelet pulls what crane pushed, under the name of the Service, and a Pod runs it', async () => {
    const hosts = await node.mapService(shared.namespace, shared.name);
    assert.deepEqual(hosts, [shared.host]);
    await runPulled(ground, byCrane, `${shared.host}/team/app`);
  });

  await step('the kubelet pulls what skopeo pushed', () => runPulled(ground, bySkopeo, `${shared.host}/team/app`));

  await step('a Pod of another namespace reaches it under the same name', async () => {
    const url = `http://${shared.host}/v2/team/app/tags/list`;
    const answer = await node.kubectl(['-n', appNamespace, 'exec', 'runs-crane', '--', 'wget', '-q', '-O', '-', url]);
    assert.deepEqual(JSON.parse(answer), { name: 'team/app', tags: ['crane', 'skopeo'] });
  });

  await step('an upload goes on at whichever Pod it reaches', () => uploadAcrossPods(ground));
}

/** One upload whose every request goes to the other Pod, then its manifest, which both serve. */
export async function uploadAcrossPods({ objects, images, shared }: Ground): Promise<void> {
  const pods = await objects.podsOf(shared.name, shared.namespace);
  assert.equal(pods.length, 2);
  const addresses = await Promise.all(pods.map(({ status }) => shared.addressOf(status?.podIP ?? '')));
  const [one, other] = addresses.map((address) => createPushClient(`http://${address}`)) as [PushClient, PushClient];
  try {
    const repository = 'team/across';
    const layer = createChance(freshSeed()).bytes(3 << 20);
    const cut = 1 << 20;
    let location = pathOf(await one.beginUpload(repository));
    location = pathOf(await other.append(location, layer.subarray(0, cut), 0));
    location = pathOf(await one.append(location, layer.subarray(cut, 2 * cut), cut));
    await other.finishUpload(location, digestOf(layer), layer.subarray(2 * cut));
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux' }));
    await one.pushBlob(repository, config);
    const descriptor = (bytes: Buffer) => ({ digest: digestOf(bytes), size: bytes.length });
    const manifest = imageManifest(descriptor(config), [descriptor(layer)]);
    const reference = `from-${pods[0]?.metadata?.name}`;
    const { bytes } = await other.pushManifest(repository, reference, manifest);
    images.remember(repository, reference, bytes);
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
  for (const address of addresses) await images.assertAllThere(address);
}

/** The address of the Pod that answered is not the one to go on at. */
function pathOf(location: string): string {
  const { pathname, search } = new URL(location, 'http://any');
  return pathname + search;
}
