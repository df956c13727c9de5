/** Reads a configuration in one line. */
import assert from 'node:assert/strict';
import { ConfigError, formatProblem } from '../../../registry/config/problem.ts';
import { readConfig } from '../../../registry/config/read.ts';
import type { Config } from '../../../registry/config/types.ts';

export type Env = Readonly<Record<string, string>>;

export const MINIMAL = 'version: 0.1\nstorage: inmemory\n';

export const configOf = (file: string, env: Env = {}): Config => readConfig({ file, path: 'config.yml', env }).config;

/** The warnings, as a person sees them. */
export const warningsOf = (file: string, env: Env = {}): readonly string[] =>
  readConfig({ file, path: 'config.yml', env }).warnings.map((warning) => formatProblem('config.yml', warning));

/** The faults, as a person sees them; empty if it can be read. */
export function faultsOf(file: string, env: Env = {}): readonly string[] {
  try {
    readConfig({ file, path: 'config.yml', env });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
}

/** As many lines as patterns, each of its own. */
export function each(lines: readonly string[], patterns: readonly RegExp[]): void {
  assert.equal(lines.length, patterns.length, lines.join('\n'));
  for (const pattern of patterns)
    assert.ok(
      lines.some((line) => pattern.test(line)),
      `${pattern} in\n${lines.join('\n')}`,
    );
}
