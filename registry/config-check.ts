/** `registry config check`: what the registry makes of a configuration, fit to be shown to anybody. */
import { parseArgs } from 'node:util';
import { dump, YAML11_SCHEMA } from 'js-yaml';
import type { Environment } from './config/env.ts';
import { checkFiles } from './config/files.ts';
import { type LoadOptions, loadConfig } from './config/load.ts';
import { ConfigError, formatProblem } from './config/problem.ts';
import { writtenForm } from './config/written.ts';
import { REDACTED, redactText } from './log/redact.ts';

export interface CheckOutput {
  /** The resolved configuration. */
  stdout(text: string): void;
  /** Warnings. */
  stderr(text: string): void;
}

export const checkUsage = 'registry config check [CONFIGURATION] [-o yaml|json]';

/** Names of values that nobody needs to see to judge a configuration. Keys that name files (`privatekey`, `key`) are none. */
const SECRET =
  /(?:secret|secretkey|password|passwd|token|credentials?|accountkey|apikey|licensekey|connectionstring|private_key|authorization|cookie|signature)$/i;

/**
 * Prints the configuration in the form of its file, defaults filled in, secrets left out; warnings apart. Resolves with the
 * exit code. Rejects with `ConfigError` and every fault.
 */
export async function checkConfig(
  args: readonly string[],
  env: Environment,
  output: CheckOutput,
  options: LoadOptions = {},
): Promise<number> {
  const asked = parse(args);
  if (asked === undefined) {
    output.stderr(`usage: ${checkUsage}\n`);
    return 1;
  }
  const { config, warnings, path } = await loadConfig(asked.path, env, options);
  for (const warning of warnings) output.stderr(`warning: ${formatProblem(path, warning)}\n`);
  const faults = await checkFiles(config, options.signal);
  if (faults.length > 0) throw new ConfigError(path, faults);
  const shown = redacted('', writtenForm(config));
  output.stdout(
    asked.format === 'json'
      ? `${JSON.stringify(shown, null, 2)}\n`
      : dump(shown, { lineWidth: 120, schema: YAML11_SCHEMA }),
  );
  return 0;
}

function parse(args: readonly string[]): { readonly path: string | undefined; readonly format: string } | undefined {
  try {
    const options = { output: { type: 'string', short: 'o', default: 'yaml' } } as const;
    const { positionals, values } = parseArgs({ args: [...args], allowPositionals: true, options });
    const [path, ...more] = positionals;
    return more.length > 0 || !/^(yaml|json)$/.test(values.output) ? undefined : { path, format: values.output };
  } catch {
    return undefined;
  }
}

/** `path` is that of the key, in dots. */
function redacted(path: string, value: unknown): unknown {
  if (value === undefined || value === null || value === '') return value;
  // How to sign in to Azure has parts that are worth seeing; Google's key file has none.
  if (SECRET.test(path) && path !== 'storage.azure.credentials') return REDACTED;
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object') return value;
  // Headers of requests may carry keys, whatever they are called; those of answers go to everybody.
  if (/(^|\.)headers$/.test(path) && path !== 'http.headers') return REDACTED;
  if (Array.isArray(value)) return value.map((item, index) => redacted(`${path}.${index}`, item));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redacted(join(path, key), inner)]));
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);
