import { mkdir, writeFile } from 'node:fs/promises';
import { resolve as absolute, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Resolved } from '../api/resolved.ts';
import { isOperatorError, OperatorError } from '../error.ts';
import { startChild } from './child.ts';
import { complain, EXIT, type Io } from './io.ts';
import { freePort } from './port.ts';
import { readRegistries } from './read.ts';
import { type Reporter, supervise } from './supervise.ts';
import { readValues } from './values.ts';
import { type Workload, workload } from './workload.ts';

const USAGE = `usage: operator up -f FILE|- [--data DIR] [--port N] [-v]

Runs the registry of a file on this machine, without a cluster: the same configuration, command and probes that the operator
would deploy, as a process on 127.0.0.1. It ends with Ctrl-C; the images stay in the data folder.

  -f, --file FILE   the file with one Registry, or - for standard input
      --data DIR    the data folder (default: berth-data/NAME)
      --port N      the port on 127.0.0.1 (default: spec.http.port; 0: any free one)
  -v, --verbose     print the command and the variables that stand for what is different here
`;

/** What `operator up` was asked for. */
export interface UpOptions {
  readonly file: string;
  readonly data: string | undefined;
  readonly port: number | undefined;
  readonly verbose: boolean;
}

/**
 * `operator up`: the exit code is 0 when it was ended by a signal, 1 for a Registry that is refused or a server that never became
 * ready, 2 for a mistaken call.
 */
export async function upCommand(argv: readonly string[], io: Io): Promise<number> {
  try {
    const options = upOptions(argv);
    if (options !== 'help') return await up(options, io);
    io.stdout.write(USAGE);
    return EXIT.done;
  } catch (error) {
    if (io.signal.aborted) return EXIT.done;
    if (isOperatorError(error, 'config')) {
      io.stderr.write(`${error.message}\n`);
      return EXIT.refused;
    }
    if (!isOperatorError(error, 'usage')) throw error;
    complain(io, 'up', error.message);
    return EXIT.usage;
  }
}

/** Runs the Registry of a file until the signal comes. */
export async function up(options: UpOptions, io: Io): Promise<number> {
  const [first, ...others] = await readRegistries(options.file, undefined, io);
  if (first === undefined || others.length > 0)
    throw new OperatorError('usage', 'the file must hold one Registry, not several');
  const { resolved } = first;
  const port = await freePort(options.port ?? resolved.http.port);
  const place = {
    data: absolute(options.data ?? join('berth-data', resolved.name)),
    port,
    debugPort: await freePort(0),
  };
  const plan = workload(resolved, place);
  await prepare(place.data, plan);
  const values = await readValues(place.data, plan.variables, resolved.http.secret);
  const env = { ...inherited(io.env), ...values, ...named(plan.overrides) };
  const say = (line: string): void => void io.stdout.write(`${line}\n`);

  if (resolved.replicas !== 1) say(`replicas is ${resolved.replicas} and counts as 1 here`);
  if (options.verbose) for (const line of details(plan, io.registryProgram)) say(line);
  const start = () => startChild(io.registryProgram, plan.args, env, io.stderr);
  const end = await supervise(plan, place.debugPort, start, reporter(resolved, place, say), io.signal);
  if (end.type === 'stopped') {
    say(resolved.storage.type === 'InMemory' ? 'ended' : `ended; the images stay in ${place.data}`);
    return EXIT.done;
  }
  complain(io, 'up', `${end.reason} before it was ready; what it wrote stands above`);
  return EXIT.refused;
}

async function prepare(data: string, { folders, files }: Workload): Promise<void> {
  try {
    await mkdir(data, { recursive: true, mode: 0o700 });
    for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const { path, content } of files) await writeFile(path, content, { mode: 0o600 });
  } catch (error) {
    throw new OperatorError('usage', `cannot use the data folder ${data}: ${(error as Error).message}`);
  }
}

function reporter(resolved: Resolved, place: { data: string; port: number }, say: (line: string) => void): Reporter {
  const host = `127.0.0.1:${place.port}`;
  let greeted = false;
  return {
    starting: (attempt) => say(attempt === 1 ? 'starting the registry' : `starting the registry, attempt ${attempt}`),
    started: (pid) => say(`started, process ${pid}; waiting until it is ready`),
    ready: () => {
      say(`ready http://${host}${resolved.http.prefix ?? ''}`);
      if (!greeted) for (const line of commands(host)) say(line);
      if (!greeted)
        say(resolved.storage.type === 'InMemory' ? '  images end with it' : `  images are in ${place.data}`);
      greeted = true;
    },
    unready: () => say('not ready: the registry fails its readiness probe; its log says why'),
    restarting: (reason, delay) => say(`${reason}; starting it again in ${delay / 1000} s`),
    stopping: (grace) => say(`ending: waiting for running requests, ${grace / 1000} s at most`),
  };
}

/** How to push an image with the common clients; all of them speak plain HTTP to 127.0.0.1, some must be told. */
function commands(host: string): string[] {
  return [
    `  docker tag IMAGE ${host}/IMAGE && docker push ${host}/IMAGE`,
    `  podman push --tls-verify=false IMAGE ${host}/IMAGE`,
    `  skopeo copy --dest-tls-verify=false docker://IMAGE docker://${host}/IMAGE`,
    `  crane copy IMAGE ${host}/IMAGE`,
  ];
}

/** What -v prints: values of Secrets are named, never shown. */
function details({ args, variables, overrides }: Workload, program: string): string[] {
  return [
    ...variables.map((variable) =>
      'from' in variable
        ? `${variable.name}=(${variable.from.kind} ${variable.from.name}, key ${variable.from.key})`
        : `${variable.name}=${variable.value}`,
    ),
    ...overrides.map(({ name, value }) => `${name}=${value}`),
    [program, ...args].join(' '),
  ];
}

/** The caller's environment without what would change the server's settings unseen. */
function inherited(env: Io['env']): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && !name.startsWith('REGISTRY_'));
  return Object.fromEntries(kept) as Record<string, string>;
}

function named(variables: Workload['overrides']): Record<string, string> {
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
}

function upOptions(argv: readonly string[]): UpOptions | 'help' {
  const { values } = parseOptions(argv);
  if (values.help) return 'help';
  if (values.file === undefined) throw new OperatorError('usage', `-f is missing\n${USAGE}`);
  const { file, data, verbose = false } = values;
  if (values.port === undefined) return { file, data, port: undefined, verbose };
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN;
  if (!(port <= 65535)) throw new OperatorError('usage', `--port must be a number from 0 to 65535, not ${values.port}`);
  return { file, data, port, verbose };
}

function parseOptions(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        file: { type: 'string', short: 'f' },
        data: { type: 'string' },
        port: { type: 'string' },
        verbose: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new OperatorError('usage', `${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}
