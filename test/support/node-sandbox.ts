import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeCgroup } from './node-cgroups.ts';

/** Starts the node's first process in namespaces of its own. */
export interface SandboxOptions {
  folder: string;
  /** What process 1 runs; the folder must be one of its arguments, so that it can be recognised later. */
  command: readonly string[];
  path: string;
  /** Stays up when this process ends, until {@link endSandbox}. Otherwise the kernel kills it with this process. */
  detached: boolean;
}

/** A proxy that the machine needs for the outside cannot be reached inside, and would not know the way to anything there. */
const direct = { NO_PROXY: '*', no_proxy: '*' };

/**
 * Gives the process id, as seen from outside, of the new process 1.
 */
export async function startSandbox({ folder, command, path, detached }: SandboxOptions): Promise<number> {
  const namespaces = ['--mount', '--net', '--pid', '--uts', '--ipc', '--mount-proc', '--propagation', 'private'];
  const unshare = ['unshare', ...namespaces, '--fork', '--kill-child', ...command];
  const [program = '', ...args] = detached ? unshare : ['setpriv', '--pdeathsig', 'KILL', ...unshare];
  const log = openSync(join(folder, 'init.log'), 'a');
  const parent = spawn(program, args, {
    detached,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...direct, PATH: path },
  });
  closeSync(log);
  if (detached) parent.unref();
  const pid = await new Promise<number>((resolve, reject) => {
    parent.on('error', reject);
    parent.on('spawn', () => resolve(parent.pid ?? 0));
  });
  for (const end = performance.now() + 20_000; performance.now() < end && parent.exitCode === null; await sleep(20)) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    const init = Number(children.trim().split(' ')[0]);
    if (init > 0 && (await isOurs(init, folder))) return init;
  }
  throw new Error(`the node's sandbox did not start: ${await readFile(join(folder, 'init.log'), 'utf8')}`);
}

/** The command line that runs a command inside the namespaces of process `init`. */
export function inside(init: number, environment: Record<string, string>, command: readonly string[]): string[] {
  const variables = Object.entries({ ...environment, ...direct }).map(([name, value]) => `${name}=${value}`);
  const namespaces = ['--mount', '--net', '--pid', '--uts', '--ipc'];
  return ['nsenter', '--target', String(init), ...namespaces, 'env', ...variables, ...command];
}

/** Starts a command line that {@link inside} made. It ends with the node at the latest. */
export function spawnLine(line: readonly string[], options: SpawnOptions): ChildProcess {
  const [program = '', ...args] = line;
  return spawn(program, args, options);
}

/** Kills process 1, and with it every process, mount and link of the node; then removes its control group and folder. */
export async function endSandbox(folder: string, cgroup: string, init: number | undefined): Promise<void> {
  if (init !== undefined && (await isOurs(init, folder))) {
    process.kill(init, 'SIGKILL');
    for (const end = performance.now() + 20_000; await isOurs(init, folder); await sleep(50)) {
      if (performance.now() > end) throw new Error(`process ${init} of the node in ${folder} does not end`);
    }
  }
  await removeCgroup(cgroup);
  // What containerd mounted below it goes with the last process's namespace, which may be a moment later.
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** Whether a process id still is the first process of the node in `folder`, not one that took over its number. */
export async function isOurs(pid: number, folder: string): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const words = line.split('\0');
  return words.includes(folder) && words.some((word) => word.endsWith('node-init.sh'));
}
