/** The file and the environment, read into one frozen `Config`, or one error with all that is wrong. */

import { auth } from './auth.ts';
import { childOf, type Keys, newReport, type Report } from './check.ts';
import { compatibility } from './compatibility.ts';
import { checkTogether } from './contradictions.ts';
import { applyEnvironment, type Environment } from './env.ts';
import { health } from './health.ts';
import { http } from './http.ts';
import { catalog, tags } from './listings.ts';
import { log, loglevel } from './log.ts';
import { type Extensions, middleware } from './middleware.ts';
import { notifications } from './notifications.ts';
import { policy } from './policy.ts';
import { ConfigError, type Problem, type Warning } from './problem.ts';
import { proxy } from './proxy.ts';
import { redis } from './redis.ts';
import { reporting } from './reporting.ts';
import { warnUnknown } from './section.ts';
import { storage } from './storage.ts';
import { isAbsent, type Mapping, parseTree, repeatedKeys, type Tree, YamlFault } from './tree.ts';
import type { Config } from './types.ts';
import { validation } from './validation.ts';
import { version } from './version.ts';

export interface ConfigSource {
  /** The text of the file. */
  readonly file: string;
  /** Its path, for messages. */
  readonly path: string;
  readonly env: Environment;
  /** Middleware that the program knows beside that of the storage; none if left out. */
  readonly extensions?: Extensions;
}

/** Every key of the file at its top, in the order of the documentation. */
export const rootKeys = {
  version,
  log,
  loglevel,
  storage,
  http,
  health,
  catalog,
  tags,
  validation,
  auth,
  middleware: middleware({ registry: [], repository: [] }),
  proxy,
  policy,
  notifications,
  redis,
  reporting,
  compatibility,
} satisfies Keys;

/**
 * Reads a configuration. The result is complete (defaults are filled in) and frozen all the way down.
 * Throws `ConfigError` with every fault at once; never anything else, whatever the file and the environment hold.
 */
export function readConfig(source: ConfigSource): { readonly config: Config; readonly warnings: readonly Warning[] } {
  const report = newReport();
  const root = parseFile(source, report);
  if (root === undefined) throw new ConfigError(source.path, report.faults, distinct(report.warnings));
  // The version is the file's own: a variable can't make a file of another version one of ours.
  version.read({ path: 'version', tree: root.entries.get('version'), report });
  applyEnvironment(root, { kind: 'section', keys: rootKeys }, source.env, report);
  const config = readSections(root, report, source.extensions);
  if (report.faults.length > 0) {
    throw new ConfigError(source.path, distinct(report.faults), distinct(report.warnings));
  }
  return { config: deepFreeze(config), warnings: distinct(report.warnings) };
}

function parseFile(source: ConfigSource, report: Report): Mapping | undefined {
  const problem = (message: string, remedy: string): Problem => ({ path: '', message, remedy, fromEnvironment: false });
  try {
    const { tree, documents } = parseTree(source.file);
    if (documents > 1) report.warnings.push(problem('only its first document is read', 'take the others out'));
    for (const path of repeatedKeys(tree)) {
      report.warnings.push({ ...problem('written twice, the last one counts', 'take one out'), path });
    }
    if (tree.kind === 'mapping') return tree;
    const message = isAbsent(tree) ? 'it is empty' : 'expected a map of keys at the top';
    report.faults.push(problem(message, 'begin with version: 0.1'));
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error;
    report.faults.push(problem(`not YAML: ${error.message}`, 'correct it there'));
  }
  return undefined;
}

function readSections(root: Mapping, report: Report, extensions: Extensions | undefined): Config {
  const at = (key: string) => childOf({ path: '', tree: root, report }, key, root.entries.get(key));
  const written = log.read(at('log'));
  const older = loglevel.read(at('loglevel'));
  const config: Config = {
    version: '0.1',
    log: { ...written, level: written.level ?? older ?? 'info' },
    storage: storage.read(at('storage')),
    http: http.read(at('http')),
    health: health.read(at('health')),
    catalog: catalog.read(at('catalog')),
    tags: tags.read(at('tags')),
    validation: validation.read(at('validation')),
    redis: redis.read(at('redis')),
    middleware: (extensions === undefined ? rootKeys.middleware : middleware(extensions)).read(at('middleware')),
    compatibility: compatibility.read(at('compatibility')),
    policy: policy.read(at('policy')),
  };
  checkTogether(config, { path: '', tree: root, report });
  const unbuilt = { auth, proxy, notifications, reporting };
  for (const [key, spec] of Object.entries(unbuilt)) spec.read(at(key));
  warnUnknown({ path: '', tree: root, report }, root.entries as ReadonlyMap<string, Tree>, Object.keys(rootKeys));
  return config;
}

/** Each problem once, however many keys led to it. */
function distinct(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Map(problems.map((problem) => [`${problem.path}\n${problem.message}`, problem]));
  return [...seen.values()];
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
