import assert from 'node:assert/strict';
import type { V1Pod } from '@kubernetes/client-node';
import type { NodeCluster } from '../support/node-handle.ts';

/** The process id, inside the node, of a Pod's only container. */
export async function processOf(node: NodeCluster, pod: V1Pod): Promise<number> {
  const id = pod.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '');
  assert.ok(id, `${pod.metadata?.name} runs`);
  const file = `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/init.pid`;
  return Number((await node.exec(['cat', file])).stdout);
}

/** How often a Pod's container was started again. */
export function restartsOf(pod: V1Pod): number {
  return pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
}

/**
 * What the kernel says of a Pod's process, whatever its manifest asked for: user and group 65532, no capability, none to be
 * had by any program, system calls filtered, a root file system that not even the node's root can write.
 */
export async function assertConfined(node: NodeCluster, pod: V1Pod): Promise<void> {
  const pid = await processOf(node, pod);
  const status = (await node.exec(['cat', `/proc/${pid}/status`])).stdout;
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1];
  const expected = { Uid: four(65532), Gid: four(65532), CapEff: none, CapBnd: none, NoNewPrivs: '1', Seccomp: '2' };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, field(name)])), expected);
  await assert.rejects(node.exec(['touch', `/proc/${pid}/root/written`]), /Read-only file system/);
}

const none = '0'.repeat(16);
const four = (id: number) => Array(4).fill(id).join('\t');
