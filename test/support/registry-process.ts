/** Servers of the tests as real processes, ended by their process id whatever becomes of the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stablePort } from './apiserver-process.ts';

/** A running server. */
export interface RegistryProcess {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** What it wrote to standard error so far. */
  stderr(): string;
  /** Lines in which the server admits a fault of its own. A client's faults are logged as errors too, and are not meant. */
  complaints(): readonly string[];
  /** Resolves when it has ended: the exit code, or `undefined` if a signal ended it. */
  readonly ended: Promise<number | undefined>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, as a crash. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | undefined>;
}

export type Json = { readonly [key: string]: unknown };

export interface RegistryOptions {
  /** The storage folder; it need not exist. */
  readonly root: string;
  /** A free one by default. */
  readonly port?: number;
  /** Laid over the defaults, key by key; `undefined` removes one. */
  readonly config?: Json;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Stands before the server's own command line, as `strace -f` would; the process id is then this program's. */
  readonly under?: readonly string[];
  /** `http.prefix`, where one is configured. */
  readonly prefix?: string;
}

export interface ServerOptions {
  readonly command: readonly string[];
  readonly port: number;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `http.prefix`, where one is configured. */
  readonly prefix?: string | undefined;
}

/** `http.secret` of every server of a test, so that one goes on with another's uploads. */
export const secret = 'a secret that all servers of a test share';

/** Milliseconds until a server has to answer. */
const patience = 60_000;
const complaint = /unhandled|request failed|status=5\d\d|level=fatal|^\s+at .*:\d+:\d+\)?$|Error:/i;
const launcher = new URL('../../bin/registry', import.meta.url).pathname;
/** So that no server outlives a test run that was killed itself. */
const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
const leash = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL'];

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A folder of the test's own, removed when it ends. */
export async function temporaryFolder(t: { after(work: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-test-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  return folder;
}

/**
 * Starts `bin/registry serve` on a filesystem folder and waits until it answers; it is killed when the test ends.
 * The configuration lies beside the folder, so the folder's parent has to exist.
 */
export async function startRegistry(t: Cleanup, options: RegistryOptions): Promise<RegistryProcess> {
  const port = options.port ?? (await stablePort());
  const path = join(dirname(options.root), `config-${port}.json`);
  const config = merge(
    {
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: options.root }, delete: { enabled: true } },
      http: { addr: `127.0.0.1:${port}`, secret },
    },
    options.config ?? {},
  );
  await writeFile(path, JSON.stringify(config));
  const command = [...(options.under ?? []), ...leash, launcher, 'serve', path];
  return startServer(t, { command, port, env: options.env, prefix: options.prefix });
}

export interface Cleanup {
  after(work: () => Promise<void>): void;
}

/** Starts any registry and waits until `/v2/` answers. */
export async function startServer(t: Cleanup, { command, port, env, prefix }: ServerOptions): Promise<RegistryProcess> {
  const [program = '', ...args] = [...leash, ...command];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  running.add(child);
  // A test whose own clean-up failed must still come to its end; then the exit of this process ends the server.
  const pipe = child.stderr as Socket;
  child.unref();
  pipe.unref();
  const waited = (): Promise<number | undefined> => {
    child.ref();
    return ended;
  };
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-200_000);
  });
  const ended = new Promise<number | undefined>((resolve) => {
    const gone = (code: number | null): void => {
      running.delete(child);
      resolve(code ?? undefined);
    };
    child.once('error', (error) => {
      text += String(error);
      gone(127);
    });
    child.once('close', gone);
  });
  const server: RegistryProcess = {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    stderr: () => text,
    complaints: () => text.split('\n').filter((line) => complaint.test(line)),
    ended,
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await waited();
    },
    stop() {
      child.kill('SIGTERM');
      return waited();
    },
  };
  t.after(() => server.kill());
  await answering(server, prefix ?? '/');
  return server;
}

async function answering(server: RegistryProcess, prefix: string): Promise<void> {
  let dead = false;
  void server.ended.then(() => {
    dead = true;
  });
  for (const end = performance.now() + patience; performance.now() < end && !dead; await sleep(25)) {
    const answer = await fetch(`${server.url}${prefix}v2/`, { signal: AbortSignal.timeout(5000) }).catch(
      () => undefined,
    );
    await answer?.body?.cancel();
    if (answer?.ok) return;
  }
  await server.kill();
  throw new Error(`the server did not answer on ${server.url}; its standard error:\n${server.stderr().slice(-4000)}`);
}

/** The largest resident size that a process ever had, in MiB. */
export async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024);
}

/** `over` laid over `base`, key by key; `undefined` removes one. */
export function merge(base: Json, over: Json): Json {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    if (value === undefined) delete merged[key];
    else merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return merged;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
