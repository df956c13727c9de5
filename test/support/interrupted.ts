import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does one last thing when this process is told to end, and then lets it end as it would have. Gives what takes it back.
 */
export function whenInterrupted(work: () => Promise<void>): () => void {
  const end = (signal: NodeJS.Signals): void => {
    forget();
    // Who reads them may have ended already: that must not end this process before its work is done.
    for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
    void work()
      .catch((error: Error) => process.stderr.write(`${error.message}\n`))
      .finally(() => process.exit(128 + constants.signals[signal]));
  };
  const forget = (): void => {
    for (const signal of signals) process.off(signal, end);
  };
  for (const signal of signals) process.on(signal, end);
  return forget;
}
