/** `registry garbage-collect`: Distribution's command line and output over `gc/collect`. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCaches } from './cache/collected.ts';
import { parseDuration } from './config/duration.ts';
import type { LoadOptions } from './config/load.ts';
import { collect, type Summary } from './gc/collect.ts';
import { createCollectOutput } from './gc/output.ts';
import { livingPushers } from './gc/pushers.ts';
import { isDeadHere } from './holder.ts';
import { notice } from './service/collections.ts';
import { repositoriesRoot } from './service/keys.ts';
import { collectionLease } from './service/lease-record.ts';
import { parseFlags, tellUsage, type Upkeep, upkeep } from './upkeep.ts';

export const collectUsage = `registry garbage-collect [-d] [-m] [-q] [-o json] [--grace DURATION] [CONFIGURATION]`;

const help = `usage: ${collectUsage}

Deletes content that no manifest of any repository points to. Berth may run meanwhile; stop other registries first.

  -d, --dry-run           tell what would be deleted, delete nothing
  -m, --delete-untagged   delete manifests that no tag points to, too
  -q, --quiet             nothing on standard output; the log goes on
  -o, --output json       print a summary as JSON instead of lines
      --grace DURATION    keep what was written so long before the start, such as 1h (default 0s)
`;

interface Asked {
  readonly path: string | undefined;
  readonly dryRun: boolean;
  readonly untagged: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
  /** Milliseconds. */
  readonly grace: number;
}

/** Resolves with the exit code: 0, or 1 if it ended early, which is told on standard error. */
export async function garbageCollect(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: LoadOptions = {},
): Promise<number> {
  const asked = parse(args);
  if (typeof asked === 'string') return tellUsage(asked, help);
  const work = async (kept: Upkeep): Promise<number> => {
    await requireRepositories(kept);
    // A dry run writes nothing, not even a lease.
    if (asked.dryRun) return run(asked, kept, Date.now(), kept.signal);
    return kept.leased(collectionLease, async (lease, signal) => {
      await giveNotice(kept, lease.since, signal);
      return run(asked, kept, lease.since, signal);
    });
  };
  return upkeep(asked.path, env, work, options);
}

/** A wrong folder, bucket or mount must not pass for a store that holds no garbage, nor be made. Distribution refuses as well. */
async function requireRepositories({ store, signal }: Upkeep): Promise<void> {
  if ((await store.stat(repositoriesRoot, { signal })) !== undefined) return;
  throw new Error(
    `Path not found: ${repositoriesRoot}: nothing was ever pushed to this storage, or it is another one; ` +
      'look whether the configuration names the right one and whether it is mounted and whole',
  );
}

/** Waits until every push is over that knows nothing of this run. */
async function giveNotice({ store, log }: Upkeep, since: number, signal: AbortSignal): Promise<void> {
  try {
    const pushers = await livingPushers(store, { since, isDead: isDeadHere, signal });
    if (pushers === 0) return;
    log.info(
      { pushers, seconds: notice / 1000 },
      'registries that accept pushes may be running: waiting until all know',
    );
    await sleep(notice, undefined, { signal });
  } catch (error) {
    throw endedEarly(error, signal);
  }
}

function endedEarly(error: unknown, signal: AbortSignal): Error {
  const reason = signal.aborted ? (signal.reason as Error) : (error as Error);
  return new Error(`garbage collection ended early: ${reason.message}`, { cause: error });
}

async function run(asked: Asked, { config, store, log }: Upkeep, since: number, stop: AbortSignal): Promise<number> {
  const pipe = new AbortController();
  process.stdout.on('error', () => pipe.abort(new Error('nobody reads standard output any more')));
  const signal = AbortSignal.any([stop, pipe.signal]);
  const { stderr, stdout } = process;
  const output = createCollectOutput({
    write: (text) => stdout.write(text),
    lines: !asked.quiet && !asked.json,
    // Lines on a terminal are progress enough.
    terminal: stderr.isTTY && (asked.quiet || asked.json || !stdout.isTTY) ? (text) => stderr.write(text) : undefined,
    clock: () => performance.now(),
  });
  const started = performance.now();
  const { dryRun, untagged } = asked;
  const seed = randomBytes(4).readInt32LE();
  const caches = asked.dryRun ? undefined : await openCaches(config, log);
  let summary: Summary;
  try {
    const options = { dryRun, untagged, cutoff: since - asked.grace, seed, signal };
    summary = await collect(options, { store, log, output, forget: caches?.forget ?? (async () => undefined) });
  } catch (error) {
    throw endedEarly(error, signal);
  } finally {
    await caches?.close();
    output.end();
  }
  const seconds = Math.round((performance.now() - started) / 10) / 100;
  if (asked.json) stdout.write(`${JSON.stringify({ dryRun, deleteUntagged: untagged, ...summary, seconds })}\n`);
  log.info(
    { ...(dryRun ? { dryrun: true } : {}), ...summary.eligible, kept: summary.kept.length, seconds },
    'garbage collection finished',
  );
  return 0;
}

/** What is asked for; or what is wrong with it; or nothing, if help is asked for. */
function parse(args: readonly string[]): Asked | string {
  try {
    const { values, positionals } = parseFlags(args, {
      'dry-run': { type: 'boolean', short: 'd' },
      'delete-untagged': { type: 'boolean', short: 'm' },
      quiet: { type: 'boolean', short: 'q' },
      help: { type: 'boolean', short: 'h' },
      output: { type: 'string', short: 'o' },
      grace: { type: 'string' },
    });
    if (values.help === true) return '';
    if (positionals.length > 1) return 'garbage-collect takes one configuration file';
    const { output } = values;
    if (output !== undefined && output !== 'json' && output !== 'text')
      return `--output is text or json, not ${output}`;
    const grace = parseDuration(values.grace ?? '0s');
    if (grace === undefined || grace < 0) return `--grace is a duration such as 90m or 24h, not ${values.grace}`;
    return {
      path: positionals[0],
      dryRun: values['dry-run'] === true,
      untagged: values['delete-untagged'] === true,
      quiet: values.quiet === true,
      json: output === 'json',
      grace,
    };
  } catch (error) {
    return (error as Error).message;
  }
}
