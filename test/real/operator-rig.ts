import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from '../../operator/api/types.ts';
import { apply } from '../../operator/kube/apply.ts';
import { type Client, createClient } from '../../operator/kube/client.ts';
import { openCredentials } from '../../operator/kube/credentials.ts';
import type { KubeObject } from '../../operator/kube/object.ts';
import { type Resource, resources } from '../../operator/kube/resources.ts';
import { createTransport } from '../../operator/kube/transport.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from '../support/apiserver.ts';
import { eventually } from '../support/eventually.ts';
import { type ApiProxy, type Operator, startOperator, startProxy } from './operator-proxy.ts';

/** The kinds of a Registry's children. */
export const childKinds: readonly Resource[] = [
  resources.secret,
  resources.serviceAccount,
  resources.service,
  resources.deployment,
  resources.claim,
  resources.budget,
];

/** A real API server with the CRD and the operator's own rights, and what the controllers that are not there would do. */
export interface Rig {
  readonly server: ApiServer;
  /** As the administrator, under the field manager `tester`. */
  readonly client: Client;
  /** A namespace of its own for a test. */
  namespace(name: string): Promise<void>;
  registry(namespace: string, name: string, spec: object): Promise<Registry>;
  get(resource: Resource, namespace: string, name: string): Promise<KubeObject | undefined>;
  /** The children of a Registry, by label, as `Kind/name`. */
  children(namespace: string, name: string): Promise<Map<string, KubeObject>>;
  /** A proxy of its own and a kubeconfig with the operator's ServiceAccount that leads through it. */
  throughProxy(): Promise<{ proxy: ApiProxy; kubeconfig: string }>;
  /** Runs an operator; it ends with the rig at the latest. */
  operator(kubeconfig: string, args?: readonly string[]): Operator;
  /** Waits until the Registry is Ready in its current generation. */
  ready(namespace: string, name: string): Promise<Registry>;
  stop(): Promise<void>;
}

const never = new AbortController().signal;

export async function startRig(options: ApiServerOptions = {}): Promise<Rig> {
  const started = await startApiServer(options);
  if ('reason' in started) throw new Error(started.reason);
  const server: ApiServer = started;
  const path = (name: string) => new URL(`../../${name}`, import.meta.url).pathname;
  const credentials = openCredentials({
    kubeconfig: [server.kubeconfigPath],
    service: undefined,
    serviceAccountDir: '',
    now: Date.now,
  });
  const transport = createTransport({
    credentials,
    userAgent: 'test',
    sleep: async (ms, signal) => {
      await sleep(ms, undefined, { signal });
    },
  });
  const client = createClient(transport, 'tester');
  const operators: Operator[] = [];
  const proxies: ApiProxy[] = [];

  await server.kubectl(['apply', '--server-side', '-k', path('manifests')]);
  await server.kubectl(['wait', '--for=condition=Established', 'crd/registries.berth.dev', '--timeout=60s']);
  const token = (
    await server.kubectl(['-n', 'berth-system', 'create', 'token', 'berth-operator', '--duration=24h'])
  ).trim();
  const deployments = followDeployments(client);

  return {
    server,
    client,
    async namespace(name) {
      await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, never);
    },
    async registry(namespace, name, spec) {
      const object = { apiVersion: 'berth.dev/v1alpha1', kind: 'Registry', metadata: { namespace, name }, spec };
      return (await apply(client, resources.registry, object, { force: true, signal: never })) as Registry;
    },
    get: (resource, namespace, name) => client.get(resource, { namespace, name }, never),
    async children(namespace, name) {
      const found = new Map<string, KubeObject>();
      for (const resource of childKinds) {
        const { items } = await client.list(
          resource,
          namespace,
          { labelSelector: `berth.dev/registry=${name}` },
          never,
        );
        for (const item of items) found.set(`${resource.kind}/${item.metadata.name}`, item);
      }
      return found;
    },
    async throughProxy() {
      const proxy = await startProxy(server);
      proxies.push(proxy);
      const kubeconfig = join(server.folder, `operator-${proxies.length}.json`);
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'test',
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'operator' } }],
        clusters: [{ name: 'test', cluster: { server: proxy.url } }],
        users: [{ name: 'operator', user: { token } }],
      };
      await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
      return { proxy, kubeconfig };
    },
    operator(kubeconfig, args) {
      const operator = startOperator(kubeconfig, args);
      operators.push(operator);
      return operator;
    },
    ready: (namespace, name) =>
      eventually(async () => {
        const registry = (await client.get(resources.registry, { namespace, name }, never)) as Registry | undefined;
        const ready = registry?.status?.conditions?.find(({ type }) => type === 'Ready');
        if (registry?.status.observedGeneration !== registry?.metadata.generation || ready?.status !== 'True') {
          throw new Error(`${name} is not ready: ${JSON.stringify(registry?.status)}`);
        }
        return registry as Registry;
      }),
    async stop() {
      await deployments.stop();
      await Promise.all(operators.map((one) => one.kill()));
      await Promise.all(proxies.map((one) => one.close()));
      await transport.close();
      await server.stop();
    },
  };
}

const namespaces: Resource = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false };

/** Does what the controller of Deployments would: reports every Deployment as rolled out, with all Pods ready, and binds no claim. */
function followDeployments(client: Client): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const run = async () => {
    while (!stopped.signal.aborted) {
      await report(client, stopped.signal).catch(() => {});
      await sleep(100, undefined, { signal: stopped.signal }).catch(() => {});
    }
  };
  const running = run();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

async function report(client: Client, signal: AbortSignal): Promise<void> {
  const { items } = await client.list(resources.deployment, undefined, { labelSelector: 'berth.dev/registry' }, signal);
  for (const { metadata, spec, status } of items) {
    const { namespace, name, generation = 0 } = metadata;
    const { replicas = 1 } = spec as { replicas?: number };
    const seen = (status as { observedGeneration?: number } | undefined)?.observedGeneration ?? 0;
    if (seen >= generation || metadata.annotations?.['test/stuck'] !== undefined) continue;
    const body = {
      status: {
        observedGeneration: generation,
        replicas,
        updatedReplicas: replicas,
        readyReplicas: replicas,
        availableReplicas: replicas,
      },
    };
    const patch = { contentType: 'application/merge-patch+json', body, subresource: 'status' } as const;
    await client.patch(resources.deployment, { namespace, name }, patch, signal);
  }
}

/** The value of a metric of an operator; 0 where it has not been counted. */
export async function metric(operator: Operator, line: RegExp): Promise<number> {
  const text = await (await fetch(`http://${await operator.probes}/metrics`)).text();
  return text
    .split('\n')
    .filter((one) => line.test(one))
    .reduce((sum, one) => sum + Number(one.split(' ').at(-1)), 0);
}
