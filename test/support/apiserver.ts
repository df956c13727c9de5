import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Unavailable } from '../tools/cache.ts';
import { CommandError, execute } from '../tools/execute.ts';
import { apiServerFlags, etcdFlags } from './apiserver-flags.ts';
import { kubeconfig, serverPki } from './apiserver-pki.ts';
import { logTails, type ServerProcess, stablePort, startServer } from './apiserver-process.ts';
import { skip, tools } from './tools.ts';

/** How a test wants its API server. */
export interface ApiServerOptions {
  /** Record every request, for {@link ApiServer.requests}. */
  audit?: boolean;
  /** Added to kube-apiserver's flags, the last one counts. */
  flags?: readonly string[];
  signal?: AbortSignal;
}

/** One line of the audit log (audit.k8s.io/v1 Event), as far as tests look at it. */
export interface AuditEvent {
  verb: string;
  requestURI: string;
  userAgent?: string;
  user: { username: string };
  objectRef?: { resource: string; namespace?: string; name?: string; subresource?: string };
  responseStatus?: { code: number };
  requestReceivedTimestamp: string;
}

/**
 * etcd and kube-apiserver on loopback. There are no controllers: nothing collects garbage, a deleted namespace stays
 * terminating, and no default ServiceAccount appears.
 */
export interface ApiServer {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** For the administrator, everything embedded. */
  readonly kubeconfigPath: string;
  /** PEM texts. */
  readonly admin: { ca: string; cert: string; key: string };
  /** etcd, without TLS; its JSON gateway takes `POST /v3/kv/compaction`, say. */
  readonly etcdUrl: string;
  /** Certificates, logs and data. */
  readonly folder: string;
  /** Runs kubectl as the administrator and gives its standard output. */
  kubectl(args: readonly string[], options?: { input?: string; deadline?: number }): Promise<string>;
  /** What the audit log holds so far, in order, with `audit: true`. A watch counts when it ends. */
  requests(): Promise<AuditEvent[]>;
  /** Ends kube-apiserver alone; etcd keeps the data. */
  kill(): Promise<void>;
  /** Starts kube-apiserver again at the same address and waits until it is ready. */
  start(): Promise<void>;
  restart(): Promise<void>;
  /** Freezes kube-apiserver: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Ends both servers and removes their folder. */
  stop(): Promise<void>;
}

/**
 * Starts an API server of its own for a test, which takes 2 to 4 seconds, or says why this machine cannot.
 *
 * Both servers are ended by SIGKILL: a kube-apiserver that is asked kindly after etcd has gone hangs for minutes.
 */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer | Unavailable> {
  const found = await tools('etcd', 'kube-apiserver', 'kubectl');
  if ('reason' in found) return found;
  const programs = found;
  const unusable = await missingCommands({ openssl: ['version'], setpriv: ['--version'] });
  if (unusable) return { reason: unusable };

  const folder = await mkdtemp(join(tmpdir(), 'berth-apiserver-'));
  const [port, etcdPort, peerPort] = [await stablePort(), await stablePort(), await stablePort()];
  const url = `https://127.0.0.1:${port}`;
  const kubeconfigPath = join(folder, 'kubeconfig');
  const auditLog = join(folder, 'audit.log');
  const logs = { etcd: join(folder, 'etcd.log'), server: join(folder, 'kube-apiserver.log') };
  const running: { etcd?: ServerProcess; server?: ServerProcess } = {};

  async function stop(): Promise<void> {
    await Promise.all([running.server?.kill(), running.etcd?.kill()]);
    await rm(folder, { recursive: true, force: true });
  }

  async function start(): Promise<void> {
    const flags = [
      ...apiServerFlags({ bind: '127.0.0.1', advertise: '127.0.0.1', port, etcdPort }),
      // Otherwise the log repeats that a loopback address is no valid endpoint.
      '--endpoint-reconciler-type=none',
      ...(options.audit ? ['--audit-policy-file=audit.yaml', `--audit-log-path=${auditLog}`] : []),
      ...(options.flags ?? []),
    ];
    const server = await startServer(programs['kube-apiserver'], flags, { cwd: folder, log: logs.server });
    running.server = server;
    const end = performance.now() + 90_000;
    while (!(await ready(url, admin))) {
      const lost = server.ended
        ? 'kube-apiserver ended by itself'
        : running.etcd?.ended
          ? 'etcd ended by itself'
          : undefined;
      const late = performance.now() > end ? 'kube-apiserver was not ready after 90 s' : undefined;
      if (lost || late) throw new Error(`${lost ?? late}\n${await logTails(logs.server, logs.etcd)}`);
      options.signal?.throwIfAborted();
      await sleep(50);
    }
  }

  let admin = { ca: '', cert: '', key: '' };
  try {
    await serverPki(folder, 'DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1');
    const pem = (file: string) => readFile(join(folder, 'pki', file), 'utf8');
    admin = { ca: await pem('ca.crt'), cert: await pem('admin.crt'), key: await pem('admin.key') };
    await writeFile(kubeconfigPath, await kubeconfig(folder, 'admin', url), { mode: 0o600 });
    await writeFile(
      join(folder, 'audit.yaml'),
      JSON.stringify({
        apiVersion: 'audit.k8s.io/v1',
        kind: 'Policy',
        omitStages: ['RequestReceived'],
        rules: [{ level: 'Metadata' }],
      }),
    );
    running.etcd = await startServer(programs.etcd, etcdFlags(etcdPort, peerPort), { cwd: folder, log: logs.etcd });
    await start();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    url,
    kubeconfigPath,
    admin,
    etcdUrl: `http://127.0.0.1:${etcdPort}`,
    folder,
    kubectl: async (args, extra) => {
      // A cache of discovery in the home folder would mix up the servers of tests that run side by side.
      const flags = ['--kubeconfig', kubeconfigPath, '--cache-dir', join(folder, 'kubectl-cache')];
      return (await execute(programs.kubectl, [...flags, ...args], extra)).stdout;
    },
    requests: async () => {
      const lines = (await readFile(auditLog, 'utf8').catch(() => '')).split('\n');
      return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as AuditEvent);
    },
    kill: async () => {
      await running.server?.kill();
    },
    start,
    restart: async () => {
      await running.server?.kill();
      await start();
    },
    pause: () => running.server?.signal('SIGSTOP'),
    resume: () => running.server?.signal('SIGCONT'),
    stop,
  };
}

/** {@link startApiServer} for one test: ended with it. Where there can be none the test is skipped, with `CI=true` failed. */
export async function requireApiServer(t: TestContext, options?: ApiServerOptions): Promise<ApiServer | undefined> {
  const server = await startApiServer(options);
  if ('reason' in server) {
    skip(t, server.reason);
    return undefined;
  }
  t.after(() => server.stop());
  return server;
}

/** Names the commands that the machine lacks; `undefined` if it has them all. */
export async function missingCommands(probes: Record<string, readonly string[]>): Promise<string | undefined> {
  const missing: string[] = [];
  for (const [command, args] of Object.entries(probes)) {
    try {
      await execute(command, args);
    } catch (error) {
      if (error instanceof CommandError && error.notFound) missing.push(command);
    }
  }
  return missing.length > 0 ? `the commands ${missing.join(', ')} are missing on this machine` : undefined;
}

/** Asks once whether the server calls itself ready. */
function ready(url: string, admin: ApiServer['admin']): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(`${url}/readyz`, { ...admin, agent: false, timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.end();
  });
}
