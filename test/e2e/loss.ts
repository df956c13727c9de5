import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { createPushClient } from '../support/push-client.ts';
import { createChance, freshSeed } from '../support/push-client-random.ts';
import { processOf, restartsOf } from './container.ts';
import type { Ground } from './ground.ts';

/** The registry's Pod is killed in two ways while it is pushed to: whatever was answered stays. */
export async function losesNothing({ node, objects, images, step, shared }: Ground): Promise<void> {
  const { namespace, name } = shared;
  const onlyPod = async () => {
    const pods = await objects.podsOf(name, namespace);
    assert.equal(pods.length, 1);
    return pods[0] as (typeof pods)[0];
  };

  await step('scaled to one Pod by kubectl scale', async () => {
    await node.kubectl(['-n', namespace, 'scale', 'registry', name, '--replicas=1']);
    await shared.ready();
    await shared.counts(1);
    assert.equal((await objects.row(name, namespace))['AVAILABLE'], '1');
  });

  await step('kill -9 of its process while it is pushed to: nothing that was answered is lost', async () => {
    const pod = await onlyPod();
    const pid = await processOf(node, pod);
    await pushAround('killed', async () => {
      await node.exec(['kill', '-9', String(pid)]);
      await eventually(async () => assert.equal(restartsOf(await onlyPod()), restartsOf(pod) + 1));
    });
    await images.assertAllThere(await shared.address());
  });

  await step('kubectl delete --force of its Pod: nothing that was answered is lost', async () => {
    const pod = await onlyPod();
    await pushAround('deleted', async () => {
      const args = ['delete', 'pod', pod.metadata?.name ?? '', '--force', '--grace-period=0'];
      await node.kubectl(['-n', namespace, ...args]);
      await eventually(async () => assert.notEqual((await onlyPod()).metadata?.uid, pod.metadata?.uid));
    });
    await shared.ready();
    await images.assertAllThere(await shared.address());
  });

  /** Pushes one small image after the other, from before a disturbance until it is over and pushes are answered again. */
  async function pushAround(tag: string, disturb: () => Promise<void>): Promise<void> {
    const client = createPushClient(`http://${await shared.address()}`, { connections: 2 });
    const chance = createChance(freshSeed());
    const repository = 'team/disturbed';
    let answered = 0;
    let over = false;
    const pushing = (async () => {
      for (let count = 0; !over; count++) {
        try {
          const pushed = await client.pushImage(
            repository,
            `${tag}-${count}`,
            [chance.bytes(40_000)],
            'post-patch-put',
          );
          images.remember(repository, `${tag}-${count}`, pushed.bytes);
          answered++;
        } catch {
          // What was not answered may be there or not.
          await sleep(50);
        }
      }
    })();
    const fiveMore = async () => {
      const wanted = answered + 5;
      await eventually(() => assert.ok(answered >= wanted, 'pushes are answered'));
    };
    try {
      await fiveMore();
      await disturb();
      await fiveMore();
    } finally {
      over = true;
      await pushing;
      await client.close();
    }
  }
}
