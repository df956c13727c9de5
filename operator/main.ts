import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { type OperatorConfig, readClusterEnvironment, readConfig } from './config.ts';
import { isOperatorError, OperatorError } from './error.ts';
import type { Logger } from './log.ts';

const USAGE = `usage: operator run [OPTIONS]        look after the Registries of a cluster
       operator render -f FILE      print what would be applied, without a cluster
       operator up -f FILE          run a registry as a local process, without a cluster
       operator --version | --help

options of run:
  --kubeconfig FILE    the cluster; else KUBECONFIG, the Pod's service account, ~/.kube/config
  --namespace NS       look after this namespace alone; may be repeated (default: BERTH_NAMESPACES, else all)
  --workers N          Registries worked on at once (default: BERTH_WORKERS, else 4)
  --probe-addr ADDR    HOST:PORT of /healthz, /readyz and /metrics; port 0 takes a free one
                       (default: BERTH_PROBES_PORT and BERTH_METRICS_PORT, on all addresses)
`;

/** What `operator run` was asked for; what the command line does not say comes from the environment. */
interface RunOptions {
  config: OperatorConfig;
  kubeconfig: readonly string[] | undefined;
  service: { host: string; port: string } | undefined;
  listen: readonly { host: string | undefined; port: number }[];
}

/** Reads `run`'s command line and environment, or throws `usage` or `config` with every fault. */
function runOptions(argv: string[], env: NodeJS.ProcessEnv): RunOptions | 'help' {
  const text = { type: 'string' } as const;
  const values = usage(() => {
    const options = {
      kubeconfig: text,
      namespace: { ...text, multiple: true as const },
      workers: text,
      'probe-addr': text,
    };
    return parseArgs({ args: argv, options: { ...options, help: { type: 'boolean', short: 'h' } } }).values;
  });
  if (values.help) return 'help';
  const read = readConfig({
    ...env,
    ...(values.workers === undefined ? {} : { BERTH_WORKERS: values.workers }),
    ...(values.namespace === undefined ? {} : { BERTH_NAMESPACES: values.namespace.join(',') }),
  });
  if ('faults' in read) {
    const asGiven =
      values.workers === undefined ? read.faults : read.faults.map((one) => one.replace('BERTH_WORKERS', '--workers'));
    throw new OperatorError('config', asGiven.join('\n'));
  }
  const { config } = read;
  const cluster = readClusterEnvironment(env);
  const usual = join(homedir(), '.kube', 'config');
  const named = values.kubeconfig === undefined ? cluster.kubeconfig : [values.kubeconfig];
  const found = cluster.service === undefined && existsSync(usual) ? [usual] : undefined;
  const ports = [...new Set([config.probesPort, config.metricsPort])].map((port) => ({ host: undefined, port }));
  const listen = values['probe-addr'] === undefined ? ports : [address(values['probe-addr'])];
  return { config, kubeconfig: named.length > 0 ? named : found, service: cluster.service, listen };
}

function address(text: string): { host: string | undefined; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535)
    throw new OperatorError('usage', `--probe-addr ${text}: it must be HOST:PORT, such as :8081`);
  return { host: match[1] || match[2] || undefined, port };
}

function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new OperatorError('usage', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Looks after Registries until the signal fires. Only what cannot be used at all ends it sooner: it throws `config`. */
async function run({ config, kubeconfig, service, listen }: RunOptions, log: Logger, stop: AbortSignal): Promise<void> {
  const { openCredentials } = await import('./kube/credentials.ts');
  const { createTransport } = await import('./kube/transport.ts');
  const { createClient } = await import('./kube/client.ts');
  const { createEventRecorder } = await import('./kube/events.ts');
  const { createMetrics } = await import('./metrics.ts');
  const { serveProbes } = await import('./probes.ts');
  const { createQueue } = await import('./controller/queue.ts');
  const { createController } = await import('./controller/controller.ts');
  const { createWatchesOver } = await import('./reconcile/namespaces.ts');
  const { createReconciler } = await import('./reconcile/reconcile.ts');
  const { createTroubles } = await import('./reconcile/troubles.ts');
  const { FIELD_MANAGER } = await import('./render/labels.ts');

  const serviceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';
  const credentials = openCredentials({ kubeconfig, service, serviceAccountDir, now: Date.now });
  // A plugin that gives no credentials now may do so later; a file that cannot be read needs somebody.
  const server = await credentials.access().then(
    ({ origin }) => origin,
    (error) => {
      if (isOperatorError(error, 'config')) throw error;
      return undefined;
    },
  );
  const metrics = createMetrics();
  const elapsed = () => performance.now();
  const { random } = Math;
  const sleep = async (ms: number, signal: AbortSignal) => {
    await sleepFor(ms, undefined, { signal });
  };
  const transport = createTransport({
    credentials,
    userAgent: `berth-operator/${manifest.version}`,
    onExchange: ({ method, code, host }) => metrics.requests.inc({ method, code, host }),
    sleep,
  });
  const client = createClient(transport, FIELD_MANAGER);
  const lost = new AbortController();
  const events = createEventRecorder({
    client,
    reporter: { controller: 'berth.dev/operator', instance: hostname() },
    now: Date.now,
    onDropped: (why) => log.debug({ error: String(why) }, 'an Event was not written'),
    signal: lost.signal,
  });
  const clock = {
    now: elapsed,
    after(ms: number, call: () => void) {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    },
  };
  const queue = createQueue({ name: 'registry', clock, random, metrics: metrics.queue });
  let waiting: string | undefined = 'the first lists have not arrived yet';
  const watches = createWatchesOver(config.namespaces, {
    transport,
    client,
    wake: queue.add,
    onSynced: () => {
      waiting = undefined;
      log.info({ registries: watches.registryKeys().length }, 'in step with the cluster');
      controller.start();
    },
    onTrouble: createTroubles(log),
    sleep,
    random,
    now: elapsed,
  });
  const operatorImage = config.image;
  const randomSecret = () => randomBytes(32).toString('hex');
  const reconcile = createReconciler({ client, watches, events, operatorImage, now: () => new Date(), randomSecret });
  const { workers } = config;
  const controller = createController({
    name: 'registry',
    queue,
    reconcile,
    workers,
    deadlineMs: 120_000,
    metrics,
    log,
    now: elapsed,
  });
  const probes = await Promise.all(
    listen.map((at) => serveProbes(at, () => waiting, metrics).catch(unusable(at.port))),
  );
  for (const { address: at } of probes) log.info({ address: at }, 'probes and metrics are served');

  log.info({ server, credentials: credentials.source, namespaces: config.namespaces }, 'the operator starts');
  watches.start();
  // Everything is looked at from time to time, in case that some change was missed: it costs no request.
  const resync = setInterval(() => {
    for (const key of watches.registryKeys()) queue.addAfter(key, random() * resyncMs);
  }, resyncMs);
  await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
  log.info({}, 'the operator stops');
  waiting = 'stopping';
  clearInterval(resync);
  await watches.stop();
  await controller.stop(20_000);
  const late = setTimeout(() => lost.abort(), 3000);
  await events.drain();
  clearTimeout(late);
  await transport.close();
  await Promise.all(probes.map((one) => one.close()));
}

const resyncMs = 600_000;

function unusable(port: number) {
  return (cause: Error): never => {
    throw new OperatorError('config', `port ${port} cannot be listened on: ${cause.message}`, { cause });
  };
}

/** The first SIGINT or SIGTERM fires the signal; the second ends the process at once. */
function untilSignalled(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(1);
      stop.abort();
    });
  }
  return stop.signal;
}

async function runCommand(argv: string[]): Promise<number> {
  const options = runOptions(argv, process.env);
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const { createLogger } = await import('./log.ts');
  const log = createLogger(options.config.log);
  process.on('uncaughtException', (error) => {
    log.error({ error: error.message, stack: error.stack }, 'the operator ends unexpectedly');
    process.exit(70);
  });
  await run(options, log, untilSignalled());
  return 0;
}

async function localCommand(command: 'render' | 'up', argv: readonly string[]): Promise<number> {
  const read = readConfig(process.env);
  if ('faults' in read) throw new OperatorError('config', read.faults.join('\n'));
  const io = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    operatorImage: read.config.image,
    registryProgram: join(import.meta.dirname, '..', 'bin', 'registry'),
    env: process.env,
    signal: untilSignalled(),
  };
  if (command === 'render') return (await import('./local/render.ts')).renderCommand(argv, io);
  return (await import('./local/up.ts')).upCommand(argv, io);
}

async function main([command, ...rest]: string[]): Promise<number> {
  switch (command) {
    case 'run':
      return runCommand(rest);
    case 'render':
    case 'up':
      return localCommand(command, rest);
    case '--version':
    case 'version':
      process.stdout.write(`operator ${manifest.version}\n`);
      return 0;
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    default:
      throw new OperatorError(
        'usage',
        command === undefined ? 'a command is missing' : `there is no command ${command}`,
      );
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!isOperatorError(error)) throw error;
  process.stderr.write(`operator: ${error.message}\n${error.code === 'usage' ? USAGE : ''}`);
  process.exitCode = error.code === 'usage' ? 2 : 1;
}
