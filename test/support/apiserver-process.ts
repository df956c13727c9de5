import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

/** A server that a test runs. */
export interface ServerProcess {
  readonly pid: number;
  /** True once it has ended, by whatever cause. */
  readonly ended: boolean;
  signal(name: NodeJS.Signals): void;
  /** Ends it with SIGKILL and waits until it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts a server with its output in `log`. It dies with this process, however that ends: the kernel sends it SIGKILL.
 */
export async function startServer(
  command: string,
  args: readonly string[],
  options: { cwd: string; log: string },
): Promise<ServerProcess> {
  const log = openSync(options.log, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    cwd: options.cwd,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let ended = false;
  const gone = new Promise<void>((resolve) => {
    child.on('close', () => {
      ended = true;
      resolve();
    });
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('spawn', () => resolve(child.pid ?? 0));
  });
  return {
    pid,
    get ended() {
      return ended;
    },
    signal: (name) => {
      child.kill(name);
    },
    kill: () => {
      child.kill('SIGKILL');
      return gone;
    },
  };
}

/** Ports given out already: a server may be started a good while after its port was found. */
const taken = new Set<number>();

/**
 * A TCP port of 127.0.0.1 on which nothing listens, below the range from which the kernel takes the ports of outgoing
 * connections: a server that is restarted finds its port still free.
 */
export async function stablePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (taken.has(port)) continue;
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    taken.add(port);
    return port;
  }
  throw new Error('found no free port between 20000 and 31999');
}

/** The last lines of log files, for an error message. */
export async function logTails(...files: string[]): Promise<string> {
  const tails = files.map(async (file) => {
    const text = await readFile(file, 'utf8').catch(() => '');
    return `${file}:\n${text.trimEnd().split('\n').slice(-8).join('\n')}`;
  });
  return (await Promise.all(tails)).join('\n');
}
