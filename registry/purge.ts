/** `registry purge-uploads`: the server's purge of uploads, once. */
import { parseDuration } from './config/duration.ts';
import type { LoadOptions } from './config/load.ts';
import { purgeUploads } from './gc/purge.ts';
import { purgeLease } from './gc/purger.ts';
import { parseFlags, tellUsage, type Upkeep, upkeep } from './upkeep.ts';

export const purgeUsage = 'registry purge-uploads [--dry-run] [--older-than DURATION] [CONFIGURATION]';

const help = `usage: ${purgeUsage}

Deletes uploads that were begun long ago and never finished, and prints their folders. The registry may go on running.

  -d, --dry-run               tell what would be deleted, delete nothing
      --older-than DURATION   such as 24h; by default what storage.maintenance.uploadpurging.age says (168h)
  -q, --quiet                 print nothing
`;

interface Asked {
  readonly path: string | undefined;
  readonly dryRun: boolean;
  readonly quiet: boolean;
  /** Milliseconds. */
  readonly age: number | undefined;
}

/** Resolves with the exit code: 0, or 1 if some could not be deleted. */
export async function purgeOnce(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: LoadOptions = {},
): Promise<number> {
  const asked = parse(args);
  if (typeof asked === 'string') return tellUsage(asked, help);
  const { dryRun, quiet } = asked;
  const work = async ({ config, store, log, signal, leased }: Upkeep): Promise<number> => {
    const age = asked.age ?? config.storage.maintenance.uploadpurging.age;
    const told = quiet ? undefined : (path: string) => console.log(path);
    const purge = async (stop: AbortSignal) =>
      purgeUploads({ olderThan: Date.now() - age, dryRun, signal: stop }, { store, log, told });
    const { errors } = dryRun ? await purge(signal) : await leased(purgeLease, (_lease, stop) => purge(stop));
    return errors === 0 ? 0 : 1;
  };
  return upkeep(asked.path, env, work, options);
}

/** What is asked for; or what is wrong with it; or nothing, if help is asked for. */
function parse(args: readonly string[]): Asked | string {
  try {
    const { values, positionals } = parseFlags(args, {
      'dry-run': { type: 'boolean', short: 'd' },
      quiet: { type: 'boolean', short: 'q' },
      help: { type: 'boolean', short: 'h' },
      'older-than': { type: 'string' },
    });
    if (values.help === true) return '';
    if (positionals.length > 1) return 'purge-uploads takes one configuration file';
    const written = values['older-than'];
    const age = written === undefined ? undefined : parseDuration(written);
    if (written !== undefined && (age === undefined || age < 0)) {
      return `--older-than is a duration such as 90m or 24h, not ${written}`;
    }
    return { path: positionals[0], dryRun: values['dry-run'] === true, quiet: values.quiet === true, age };
  } catch (error) {
    return (error as Error).message;
  }
}
