/** What the commands that tend a store beside the server have in common: configuration, log, store, lease, signals. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type LoadOptions, loadConfig } from './config/load.ts';
import type { Config } from './config/types.ts';
import { createLeases, type Lease } from './gc/lease.ts';
import { isDeadHere, leaseHolder } from './holder.ts';
import { openOutput } from './log/output.ts';
import { createLogger, type Logger } from './log.ts';
import { writtenRoots } from './service/keys.ts';
import { leaseTime } from './service/lease-record.ts';
import { checkStore, openStore } from './storage/open.ts';
import type { Store } from './storage/store.ts';
import { createUuids } from './uuid.ts';
import { version } from './version.ts';

export interface Upkeep {
  readonly config: Config;
  readonly log: Logger;
  readonly store: Store;
  /** Fires when the process is asked to end. */
  readonly signal: AbortSignal;
  /** Does `work` under a lease of the store, whose loss stops it. Throws if another process has it and lives. */
  leased<T>(name: string, work: (lease: Lease, signal: AbortSignal) => Promise<T>): Promise<T>;
}

/** Milliseconds: longer than a lease stands still before its holder counts as dead. */
const patience = leaseTime * 1.5;

/** Opens what the configuration names, does the work and closes it. Rejects with a sentence for people. */
export async function upkeep<T>(
  path: string | undefined,
  env: NodeJS.ProcessEnv,
  work: (upkeep: Upkeep) => Promise<T>,
  options: LoadOptions = {},
): Promise<T> {
  const { config, warnings } = await loadConfig(path, env, options);
  const newId = createUuids();
  const log = createLogger(config.log, { stream: openOutput(2), instanceId: newId(), version });
  for (const { path: key, message, remedy } of warnings) log.warn({ key, remedy }, message);
  const context = { log, userAgent: `berth/${version}`, folders: writtenRoots };
  const warning = await checkStore(config.storage.driver, context);
  if (warning !== undefined) log.warn({}, warning);
  const stop = stopSignal();
  const store = await openStore(config.storage.driver, { ...context, once: true });
  const clock = (): number => performance.now();
  const leases = createLeases({ store, holder: leaseHolder(), isDead: isDeadHere, newId, clock, ttl: leaseTime });
  const leased: Upkeep['leased'] = async (name, task) => {
    const lease = await leases.take(name, patience, {
      signal: stop,
      onWait: (other) =>
        log.warn(
          { lease: name, holder: other.replace(/@.*/, '') },
          'another process is at it; waiting for a sign of life',
        ),
    });
    if ('holder' in lease)
      throw new Error(`${lease.holder.replace(/@.*/, '')} is at it just now (lease ${name}); try again later`);
    try {
      return await task(lease, AbortSignal.any([stop, lease.lost]));
    } finally {
      await lease.release();
    }
  };
  try {
    return await work({ config, log, store, signal: stop, leased });
  } finally {
    await store.close();
  }
}

/** What a command line asks for instead of work: `help` by an empty text, or to be told its fault. Gives the exit code. */
export function tellUsage(fault: string, help: string): number {
  if (fault === '') process.stdout.write(help);
  else process.stderr.write(`registry: ${fault}\n\n${help}`);
  return fault === '' ? 0 : 1;
}

/** Asked once, the process stops where it is; asked twice, it does not even say so. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error(`stopped by ${signal}; what was done is whole, run it again for the rest`));
    });
  }
  return controller.signal;
}

/** `args` with Go's way of writing switches (`--dry-run=false`) taken apart; throws a sentence for people. */
export function parseFlags<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
) {
  const plain: string[] = [];
  for (const [position, arg] of args.entries()) {
    if (arg === '--') {
      plain.push(...args.slice(position));
      break;
    }
    const [, name, value = ''] = /^--?([\w-]+)=(.*)$/.exec(arg) ?? [];
    const known = Object.entries(options).find(([long, { short }]) => name === long || name === short);
    if (known?.[1].type !== 'boolean') plain.push(arg);
    else if (/^(1|t|T|true|TRUE|True)$/.test(value)) plain.push(`--${known[0]}`);
    else if (!/^(0|f|F|false|FALSE|False)$/.test(value))
      throw new Error(`--${known[0]} is true or false, not ${value}`);
  }
  try {
    return parseArgs({ args: plain, options, allowPositionals: true });
  } catch (error) {
    // Node's hint on how to pass such texts is about its own ways.
    throw new Error((error as Error).message.replace(/\. To specify .*$/s, ''));
  }
}
