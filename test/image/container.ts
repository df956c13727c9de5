/** Containers of the built image under runc, as a kubelet's runtime starts them, without an engine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../tools/execute.ts';
import type { ImageConfig } from './image.ts';

export interface ContainerOptions {
  readonly runc: string;
  /** A folder for the bundle and runc's state. */
  readonly folder: string;
  /** The unpacked layers. */
  readonly rootfs: string;
  readonly image: ImageConfig;
  /** After the entrypoint, in place of the image's own command. */
  readonly args?: readonly string[];
  readonly entrypoint?: readonly string[];
  /** `UID:GID` in place of the image's own. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Path in the container to a folder or file of the machine. */
  readonly mounts?: Readonly<Record<string, string>>;
}

export interface Container {
  /** Standard output and error so far. */
  output(): string;
  /** Runs a script with the image's Node beside the main process, and gives what it printed. */
  script(text: string): Promise<string>;
  /** SIGTERM to process 1; resolves with the exit code. */
  stop(): Promise<number | undefined>;
  readonly ended: Promise<number | undefined>;
}

/**
 * Starts a container with a read-only root, no capabilities, and a network of its own that has nothing but loopback. It is
 * gone when the test has ended.
 */
export async function runContainer(
  t: { after(work: () => Promise<void>): void },
  options: ContainerOptions,
): Promise<Container> {
  const { runc, folder } = options;
  const id = `berth-test-${randomBytes(4).toString('hex')}`;
  const bundle = join(folder, id);
  const state = ['--root', join(folder, 'runc')];
  await mkdir(bundle);
  await writeFile(join(bundle, 'config.json'), JSON.stringify(runtimeSpec(options)));
  const child: ChildProcess = spawn(runc, [...state, 'run', '--bundle', bundle, id], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-100_000);
    });
  }
  const ended = new Promise<number | undefined>((resolve) => {
    child.once('error', (error) => {
      text += String(error);
      resolve(127);
    });
    child.once('close', (code) => resolve(code ?? undefined));
  });
  t.after(async () => {
    await execute(runc, [...state, 'delete', '--force', id]);
    await ended;
  });
  return {
    output: () => text,
    ended,
    async script(source) {
      const inside = ['exec', id, '/usr/local/bin/node', '--input-type=module', '--eval', source];
      return (await execute(runc, [...state, ...inside])).stdout.trim();
    },
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

function runtimeSpec({ image, rootfs, args, entrypoint, user, env, mounts }: ContainerOptions): object {
  const [uid, gid] = (user ?? image.config.User).split(':').map(Number);
  const nothing = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  const bind = (destination: string, source: string) => ({ destination, source, type: 'bind', options: ['rbind'] });
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid, gid },
      args: [...(entrypoint ?? image.config.Entrypoint), ...(args ?? image.config.Cmd)],
      env: [...image.config.Env, ...Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`)],
      cwd: '/',
      capabilities: nothing,
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: true },
    hostname: 'berth',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
      ...Object.entries(mounts ?? {}).map(([destination, source]) => bind(destination, source)),
    ],
    linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
  };
}
