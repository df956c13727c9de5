import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ImageError } from './error.ts';

const run = promisify(execFile);

/** Ten minutes: the largest download here is 53 MB. */
const DEADLINE = 600_000;

/**
 * Runs a program to its end and gives its standard output.
 *
 * @throws ImageError with the last lines of what it printed, or `missing` if there is no such program
 */
export async function execute(
  program: string,
  args: readonly string[],
  options: { signal: AbortSignal; cwd?: string; missing?: string },
): Promise<string> {
  try {
    const { stdout } = await run(program, args, {
      signal: options.signal,
      timeout: DEADLINE,
      killSignal: 'SIGKILL',
      maxBuffer: 64 << 20,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    return stdout;
  } catch (error) {
    const failure = error as NodeJS.ErrnoException & { stderr?: string; stdout?: string };
    options.signal.throwIfAborted();
    if (failure.code === 'ENOENT') {
      throw new ImageError(options.missing ?? `${program} is not installed on this machine`);
    }
    const tail = (failure.stderr || failure.stdout || failure.message).trim().split('\n').slice(-6).join('\n');
    throw new ImageError(`${program} failed:\n${tail}`);
  }
}
