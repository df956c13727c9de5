import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import { eventually } from '../support/eventually.ts';
import type { Ground } from './ground.ts';

/** The machine is as it was before the node: no folder, no process, no mount, no control group of it. */
export async function leavesNothing({ node, step }: Ground): Promise<void> {
  await step('stopped, the node leaves nothing behind', async () => {
    await node.stop();
    const name = basename(node.folder);
    await eventually(async () => {
      const found = [
        ...(await readdir(tmpdir())).filter((entry) => entry === name),
        ...(await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((mount) => mount.includes(name)),
        ...(await readdir('/sys/fs/cgroup', { recursive: true })).filter((group) => group.includes(name)),
        ...(await commandLines()).filter((line) => line.includes(name)),
      ];
      assert.deepEqual(found, []);
    }, 20_000);
  });
}

/** Those of all processes; one that has just ended has none. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}
