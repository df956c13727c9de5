/**
 * The health of what the registry depends on: a closed list of checks, each asked at its own interval. A check that hangs
 * fails at its deadline, goes on failing, and is not asked again before it has come to an end: a hung disk makes the
 * registry unhealthy and piles nothing up.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Check {
  /** As `/debug/health` shows it. */
  readonly name: string;
  /** Milliseconds between the end of one look and the begin of the next. */
  readonly interval: number;
  /** Failures in a row before it counts; at least 1. */
  readonly threshold: number;
  /** Milliseconds that one look may take. */
  readonly deadline: number;
  /** Resolves when all is well; rejects with the reason when not. */
  readonly probe: (options: { readonly signal: AbortSignal }) => Promise<unknown>;
}

export interface Health {
  /** Reasons by the name of the check; `undefined` while everything is well. Costs nothing: it looks at nothing. */
  failing(): Readonly<Record<string, string>> | undefined;
  /** Begins asking; the first answers come after one interval, as in Distribution. */
  start(): void;
  /** Ends asking, and tells a look under way to end. */
  stop(): Promise<void>;
}

interface Reporter {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

/** Throws if two checks have the same name: that is a fault of the configuration. */
export function createHealth(checks: readonly Check[], log: Reporter): Health {
  const names = new Set(checks.map((check) => check.name));
  if (names.size !== checks.length) throw new Error('two health checks have the same name');
  const ending = new AbortController();
  const failing = new Map<string, string>();
  let report: Readonly<Record<string, string>> | undefined;
  const loops: Promise<void>[] = [];

  const settle = (name: string, reason: string | undefined): void => {
    const before = failing.get(name);
    if (reason === before) return;
    if (reason === undefined) failing.delete(name);
    else failing.set(name, reason);
    report = failing.size === 0 ? undefined : Object.freeze(Object.fromEntries(failing));
    if (before === undefined) log.warn({ check: name, reason }, 'health check failed');
    else if (reason === undefined) log.info({ check: name }, 'health check passes again');
  };

  async function loop(check: Check): Promise<void> {
    const { signal } = ending;
    let failures = 0;
    let hanging = false;
    while (await pause(check.interval, signal)) {
      let reason: string | undefined = late(check);
      if (!hanging) {
        hanging = true;
        const looked = await look(check, signal, () => {
          hanging = false;
        });
        if (signal.aborted) return;
        reason = looked;
      }
      failures = reason === undefined ? 0 : failures + 1;
      if (reason === undefined || failures >= check.threshold) settle(check.name, reason);
    }
  }

  return {
    failing: () => report,
    start() {
      if (loops.length === 0) loops.push(...checks.map(loop));
    },
    async stop() {
      ending.abort();
      await Promise.all(loops);
    },
  };
}

const late = (check: Check): string => `no answer within ${check.deadline} ms`;

/**
 * One look: the reason why it failed, or `undefined`. `ended` is called when the probe itself is over, which may be long
 * after its deadline if it doesn't heed its signal.
 */
async function look(check: Check, signal: AbortSignal, ended: () => void): Promise<string | undefined> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const answer = (async () => check.probe({ signal: either }))().then(() => undefined, reasonOf);
  void answer.finally(ended);
  const deadline = pause(check.deadline, either).then((passed) => (passed ? late(check) : undefined));
  const reason = await Promise.race([answer, deadline]);
  over.abort();
  return reason;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)) || 'failed';

/** The longest time that a timer can be set to; a longer one would be over at once. */
const LONGEST = 2 ** 31 - 1;

/** Whether the time has passed without the signal. It doesn't keep the process alive. */
const pause = (ms: number, signal: AbortSignal): Promise<boolean> =>
  delay(Math.min(ms, LONGEST), true, { signal, ref: false }).catch(() => false);
