import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Unavailable } from '../tools/cache.ts';
import { execute } from '../tools/execute.ts';
import { missingCommands } from './apiserver.ts';
import { kubeconfig, nodePki, serverPki } from './apiserver-pki.ts';
import { logTails } from './apiserver-process.ts';
import { whenInterrupted } from './interrupted.ts';
import { makeCgroup } from './node-cgroups.ts';
import { network, nodeFiles, pauseImage } from './node-config.ts';
import { type NodeCluster, nodeIn } from './node-handle.ts';
import { writeBusyboxArchive } from './node-image.ts';
import { exists, folderPrefix, readRecord, sweepNodes, writeRecord } from './node-record.ts';
import { endSandbox, isOurs, startSandbox } from './node-sandbox.ts';
import { skip, tools } from './tools.ts';

/** How a node is started. */
export interface NodeOptions {
  /** The node's folder, new or empty. Default: a new one in the system's folder for temporary files. */
  folder?: string;
  /** Leaves the node running when this process ends; {@link attachNode} finds it again. */
  detached?: boolean;
  signal?: AbortSignal;
}

const programs = [
  ...([
    'etcd',
    'kube-apiserver',
    'kubectl',
    'kube-controller-manager',
    'kube-scheduler',
    'kubelet',
    'kube-proxy',
  ] as const),
  ...([
    'containerd',
    'containerd-shim-runc-v2',
    'ctr',
    'bridge',
    'host-local',
    'runc',
    'nft',
    'coredns',
    'busybox',
  ] as const),
];

const commands = {
  bash: ['--version'],
  ip: ['-V'],
  mount: ['--version'],
  nsenter: ['--version'],
  openssl: ['version'],
  setpriv: ['--version'],
  tar: ['--version'],
  unshare: ['--version'],
};

/** Says why this machine cannot run a node, without building anything for it. */
export async function nodeObstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `a Kubernetes node needs Linux, this is ${process.platform}`;
  if (!['x64', 'arm64'].includes(arch())) return `no node has been tried on ${arch()}`;
  if (process.geteuid?.() !== 0) return 'a Kubernetes node needs root (try sudo)';
  const missing = await missingCommands(commands);
  if (missing) return missing;
  const namespaces = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--mount-proc', 'true'];
  return execute('unshare', namespaces).then(
    () => undefined,
    (error: Error) => `root may not make namespaces here: ${error.message}`,
  );
}

/**
 * Starts a node and waits until Pods can run on it: 4 to 6 seconds once the tools are built.
 *
 * @returns the node, or why this machine cannot have one
 * @throws Error with the ends of the logs when it does not come up
 */
export async function startNode(options: NodeOptions = {}): Promise<NodeCluster | Unavailable> {
  const obstacle = await nodeObstacle();
  if (obstacle) return { reason: obstacle };
  const paths = await tools(...programs);
  if ('reason' in paths) return paths;
  await sweepNodes();

  const folder = resolve(options.folder ?? (await mkdtemp(join(tmpdir(), folderPrefix))));
  await mkdir(folder, { recursive: true });
  const cgroup = basename(folder).replace(/[^A-Za-z0-9-]/g, '-');
  const path = [...new Set(Object.values(paths).map((program) => dirname(program))), process.env['PATH']].join(
    delimiter,
  );
  const record = { cgroup, path, owner: process.pid };
  await writeRecord(folder, record);
  let init: number | undefined;
  const forget = options.detached ? () => {} : whenInterrupted(() => endSandbox(folder, cgroup, init));
  try {
    const names = ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'].map(
      (name) => `DNS:${name}`,
    );
    const addresses = ['127.0.0.1', network.address, network.apiService].map((address) => `IP:${address}`);
    await serverPki(folder, [...names, ...addresses].join(','));
    await nodePki(folder, { name: network.node, address: network.address });
    const server = `https://${network.address}:${network.apiPort}`;
    const configs: Record<string, string> = { kubeconfig: await kubeconfig(folder, 'admin', server) };
    for (const client of ['kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'kubelet']) {
      configs[`${client}.kubeconfig`] = await kubeconfig(folder, client, server);
    }
    const files = nodeFiles({ folder, cgroup, cniBin: dirname(paths.bridge), runc: paths.runc });
    for (const [file, text] of Object.entries({ ...files, ...configs })) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), text, { mode: file.endsWith('kubeconfig') ? 0o600 : 0o644 });
    }
    await writeBusyboxArchive({ file: join(folder, 'pause.tar'), name: pauseImage, busybox: paths.busybox });
    await makeCgroup(cgroup);
    const script = join(import.meta.dirname, 'node-init.sh');
    const command = ['bash', script, folder, network.node, network.address, network.services];
    init = await startSandbox({ folder, command, path, detached: options.detached ?? false });
    await writeRecord(folder, { ...record, init });
    await untilReady(folder, init, options.signal);
    const node = await nodeIn(folder, { ...record, init });
    return {
      ...node,
      stop: async () => {
        await node.stop();
        forget();
      },
    };
  } catch (error) {
    forget();
    const logs = await readdir(join(folder, 'logs')).catch(() => []);
    const tails = await logTails(join(folder, 'init.log'), ...logs.map((log) => join(folder, 'logs', log)));
    await endSandbox(folder, cgroup, init);
    throw new Error(`the node did not come up: ${(error as Error).message}\n${tails}`);
  }
}

/** {@link startNode} for one test: ended with it. Where there can be none the test is skipped, with `CI=true` failed. */
export async function requireNode(t: TestContext, options?: NodeOptions): Promise<NodeCluster | undefined> {
  const node = await startNode(options);
  if ('reason' in node) {
    skip(t, node.reason);
    return undefined;
  }
  t.after(() => node.stop());
  return node;
}

/** Finds a detached node by its folder; `undefined` if there is none or it no longer runs. */
export async function attachNode(folder: string): Promise<NodeCluster | undefined> {
  const record = await readRecord(folder);
  if (record?.init === undefined || !(await isOurs(record.init, folder))) return undefined;
  return nodeIn(folder, { ...record, init: record.init });
}

async function untilReady(folder: string, init: number, signal: AbortSignal | undefined): Promise<void> {
  for (const end = performance.now() + 300_000; ; await sleep(50)) {
    if (await exists(join(folder, 'ready'))) return;
    if (!(await isOurs(init, folder))) throw new Error('its first process ended');
    if (performance.now() > end) throw new Error('it was not ready after 5 minutes');
    signal?.throwIfAborted();
  }
}
