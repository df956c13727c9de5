/** Redis servers of the tests: real ones, on free ports, without anything on disk, ended by their process id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { execute } from '../tools/execute.ts';
import { stablePort } from './apiserver-process.ts';
import { eventually } from './eventually.ts';
import { type Cleanup, temporaryFolder } from './registry-process.ts';

export interface RedisServer {
  readonly port: number;
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Runs one command by `redis-cli` and gives what it printed, a line for each element of a list. */
  cli(...command: readonly string[]): Promise<readonly string[]>;
  /** SIGSTOP: connections stand, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** SIGKILL; resolves when it is gone. */
  stop(): Promise<void>;
  /** After `stop`: the same server again, empty. */
  start(): Promise<void>;
}

export interface RedisServerOptions {
  readonly programs: { readonly 'redis-server': string; readonly 'redis-cli': string };
  /** Lines of its configuration. */
  readonly lines?: readonly string[];
  /** It listens with TLS alone: these are lines of its configuration, and what `redis-cli` needs. */
  readonly tls?: { readonly lines: readonly string[]; readonly cli: readonly string[] };
  readonly sentinel?: boolean;
}

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
const leash = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL'];

/** Starts a server that is killed when the test ends. */
export async function startRedis(t: Cleanup, options: RedisServerOptions): Promise<RedisServer> {
  const { programs, lines = [], tls, sentinel = false } = options;
  const folder = await temporaryFolder(t);
  const port = await stablePort();
  const file = join(folder, 'redis.conf');
  const listening = tls === undefined ? [`port ${port}`] : ['port 0', `tls-port ${port}`, ...tls.lines];
  // A sentinel knows nothing of saving, and writes into its own configuration.
  const fixed = sentinel ? [] : ['save ""', 'appendonly no'];
  let child: ChildProcess | undefined;

  const server: RedisServer = {
    port,
    address: `127.0.0.1:${port}`,
    async cli(...command) {
      const args = ['-h', '127.0.0.1', '-p', String(port), ...(tls?.cli ?? []), ...command];
      const { stdout } = await execute(programs['redis-cli'], args, { deadline: 30_000 });
      return stdout.replace(/\r?\n$/, '').split(/\r?\n/);
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async stop() {
      const stopped = child;
      if (stopped === undefined || stopped.exitCode !== null || stopped.signalCode !== null) return;
      const ended = new Promise((resolve) => stopped.once('close', resolve));
      stopped.kill('SIGKILL');
      await ended;
    },
    async start() {
      await writeFile(file, [...fixed, 'bind 127.0.0.1', `dir ${folder}`, ...listening, ...lines, ''].join('\n'));
      const [program = '', ...args] = [...leash, programs['redis-server'], file, ...(sentinel ? ['--sentinel'] : [])];
      const started = spawn(program, args, { stdio: 'ignore' });
      started.unref();
      child = started;
      await eventually(() => {
        if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}; see ${file}`);
        return opened(port);
      }, 30_000);
    },
  };
  t.after(() => server.stop());
  await server.start();
  return server;
}

function opened(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}
