/** From the command line and the environment to a configuration: finds the file, reads it, reports what is wrong with either. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Environment } from './env.ts';
import type { Extensions } from './middleware.ts';
import { ConfigError, type Warning } from './problem.ts';
import { readConfig } from './read.ts';
import type { Config } from './types.ts';

/** Where images of Distribution keep it: 3.x, then 2.x. */
const DEFAULTS = ['/etc/distribution/config.yml', '/etc/docker/registry/config.yml'] as const;

/** Milliseconds; a path may lead to a pipe that nobody writes to, or to a network that is down. */
const DEADLINE = 30_000;

export interface LoadOptions {
  readonly extensions?: Extensions;
  readonly signal?: AbortSignal;
}

export interface Loaded {
  readonly config: Config;
  readonly warnings: readonly Warning[];
  /** The file that was read. */
  readonly path: string;
}

/** Reads the configuration that a command was given. Throws `ConfigError` with all that is wrong. */
export async function loadConfig(
  argument: string | undefined,
  env: Environment,
  { extensions, signal }: LoadOptions = {},
): Promise<Loaded> {
  const path = configPath(argument, env);
  const deadline = AbortSignal.timeout(DEADLINE);
  const options = {
    encoding: 'utf8',
    signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
  } as const;
  const file = await readFile(path, options).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(path, [{ path: '', fromEnvironment: false, ...unreadable(error) }]);
  });
  return { ...readConfig({ file, path, env, ...(extensions === undefined ? {} : { extensions }) }), path };
}

/**
 * The path of the configuration file: the command's argument, else `REGISTRY_CONFIGURATION_PATH`, else where images keep it.
 * Throws `ConfigError` if there is none of these.
 */
export function configPath(
  argument: string | undefined,
  env: Environment,
  exists: (path: string) => boolean = existsSync,
): string {
  const path = argument || env['REGISTRY_CONFIGURATION_PATH'] || DEFAULTS.find(exists);
  if (path) return path;
  throw new ConfigError('', [
    {
      path: 'REGISTRY_CONFIGURATION_PATH',
      message: `no configuration file is named, and there is neither ${DEFAULTS.join(' nor ')}`,
      remedy: 'pass its path as the argument, or set this variable',
      fromEnvironment: true,
    },
  ]);
}

function unreadable(error: NodeJS.ErrnoException): { readonly message: string; readonly remedy: string } {
  switch (error.code) {
    case 'ENOENT':
      return { message: 'there is no such file', remedy: 'name one that is there' };
    case 'EISDIR':
      return { message: 'it is a folder', remedy: 'name a file in it' };
    case 'EACCES':
      return { message: 'not allowed to read it', remedy: "let this process's user read it" };
    case 'ABORT_ERR':
      return { message: `not read within ${DEADLINE / 1000} seconds`, remedy: 'name an ordinary file' };
    default:
      return { message: `cannot be read (${error.code ?? error.message})`, remedy: 'name a file that can' };
  }
}
