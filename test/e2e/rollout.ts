import assert from 'node:assert/strict';
import type { V1Pod } from '@kubernetes/client-node';
import { eventually } from '../support/eventually.ts';
import type { Ground } from './ground.ts';

/** A change of the configuration replaces every Pod, one after the other. */
export async function rollsOut({ node, objects, images, step, shared }: Ground): Promise<void> {
  const { namespace, name } = shared;
  /** Those that are about to end as well: they still serve. */
  const uids = async () => {
    const pods = await objects.list<V1Pod>('pods', namespace, `berth.dev/registry=${name}`);
    return pods.map(({ metadata }) => metadata?.uid);
  };

  await step('a changed configuration replaces every Pod, and no push by crane fails meanwhile', async () => {
    const before = (await objects.podsOf(name, namespace)).map(({ metadata }) => metadata?.uid);
    assert.equal(before.length, 2);
    const hash = (await shared.read()).status?.configHash;
    const spec = { observability: { log: { access: 'Disabled' } } };
    await node.kubectl(['-n', namespace, 'patch', 'registry', name, '--type=merge', '-p', JSON.stringify({ spec })]);
    let over = false;
    const rollout = eventually(async () => {
      assert.notEqual((await shared.read()).status?.configHash, hash);
      const now = await uids();
      assert.ok(now.length === 2 && !now.some((uid) => before.includes(uid)), 'only new Pods are left');
    }, 120_000).finally(() => {
      over = true;
    });
    try {
      for (let count = 0; !over; count++) {
        const image = await images.image(`rollout-${count}`);
        await images.pushWithCrane(image, await shared.address(), 'team/rollout');
      }
    } finally {
      await rollout;
    }
    await shared.ready();
    await shared.counts(2);
    await images.assertAllThere(await shared.address());
  });
}
