import { spawn } from 'node:child_process';

/**
 * Takes an exclusive lock on a file, waiting for whoever holds it. The lock belongs to a `flock` process that lives until
 * `release` or until this process ends in whatever way, so a killed builder never leaves a lock behind.
 *
 * Where there is no `flock` (it comes with util-linux) nothing is locked: two builders may then do the same work twice,
 * but each in a folder of its own.
 *
 * @param waiting called once if the lock is not free at once
 */
export function lock(
  path: string,
  options: { signal?: AbortSignal | undefined; waiting?: () => void } = {},
): Promise<{ held: boolean; release: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['--exclusive', path, 'sh', '-c', 'echo held; exec cat >/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const ended = new Promise<void>((done) => child.on('close', () => done()));
    const patience = setTimeout(() => options.waiting?.(), 1000);
    child.stdin.on('error', () => {});
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(patience);
      if (error.code === 'ENOENT') resolve({ held: false, release: async () => {} });
      else reject(error);
    });
    child.stdout.once('data', () => {
      clearTimeout(patience);
      resolve({
        held: true,
        release: () => {
          child.stdin.end();
          return ended;
        },
      });
    });
    child.on('close', () => {
      clearTimeout(patience);
      reject(new Error(`cannot lock ${path}`));
    });
  });
}
