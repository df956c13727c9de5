import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperatorError } from '../error.ts';
import type { Output } from './io.ts';

/** A running server. */
export interface Child {
  readonly pid: number;
  /** Fulfilled when it has ended, with how in words, such as `code 1` or `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Asks it to end, and ends it by force after the grace period; fulfilled when it has ended. */
  stop(grace: number): Promise<string>;
}

/**
 * Starts the server; its output goes to `log`. It leads a process group of its own, so that Ctrl-C in the terminal reaches only
 * the supervisor: the server takes a second signal as the wish to end at once.
 *
 * @throws OperatorError `usage` if the program cannot be started
 */
export async function startChild(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  log: Output,
): Promise<Child> {
  const child = spawn(program, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill); // whatever ends the supervisor, the server does not stay behind
  const ended = new Promise<string>((resolve) => {
    child.once('close', (code, signal) => {
      process.removeListener('exit', kill);
      resolve(signal === null ? `code ${code}` : `signal ${signal}`);
    });
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => log.write(chunk.toString()));
  const failed = once(child, 'error').then(([error]) => error as NodeJS.ErrnoException);
  const error = await Promise.race([once(child, 'spawn').then(() => undefined), failed]);
  if (error !== undefined || child.pid === undefined) {
    process.removeListener('exit', kill);
    throw new OperatorError('usage', `cannot start ${program}: ${error?.code ?? 'no process'}`);
  }
  return {
    pid: child.pid,
    ended,
    stop: async (grace) => {
      child.kill('SIGTERM');
      const timer = new AbortController();
      const late = sleep(grace, 'late', { signal: timer.signal }).catch(() => 'ended');
      if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL');
      const how = await ended;
      timer.abort();
      return how;
    },
  };
}
