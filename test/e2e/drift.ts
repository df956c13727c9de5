import assert from 'node:assert/strict';
import type { CoreV1Event, KubernetesObject } from '@kubernetes/client-node';
import { eventually } from '../support/eventually.ts';
import type { Ground } from './ground.ts';

/** An object with whatever its kind holds. */
type Child = KubernetesObject & { readonly spec?: unknown; readonly data?: unknown };

/** Children are edited and deleted by hand, and come back as they were. */
export async function correctsDrift({ node, objects, images, step, shared }: Ground): Promise<void> {
  const { namespace, name } = shared;
  const kubectl = (...args: string[]) => node.kubectl(['-n', namespace, ...args]);
  const read = async (kind: string, child: string) => {
    const { spec, data, metadata } = await objects.get<Child>(kind, namespace, child);
    return { uid: metadata?.uid, kept: { spec, data, labels: metadata?.labels } };
  };

  /** Edits a child and waits until it is the very same again. */
  async function restored(kind: string, child: string, edit: () => Promise<unknown>): Promise<void> {
    const before = await read(kind, child);
    await edit();
    await eventually(async () => assert.deepEqual(await read(kind, child), before, `${kind} ${child}`));
  }

  await step('edited by hand, its Service, Deployment, Secret and budget are restored', async () => {
    const service = { spec: { selector: { 'berth.dev/registry': 'nobody' }, ports: [{ port: 5000, targetPort: 1 }] } };
    const merge = (object: object) => ['--type=merge', '-p', JSON.stringify(object)];
    await restored('service', name, () => kubectl('patch', 'service', name, ...merge(service)));
    await restored('deployment', name, () =>
      kubectl('set', 'image', `deployment/${name}`, 'registry=localhost/other:1'),
    );
    await restored('deployment', name, () => kubectl('set', 'env', `deployment/${name}`, 'REGISTRY_LOG_LEVEL=debug'));
    const secret = { stringData: { 'config.yml': 'version: "0.1"\n' } };
    await restored('secret', `${name}-config`, () => kubectl('patch', 'secret', `${name}-config`, ...merge(secret)));
    await restored('secret', `${name}-config`, () =>
      kubectl('label', 'secret', `${name}-config`, 'app.kubernetes.io/managed-by-'),
    );
    const budget = { spec: { maxUnavailable: '100%' } };
    await restored('poddisruptionbudget', name, () => kubectl('patch', 'poddisruptionbudget', name, ...merge(budget)));
  });

  await step('deleted by hand, its children are made anew', async () => {
    const kinds = ['serviceaccount', 'poddisruptionbudget'];
    for (const kind of kinds) {
      const before = await read(kind, name);
      await kubectl('delete', kind, name);
      await eventually(async () => assert.deepEqual((await read(kind, name)).kept, before.kept, kind));
    }
  });

  await step('what was corrected is told as Events, and it serves as before', async () => {
    const events = await objects.list<CoreV1Event>('events', namespace);
    const told = events.filter(({ reason }) => reason === 'DriftCorrected').map(({ message }) => message ?? '');
    for (const kind of ['Service', 'Deployment', 'Secret', 'PodDisruptionBudget']) {
      assert.ok(
        told.some((message) => message.startsWith(`${kind} shared`)),
        `${kind}: ${told.join('\n')}`,
      );
    }
    await shared.ready();
    await eventually(async () => images.assertAllThere(await shared.address()));
  });
}
