/**
 * What the process does with signals. SIGTERM and SIGINT ask it to end: the first drains, a second does not wait. SIGHUP,
 * which ends Distribution, asks for what can be read anew while it runs to be read anew.
 */
import type { EventEmitter } from 'node:events';
import type { Logger } from './log.ts';

export interface Signals {
  /** Resolves when the process is asked to end. */
  readonly asked: Promise<void>;
  /** `work` is done on each SIGHUP; what it throws is logged under its name, and the others go on. */
  onReload(name: string, work: () => void | Promise<void>): void;
}

export interface SignalsDependencies {
  readonly process: Pick<EventEmitter, 'on'>;
  readonly log: Logger;
  readonly exit: (code: number) => void;
}

/** From here on the signals are ours. */
export function listenForSignals({ process, log, exit }: SignalsDependencies): Signals {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const works: { readonly name: string; readonly work: () => void | Promise<void> }[] = [];
  let count = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (++count > 1) exit(1);
      resolve();
    });
  }
  process.on('SIGHUP', () => {
    if (works.length === 0)
      log.info({}, 'SIGHUP: this configuration has nothing that is read anew; restart to change it');
    for (const { name, work } of works) {
      // Each on its own: one that fails or hangs keeps no other from its turn.
      (async () => work())().then(
        () => log.info({ what: name }, 'SIGHUP: read anew'),
        (error: unknown) =>
          log.error({ err: error, what: name }, 'SIGHUP: could not be read anew; what was read before stays'),
      );
    }
  });
  return {
    asked,
    onReload(name, work) {
      works.push({ name, work });
    },
  };
}
