import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type ExecuteOptions, execute } from '../tools/execute.ts';
import { network } from './node-config.ts';
import { type Forward, forwardInto, leaveForward } from './node-forward.ts';
import type { NodeRecord } from './node-record.ts';
import { endSandbox, inside, spawnLine } from './node-sandbox.ts';
import { type LocalVolume, localVolumeManifest } from './node-volume.ts';

/** A whole Kubernetes node with its control plane, in namespaces of its own. Nothing inside reaches the outside. */
export interface NodeCluster {
  /** Everything of the node: logs, certificates, images, volumes. */
  readonly folder: string;
  /** The administrator's. It names an address that exists inside the node only. */
  readonly kubeconfigPath: string;
  /** The node's own address, where a NodePort answers. */
  readonly address: string;
  /** A line of shell that becomes the command in its arguments, or a shell, inside the node. */
  readonly enterLine: string;
  /** Seconds from the start to each step, in order. */
  readonly timings: ReadonlyArray<{ step: string; seconds: number }>;
  /** Runs a command inside the node to its end, with kubectl and KUBECONFIG at hand. Its files are the machine's. */
  exec(command: readonly string[], options?: ExecuteOptions): Promise<{ stdout: string; stderr: string }>;
  /** Starts a command inside the node that goes on; it ends with the node at the latest. */
  spawn(command: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Runs kubectl inside the node and gives its standard output. */
  kubectl(args: readonly string[], options?: ExecuteOptions): Promise<string>;
  /** Gives the node's containerd the images of an OCI or Docker archive, under the names that stand in it. */
  importImage(archive: string): Promise<void>;
  /**
   * Tells containerd where to pull images of a registry from: `host` as in image names, with its port
   * (`registry.default.svc:5000`), and the URL that the node can reach. Takes effect at the next pull.
   */
  writeHostsToml(host: string, url: string, options?: { ca?: string }): Promise<void>;
  /**
   * {@link writeHostsToml} for a Service: each of its ports, as `NAME.NAMESPACE.svc:PORT`, leads to its ClusterIP, so that
   * images named like that are pulled by the kubelet as Pods would pull them. Gives the hosts.
   */
  mapService(namespace: string, name: string, scheme?: 'http' | 'https'): Promise<string[]>;
  /** Makes a folder of the node available as a static `local` PersistentVolume; gives the folder. */
  addLocalVolume(volume: LocalVolume): Promise<string>;
  /** Makes `HOST:PORT` of the node's network reachable from outside, at the address that comes back. */
  forward(target: string): Promise<Forward>;
  /** The same on a port of the caller's choice, lasting until the node is stopped, whatever becomes of this process. */
  leaveForward(target: string, port: number): Promise<void>;
  /** Kills the node and removes its folder. */
  stop(): Promise<void>;
}

/** The running node in `folder`. */
export async function nodeIn(folder: string, record: NodeRecord & { init: number }): Promise<NodeCluster> {
  const { cgroup, path, init } = record;
  const kubeconfigPath = join(folder, 'kubeconfig');
  const environment = { PATH: path, KUBECONFIG: kubeconfigPath };
  const line = (command: readonly string[]) => inside(init, environment, command);
  const forwards: Forward[] = [];
  const node: NodeCluster = {
    folder,
    kubeconfigPath,
    address: network.address,
    enterLine: `exec ${line([]).map(shellQuoted).join(' ')} env -C "$PWD" "\${@:-bash}"`,
    timings: await timings(folder),
    exec: (command, options) => {
      const [program = '', ...args] = line(command);
      return execute(program, args, options);
    },
    spawn: (command, options = {}) => spawnLine(line(command), options),
    kubectl: async (args, options) => (await node.exec(['kubectl', ...args], options)).stdout,
    importImage: async (archive) => {
      await node.exec(['ctr', '-n', 'k8s.io', 'images', 'import', resolve(archive)], { deadline: 120_000 });
    },
    writeHostsToml: async (host, url, options = {}) => {
      const at = join(folder, 'certs.d', host);
      await mkdir(at, { recursive: true });
      const lines = [`server = "${url}"`, `[host."${url}"]`, 'capabilities = ["pull", "resolve"]'];
      if (options.ca !== undefined) {
        await writeFile(join(at, 'ca.crt'), options.ca);
        lines.push(`ca = "${join(at, 'ca.crt')}"`);
      }
      await writeFile(join(at, 'hosts.toml'), `${lines.join('\n')}\n`);
    },
    mapService: async (namespace, name, scheme = 'http') => {
      const text = await node.kubectl(['-n', namespace, 'get', 'service', name, '-o', 'json']);
      const { spec } = JSON.parse(text) as { spec: { clusterIP: string; ports: Array<{ port: number }> } };
      const hosts: string[] = [];
      for (const { port } of spec.ports) {
        const host = `${name}.${namespace}.svc:${port}`;
        await node.writeHostsToml(host, `${scheme}://${spec.clusterIP}:${port}`);
        hosts.push(host);
      }
      return hosts;
    },
    addLocalVolume: async (volume) => {
      const at = join(folder, 'volumes', volume.name);
      await mkdir(at, { recursive: true });
      await node.kubectl(['apply', '-f', '-'], {
        input: JSON.stringify(localVolumeManifest(volume, at, network.node)),
      });
      return at;
    },
    forward: async (target) => {
      const forward = await forwardInto({ target, folder, line });
      forwards.push(forward);
      return forward;
    },
    leaveForward: (target, port) => leaveForward({ target, folder, line }, port, init),
    stop: async () => {
      for (const forward of forwards) await forward.close();
      await endSandbox(folder, cgroup, init);
    },
  };
  return node;
}

/** The marks of node-init.sh, as seconds since the node's folder was complete. */
async function timings(folder: string): Promise<Array<{ step: string; seconds: number }>> {
  const log = await readFile(join(folder, 'init.log'), 'utf8').catch(() => '');
  const marks = [...log.matchAll(/^(\d+\.\d+) (.*)$/gm)].map((mark) => ({ at: Number(mark[1]), step: mark[2] ?? '' }));
  const first = marks[0]?.at ?? 0;
  return marks.map(({ at, step }) => ({ step, seconds: Math.round((at - first) * 10) / 10 }));
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
