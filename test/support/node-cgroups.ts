import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = '/sys/fs/cgroup';
/** Those that the kubelet and runc use; a machine has some of them. */
const controllers = ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'];
/** The separate hierarchies that they use. */
const separate = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'systemd'];

/**
 * Makes the control group below which a node keeps all of its own, so that what it leaves behind has one name.
 * Knows the unified hierarchy (version 2) and the separate ones (version 1).
 */
export async function makeCgroup(name: string): Promise<void> {
  const unified = (await readdir(root)).includes('cgroup.controllers');
  if (unified) {
    const group = join(root, name);
    await mkdir(group, { recursive: true });
    const there = (await readFile(join(root, 'cgroup.controllers'), 'utf8')).trim().split(' ');
    for (const controller of controllers.filter((name) => there.includes(name))) {
      for (const parent of [root, group]) await writeFile(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    }
    return;
  }
  for (const hierarchy of (await hierarchies()).filter((one) => separate.includes(one))) {
    const group = join(root, hierarchy, name);
    await mkdir(group, { recursive: true });
    if (hierarchy !== 'cpuset') continue;
    // A new group of this hierarchy has no processors and no memory until it is given some.
    for (const list of ['cpuset.cpus', 'cpuset.mems']) {
      await writeFile(join(group, list), await readFile(join(root, hierarchy, list)));
    }
  }
}

/** Removes the group and all groups below it, once their processes have gone. */
export async function removeCgroup(name: string): Promise<void> {
  // On a machine with both versions runc also makes a group in the unified hierarchy, beside those made above.
  const groups = ['.', ...(await hierarchies())].map((hierarchy) => join(root, hierarchy, name));
  for (let attempt = 0; attempt < 50; attempt++) {
    const left = await Promise.all(groups.map(removeTree));
    if (left.every((gone) => gone)) return;
    await sleep(100);
  }
}

/** Removes from the leaves up: a group is a folder that is empty for `rmdir` when it has no groups of its own. */
async function removeTree(group: string): Promise<boolean> {
  const entries = await readdir(group, { withFileTypes: true }).catch(() => undefined);
  if (!entries) return true;
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(group, entry.name));
  return rmdir(group).then(
    () => true,
    () => false,
  );
}

/** The hierarchies that have a folder of their own. */
async function hierarchies(): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
