import { spawn } from 'node:child_process';

/** What an executed command may be given. */
export interface ExecuteOptions {
  cwd?: string;
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** Written to the command's standard input. */
  input?: string;
  signal?: AbortSignal;
  /** Milliseconds until the command is killed. Default: 60 s. */
  deadline?: number;
}

/** A command that could not be started, failed, or outran its deadline. */
export class CommandError extends Error {
  override name = 'CommandError';
  /** True when the program does not exist on this machine. */
  readonly notFound: boolean;
  /** The exit code, if it came to one. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(message: string, details: { notFound?: boolean; code?: number; stdout?: string; stderr?: string }) {
    super(message);
    this.notFound = details.notFound ?? false;
    this.code = details.code;
    this.stdout = details.stdout ?? '';
    this.stderr = details.stderr ?? '';
  }
}

/** Much more than any command here prints; what goes beyond it is dropped from the front. */
const kept = 4 << 20;

/**
 * Runs a command to its end and gives what it printed.
 *
 * @throws CommandError with the last lines of its standard error when it did not exit with 0
 */
export function execute(
  command: string,
  args: readonly string[],
  options: ExecuteOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const deadline = AbortSignal.timeout(options.deadline ?? 60_000);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-kept);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-kept);
    });
    // A command that does not read its input closes it; that is its business.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.on('error', (error: NodeJS.ErrnoException) => {
      const reason = deadline.aborted ? `took longer than ${(options.deadline ?? 60_000) / 1000} s` : error.message;
      reject(new CommandError(`${command}: ${reason}`, { notFound: error.code === 'ENOENT', stdout, stderr }));
    });
    child.on('close', (code, killedBy) => {
      if (code === 0) return resolve({ stdout, stderr });
      const how = code === null ? `ended by ${killedBy}` : `exit code ${code}`;
      const tail = (stderr.trim() || stdout.trim()).split('\n').slice(-8).join('\n');
      reject(
        new CommandError(`${[command, ...args].join(' ').slice(0, 200)}: ${how}\n${tail}`, {
          ...(code === null ? {} : { code }),
          stdout,
          stderr,
        }),
      );
    });
  });
}
