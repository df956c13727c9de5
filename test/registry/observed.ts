/** A registry as a real process of which everything that it says can be read: standard output, standard error, debug server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stablePort } from '../support/apiserver-process.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/registry-process.ts';

export interface Observed {
  readonly url: string;
  readonly port: number;
  /** Of the debug server. */
  readonly debug: string;
  readonly folder: string;
  stdout(): string;
  stderr(): string;
  /** Lines of a log in JSON. */
  lines(): readonly Readonly<Record<string, unknown>>[];
  /** The newest line with this message; waits for it. */
  line(message: string): Promise<Readonly<Record<string, unknown>>>;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<number | undefined>;
}

export interface ObservedOptions {
  /** Sections of the configuration, laid over the defaults. */
  readonly config?: Readonly<Record<string, object>>;
  readonly env?: Readonly<Record<string, string>>;
  /** A descriptor of this process that becomes the server's descriptor 3. */
  readonly fd?: number;
  /** Stands before the server's command line. */
  readonly under?: readonly string[];
}

const launcher = new URL('../../bin/registry', import.meta.url).pathname;
/** So that no server outlives a test run that was killed itself. */
const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
const leash = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL'];

/** Starts a server on memory and does not wait for it. */
export async function spawnObserved(
  t: { after(work: () => Promise<void>): void },
  { config = {}, env = {}, fd, under = [] }: ObservedOptions = {},
): Promise<Observed> {
  const folder = await temporaryFolder(t);
  const [port, debugPort] = [await stablePort(), await stablePort()];
  const path = join(folder, 'config.json');
  const { http = {}, ...sections } = config;
  const whole = {
    version: '0.1',
    log: { level: 'info', formatter: 'json' },
    storage: { inmemory: {}, delete: { enabled: true } },
    ...sections,
    http: {
      addr: `127.0.0.1:${port}`,
      secret: 'the secret of a test',
      debug: { addr: `127.0.0.1:${debugPort}`, prometheus: { enabled: true } },
      ...http,
    },
  };
  await writeFile(path, JSON.stringify(whole));
  const [program = '', ...args] = [...leash, ...under, launcher, 'serve', path];
  const stdio = fd === undefined ? (['ignore', 'pipe', 'pipe'] as const) : (['ignore', 'pipe', 'pipe', fd] as const);
  const child: ChildProcess = spawn(program, args, { stdio: [...stdio], env: { ...process.env, ...env } });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const ended = new Promise<number | undefined>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code) => resolve(code ?? undefined));
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines = () =>
    text.stderr
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    debug: `http://127.0.0.1:${debugPort}`,
    folder,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    lines,
    line: (message) =>
      eventually(() => {
        const found = lines().findLast((line) => line['msg'] === message);
        if (found === undefined) throw new Error(`"${message}" was not logged:\n${text.stderr.slice(-4000)}`);
        return found;
      }, 20_000),
    signal: (name) => void child.kill(name),
    ended,
  };
}

/** Starts a server and waits until it answers. */
export async function startObserved(
  t: { after(work: () => Promise<void>): void },
  options: ObservedOptions = {},
): Promise<Observed> {
  const server = await spawnObserved(t, options);
  let dead = false;
  void server.ended.then(() => {
    dead = true;
  });
  for (const end = performance.now() + 60_000; performance.now() < end && !dead; await sleep(25)) {
    const answer = await fetch(`${server.debug}/readyz`, { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return server;
  }
  throw new Error(`the server did not become ready; its standard error:\n${server.stderr().slice(-4000)}`);
}
