import type { V1Pod } from '@kubernetes/client-node';
import type { NodeCluster } from '../support/node-handle.ts';
import { CommandError } from '../tools/execute.ts';

/** What tests ask a cluster, through kubectl as a person would. */
export interface Objects {
  /** @throws CommandError if it is not there */
  get<T>(kind: string, namespace: string, name: string): Promise<T>;
  list<T>(kind: string, namespace: string, selector?: string): Promise<T[]>;
  apply(object: object): Promise<void>;
  /** Applies a file of this repository to a namespace; `more` are further arguments. Gives what kubectl said. */
  applyFile(file: string, namespace: string, ...more: string[]): Promise<string>;
  /** Makes a namespace in which Pod Security "restricted" is enforced. */
  makeNamespace(name: string): Promise<void>;
  /** Waits for a condition of an object; 120 s at most. */
  waitFor(condition: string, what: string, namespace: string): Promise<void>;
  /** The Pods of a Registry that are not about to end. */
  podsOf(registry: string, namespace: string): Promise<V1Pod[]>;
  /** A row of `kubectl get registry`, by column. */
  row(registry: string, namespace: string): Promise<Record<string, string>>;
  /** What kubectl said when it failed. That it succeeds is an error. */
  refusal(args: readonly string[], input?: string): Promise<string>;
}

/** Asks the cluster of a node. */
export function objectsOn(node: NodeCluster): Objects {
  const json = async <T>(args: readonly string[]) => JSON.parse(await node.kubectl([...args, '-o', 'json'])) as T;
  const objects: Objects = {
    get: (kind, namespace, name) => json(['-n', namespace, 'get', kind, name]),
    async list<T>(kind: string, namespace: string, selector?: string) {
      const chosen = selector === undefined ? [] : ['-l', selector];
      return (await json<{ items: T[] }>(['-n', namespace, 'get', kind, ...chosen])).items;
    },
    async apply(object) {
      await node.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
    },
    applyFile: (file, namespace, ...more) =>
      node.kubectl(['-n', namespace, 'apply', '-f', new URL(`../../${file}`, import.meta.url).pathname, ...more]),
    async makeNamespace(name) {
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
      await objects.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    },
    async waitFor(condition, what, namespace) {
      const args = ['-n', namespace, 'wait', `--for=${condition}`, what, '--timeout=120s'];
      await node.kubectl(args, { deadline: 130_000 });
    },
    async podsOf(registry, namespace) {
      const pods = await objects.list<V1Pod>('pods', namespace, `berth.dev/registry=${registry}`);
      return pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    },
    async row(registry, namespace) {
      const [head = '', line = ''] = (await node.kubectl(['-n', namespace, 'get', 'reg', registry])).split('\n');
      const cells = line.split(/\s{2,}/);
      return Object.fromEntries(
        head
          .trim()
          .split(/\s{2,}/)
          .map((column, index) => [column, cells[index] ?? '']),
      );
    },
    async refusal(args, input) {
      const said = await node.kubectl(args, input === undefined ? {} : { input }).catch((error: unknown) => {
        if (error instanceof CommandError) return error;
        throw error;
      });
      if (typeof said === 'string') throw new Error(`kubectl ${args.join(' ')} was not refused: ${said}`);
      return `${said.stdout}${said.stderr}`.trim();
    },
  };
  return objects;
}

/** What a person would look at first when something went wrong. */
export async function evidence(node: NodeCluster): Promise<string> {
  const questions = [
    ['get', 'registries,pods,persistentvolumeclaims', '-A', '-o', 'wide'],
    ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
    ['-n', 'berth-system', 'logs', 'deployment/berth-operator', '--tail=30'],
    ...['images', 'samples'].map((namespace) => [
      '-n',
      namespace,
      'logs',
      '-l',
      'app.kubernetes.io/name=berth',
      '--prefix',
      '--tail=6',
    ]),
  ];
  const answers = await Promise.all(
    questions.map(async (args) => {
      const answer = await node.kubectl(args).catch((error: Error) => error.message);
      return `kubectl ${args.join(' ')}\n${answer.trimEnd().split('\n').slice(-40).join('\n')}`;
    }),
  );
  return answers.join('\n\n');
}
