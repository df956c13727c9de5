import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject, V1PersistentVolumeClaim } from '@kubernetes/client-node';
import { samplesIn } from '../contract/samples.ts';
import { eventually } from '../support/eventually.ts';
import type { Ground } from './ground.ts';
import { type Instance, instanceOf } from './instance.ts';
import { runPulled } from './pull.ts';

const namespace = 'samples';
const samples = samplesIn('manifests/samples').map(({ name, object }) => ({
  file: `manifests/samples/${name}`,
  name: (object as { metadata: { name: string } }).metadata.name,
}));

/** Every file of manifests/samples, on a cluster that gives what it asks for. */
export async function everySample(ground: Ground): Promise<void> {
  const { node, objects, images, step } = ground;
  const instances = new Map(samples.map(({ name }) => [name, instanceOf(node, objects, namespace, name)]));
  const instance = (name: string) => instances.get(name) as Instance;
  const kubectl = (...args: string[]) => node.kubectl(['-n', namespace, ...args]);

  await step(`the API server takes all ${samples.length} samples, word by word`, async () => {
    await objects.makeNamespace(namespace);
    for (const { file } of samples) await objects.applyFile(file, namespace, '--dry-run=server', '--validate=strict');
  });

  await step('all samples become Ready', async () => {
    await offerVolumes(ground);
    await kubectl(
      'apply',
      ...samples.flatMap(({ file }) => ['-f', new URL(`../../${file}`, import.meta.url).pathname]),
    );
    for (const { name } of samples) await instance(name).ready();
    assert.equal((await instance('production').condition('ExposureReady')).reason, 'AddressPending');
  });

  await step(
    'through a NodePort it is pushed to, and the kubelet pulls by the file that docs/nodes.md gives',
    async () => {
      const image = await images.image('nodeport');
      const { address } = await node.forward(`${node.address}:30500`);
      await images.pushWithCrane(image, address, 'nodes/app');
      const { host } = instance('nodeport');
      const folder = join(node.folder, 'certs.d', host);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'hosts.toml'), documentedHostsToml(node.address));
      await runPulled(ground, image, `${host}/nodes/app`);
    },
  );

  await step('kubectl scale is refused where only one Pod may write', async () => {
    const said = await objects.refusal(['-n', namespace, 'scale', 'registry', 'images', '--replicas=2']);
    assert.match(said, /spec\.replicas: .*more than one replica needs a claim with the access mode ReadWriteMany/);
    assert.equal((await instance('images').read()).spec.replicas, 1);
  });

  await step('with deletionPolicy Delete the claim goes as well', async () => {
    await kubectl('patch', 'registry', 'images', '--type=merge', '-p', '{"spec":{"deletionPolicy":"Delete"}}');
    await eventually(async () => assert.equal((await instance('images').read()).metadata.finalizers?.length, 1));
    await kubectl('delete', 'registry', 'images');
    await eventually(async () => {
      const claims = await objects.list<KubernetesObject>(
        'persistentvolumeclaims',
        namespace,
        'berth.dev/registry=images',
      );
      assert.deepEqual(
        claims.map(({ metadata }) => metadata?.name),
        [],
      );
    });
  });
}

/** The file of docs/nodes.md for the sample nodeport.yaml, with the node's own address, as it says for this mode of kube-proxy. */
function documentedHostsToml(address: string): string {
  const text = readFileSync(new URL('../../docs/nodes.md', import.meta.url), 'utf8');
  const file = /^`\/etc\/containerd\/certs\.d\/nodeport\.images\.svc:5000\/hosts\.toml`:\n\n```toml\n(.*?)```/ms.exec(
    text,
  )?.[1];
  assert.ok(file, 'docs/nodes.md gives the file');
  return file.replaceAll('127.0.0.1', address);
}

/** What the samples presuppose: a default storage class, volumes, and the claim that one of them names. */
async function offerVolumes({ node, objects }: Ground): Promise<void> {
  await objects.apply({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  await node.addLocalVolume({ name: 'once', size: '20Gi', accessModes: ['ReadWriteOnce'] });
  for (const name of ['many-1', 'many-2']) await node.addLocalVolume({ name, size: '100Gi', storageClassName: '' });
  const claim: V1PersistentVolumeClaim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'registry-images', namespace },
    spec: { accessModes: ['ReadWriteMany'], storageClassName: '', resources: { requests: { storage: '100Gi' } } },
  };
  await objects.apply(claim);
}
