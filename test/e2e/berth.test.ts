import { test } from 'node:test';
import { startNode } from '../support/node-cluster.ts';
import { requireTool, skip } from '../support/tools.ts';
import { begins } from './begin.ts';
import { correctsDrift } from './drift.ts';
import { endsAndReturns } from './end.ts';
import type { Ground } from './ground.ts';
import { createTestImages } from './images.ts';
import { isInstalled, stayedWell } from './install.ts';
import { instanceOf } from './instance.ts';
import { losesNothing } from './loss.ts';
import { evidence, objectsOn } from './objects.ts';
import { isPushedToAndPulledFrom } from './pushing.ts';
import { refuses } from './refusals.ts';
import { rollsOut } from './rollout.ts';
import { everySample } from './samples.ts';
import { scales } from './scale.ts';
import { tell } from './story.ts';
import { leavesNothing } from './traces.ts';

/**
 * The image and the manifests as users get them, on a node with its kubelet, containerd and control plane. One story, told
 * step by step; each part in a file of its own.
 */
test('Berth on a node, from kubectl apply to the pull of a kubelet', { timeout: 900_000 }, async (t) => {
  const paths = await requireTool(t, 'busybox', 'crane', 'skopeo');
  if (!paths) return;
  const node = await startNode();
  if ('reason' in node) return skip(t, node.reason);
  t.after(() => node.stop());
  for (const { step, seconds } of node.timings) t.diagnostic(`the node after ${seconds.toFixed(1)} s: ${step}`);

  const { step } = tell(t, () => evidence(node));
  const objects = objectsOn(node);
  const images = createTestImages(node, paths);
  const ground: Ground = { node, objects, images, step, shared: instanceOf(node, objects, 'images', 'shared') };
  const operator = await isInstalled(ground);
  await begins(ground);
  await isPushedToAndPulledFrom(ground);
  await losesNothing(ground);
  await scales(ground);
  await rollsOut(ground);
  await correctsDrift(ground);
  await endsAndReturns(ground);
  await refuses(ground);
  await everySample(ground);
  await stayedWell(ground, operator);
  await leavesNothing(ground);
});
