/**
 * A Kubernetes for a person to try Berth on.
 *
 *   node test/support/cluster.ts up              starts it, or installs Berth anew on the one that runs
 *   node test/support/cluster.ts map NS/NAME     lets the node pull from the registry of that Service
 *   node test/support/cluster.ts down            ends it and removes all of it
 *
 * It lives in the folder BERTH_CLUSTER, by default beside the tools' cache.
 */
import { access, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cacheRoot } from '../tools/cache.ts';
import { kubeconfig } from './apiserver-pki.ts';
import { stablePort } from './apiserver-process.ts';
import { attachNode, startNode } from './node-cluster.ts';
import { network } from './node-config.ts';
import type { NodeCluster } from './node-handle.ts';
import { readRecord } from './node-record.ts';
import { endSandbox } from './node-sandbox.ts';

/** As far as it is looked at here. */
interface KubernetesObject {
  kind: string;
  metadata: { name: string; namespace?: string };
}

const root = resolve(import.meta.dirname, '../..');
const folder = resolve(process.env['BERTH_CLUSTER'] || join(cacheRoot(), 'cluster'));
const archive = join(root, 'out', `berth-${process.arch === 'x64' ? 'amd64' : process.arch}.tar`);
const manifests = join(root, 'manifests');
/** The administrator's kubeconfig for use outside the node. */
const outside = join(folder, 'kubeconfig.outside');
const entrance = join(folder, 'enter');

async function up(): Promise<number> {
  const running = await attachNode(folder);
  if (running) console.log(`the cluster in ${folder} is running; Berth is installed anew on it`);
  else await removeDead();
  const node = running ?? (await start());
  if (!node) return 1;
  const installed = await install(node, running !== undefined);
  console.log(`
  export KUBECONFIG=${outside}
  kubectl               or, without one of your own: ${entrance} kubectl
  inside the node       ${entrance} [COMMAND...]
  try                   kubectl apply -f manifests/samples/minimal.yaml
  pull from a registry  node test/support/cluster.ts map NAMESPACE/NAME   (its Service; images NAME.NAMESPACE.svc:PORT/...)
  stop                  make cluster-down
`);
  return installed ? 0 : 1;
}

async function start(): Promise<NodeCluster | undefined> {
  const node = await startNode({ folder, detached: true });
  if ('reason' in node) {
    console.error(`no cluster can run here: ${node.reason}`);
    return undefined;
  }
  const port = await stablePort();
  await node.leaveForward(`${node.address}:${network.apiPort}`, port);
  await writeFile(outside, await kubeconfig(folder, 'admin', `https://127.0.0.1:${port}`), { mode: 0o600 });
  await writeFile(entrance, `#!/bin/bash\n# Runs a command (default: a shell) inside the node.\n${node.enterLine}\n`, {
    mode: 0o755,
  });
  // What claims ask for: one that names no class gets the default, one that names the empty class a volume made by hand.
  await node.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    }),
  });
  const accessModes = ['ReadWriteOnce', 'ReadWriteMany'];
  for (const name of ['local-1', 'local-2', 'local-3']) await node.addLocalVolume({ name, size: '100Gi', accessModes });
  await node.addLocalVolume({ name: 'shared-1', size: '100Gi', accessModes, storageClassName: '' });
  const last = node.timings.at(-1);
  console.log(
    `Kubernetes is ready after ${last?.seconds} s: one node, three volumes of class local, one without a class`,
  );
  return node;
}

/** Puts the image and the manifests of this checkout on the node; false if something is missing or does not come up. */
async function install(node: NodeCluster, again: boolean): Promise<boolean> {
  for (const file of [archive, join(manifests, 'kustomization.yaml')]) {
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (there) continue;
    console.error(`Berth is not installed: ${file} is missing (make image writes the image)`);
    return false;
  }
  await node.importImage(archive);
  await node.kubectl(['apply', '-k', manifests], { deadline: 120_000 });
  const deployments = async (...which: string[]) => {
    const list = JSON.parse(await node.kubectl(['get', ...which, '-o', 'json'])) as { items: KubernetesObject[] };
    return list.items.filter(({ kind }) => kind === 'Deployment');
  };
  const installed = await deployments('-k', manifests);
  // The image keeps its name from one build to the next, so nothing else would tell a Deployment that it changed.
  const registries = again
    ? await deployments('deployments', '-A', '-l', 'app.kubernetes.io/managed-by=berth-operator')
    : [];
  for (const { metadata } of again ? [...installed, ...registries] : []) {
    await node.kubectl(['-n', metadata.namespace ?? 'default', 'rollout', 'restart', 'deployment', metadata.name]);
  }
  for (const { metadata } of installed) {
    const status = ['rollout', 'status', 'deployment', metadata.name, '--timeout=120s'];
    await node.kubectl(['-n', metadata.namespace ?? 'default', ...status], { deadline: 130_000 });
  }
  console.log('Berth is installed and available');
  return true;
}

async function map(service: string | undefined): Promise<number> {
  const [namespace, name] = service?.split('/') ?? [];
  if (!namespace || !name) return usage();
  const node = await attachNode(folder);
  if (!node) return notRunning();
  for (const host of await node.mapService(namespace, name)) console.log(`the node pulls ${host}/... from its Service`);
  return 0;
}

async function down(): Promise<number> {
  const node = await attachNode(folder);
  if (node) await node.stop();
  else if (!(await removeDead())) return notRunning();
  console.log(`the cluster in ${folder} is gone`);
  return 0;
}

/** Removes what a node that no longer runs has left; false if there was nothing. */
async function removeDead(): Promise<boolean> {
  const record = await readRecord(folder);
  if (record) await endSandbox(folder, record.cgroup, undefined);
  return record !== undefined;
}

function notRunning(): number {
  console.error(`no cluster runs in ${folder}; make cluster starts one`);
  return 1;
}

function usage(): number {
  console.error('usage: node test/support/cluster.ts up | map NAMESPACE/NAME | down');
  return 2;
}

const [command, ...rest] = process.argv.slice(2);
const commands: Record<string, () => Promise<number> | number> = { up, map: () => map(rest[0]), down };
process.exitCode = await (commands[command ?? ''] ?? usage)();
