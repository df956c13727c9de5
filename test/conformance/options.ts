import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** `core` is what the specification asks of every registry; the others belong to capabilities that a server may lack. */
export const groups = ['core', 'auth', 'purge', 'redirect', 'limits', 'upgrade'] as const;
export type Group = (typeof groups)[number];

export interface Options {
  /** The registry, without `/v2/` and without a slash at its end. */
  readonly url: string;
  readonly groups: readonly Group[];
  /** Every test makes repositories of its own below this name. */
  readonly repository: string;
  /** As `repository`, for the sources of mounts. */
  readonly repository2: string;
  readonly username: string;
  /** A file whose first line is the password; `undefined`: no credentials. */
  readonly passwordFile: string | undefined;
  readonly deleteDisabled: boolean;
  /** The server is set up to admit manifests whose parts are not there. */
  readonly sparse: boolean;
  /** Holds Berth's own answer where the specification leaves a choice; declining counts as failing. */
  readonly strict: boolean;
  readonly output: 'text' | 'json';
  /** A regular expression; only tests whose name it matches run. */
  readonly only: string | undefined;
  readonly concurrency: number;
  /** Leaves what the tests pushed in the registry. */
  readonly keep: boolean;
  /** For `upgrade`: an older registry without the referrers API on the same storage. */
  readonly peer: string | undefined;
}

export const usage = `usage: npm run conformance -- URL [options]

Runs the OCI distribution conformance tests against the registry at URL, such as http://127.0.0.1:5000.

  --group LIST            ${groups.join(', ')}; separated by commas (default: core)
  --repository NAME       tests make their repositories below this name (default: conformance)
  --repository2 NAME      the same for the sources of mounts (default: conformance-source)
  --username NAME, --password-file FILE
                          credentials; the password is the file's first line
  --delete-disabled       the registry refuses to delete, and shall say so
  --sparse                the registry admits manifests whose parts are missing, and shall serve them
  --strict berth          hold Berth's answer where several are allowed; a declined feature fails
  --only REGEX            run only the tests whose name matches
  --concurrency N         tests at the same time (default: 4)
  --keep                  do not delete what was pushed
  --peer URL              for the group upgrade: an older registry on the same storage
  -o text|json            what to print (default: text)`;

/** A fault in how the program was called; its message says what to write instead. */
export class UsageError extends Error {}

const flags = {
  group: { type: 'string', multiple: true },
  repository: { type: 'string', default: 'conformance' },
  repository2: { type: 'string', default: 'conformance-source' },
  username: { type: 'string', default: '' },
  'password-file': { type: 'string' },
  'delete-disabled': { type: 'boolean', default: false },
  sparse: { type: 'boolean', default: false },
  strict: { type: 'string' },
  only: { type: 'string' },
  concurrency: { type: 'string', default: '4' },
  keep: { type: 'boolean', default: false },
  peer: { type: 'string' },
  output: { type: 'string', short: 'o', default: 'text' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * Reads the command line.
 * @returns the options, or `undefined` when only help was asked for
 * @throws UsageError
 */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values, positionals } = parse(argv);
  if (values.help) return undefined;
  const [url, ...rest] = positionals;
  if (url === undefined) throw new UsageError('no registry given; name its URL, such as http://127.0.0.1:5000');
  if (rest.length > 0) throw new UsageError(`one URL at a time; ${rest.join(', ')} is too much`);
  if (values.strict !== undefined && values.strict !== 'berth') {
    throw new UsageError(`--strict ${values.strict}: the only set of decided answers is "berth"`);
  }
  const concurrency = Number(values.concurrency);
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new UsageError(`--concurrency ${values.concurrency}: a whole number from 1 on`);
  }
  if (values.output !== 'text' && values.output !== 'json') {
    throw new UsageError(`-o ${values.output}: text or json`);
  }
  return {
    url: baseUrl(url),
    groups: groupsOf(values.group ?? ['core']),
    repository: repositoryName('--repository', values.repository),
    repository2: repositoryName('--repository2', values.repository2),
    username: values.username,
    passwordFile: readable(values['password-file']),
    deleteDisabled: values['delete-disabled'],
    sparse: values.sparse,
    strict: values.strict === 'berth',
    output: values.output,
    only: expression(values.only),
    concurrency,
    keep: values.keep,
    peer: values.peer === undefined ? undefined : baseUrl(values.peer),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: flags, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function baseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new UsageError(`${text} is no URL of a registry; write http://HOST:PORT or https://HOST`);
  }
  return text.replace(/\/+$/, '').replace(/\/v2$/, '');
}

function groupsOf(lists: readonly string[]): Group[] {
  const names = lists.flatMap((list) => list.split(',')).map((name) => name.trim());
  return [...new Set(names)].map((name) => {
    const group = groups.find((known) => known === name);
    if (group === undefined) throw new UsageError(`--group ${name}: there are ${groups.join(', ')}`);
    return group;
  });
}

function repositoryName(flag: string, name: string): string {
  if (!/^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/.test(name) || name.length > 100) {
    throw new UsageError(`${flag} ${name}: lower-case letters and digits, joined by . _ __ - or /, at most 100`);
  }
  return name;
}

function expression(text: string | undefined): string | undefined {
  try {
    new RegExp(text ?? '');
    return text;
  } catch {
    throw new UsageError(`--only ${text}: no regular expression`);
  }
}

function readable(file: string | undefined): string | undefined {
  if (file !== undefined) {
    try {
      readFileSync(file);
    } catch (error) {
      throw new UsageError(`--password-file ${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return file;
}
