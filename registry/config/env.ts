/**
 * Lays `REGISTRY_*` variables over the parsed file, as Distribution does: the name is split on `_`, each piece is one
 * level, the value is YAML, variables apply in the order of their names, so that `REGISTRY_STORAGE` comes before
 * `REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY`. Three things go further than there: elements of lists of texts can be set by
 * index, nested untyped maps (`storage.maintenance.…`) can be reached, and keys with a `_` in them too.
 */
import type { Keys, Report, Shape } from './check.ts';
import { didYouMean } from './nearest.ts';
import type { Problem } from './problem.ts';
import { findServiceLinks } from './servicelinks.ts';
import {
  emptyMapping,
  emptySequence,
  isAbsent,
  type Mapping,
  parseTree,
  type Sequence,
  scalar,
  type Tree,
  YamlFault,
} from './tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'REGISTRY_';

/** Names that are no configuration keys but mean something elsewhere: the path of the file, and an image's own label. */
const NOT_KEYS: ReadonlySet<string> = new Set(['REGISTRY_CONFIGURATION_PATH', 'REGISTRY_VERSION']);

interface Variable {
  readonly name: string;
  readonly value: string;
  readonly report: Report;
}

/** The tree with the environment in it. `root` may be changed in place. */
export function applyEnvironment(root: Tree, shape: Shape, env: Environment, report: Report): Tree {
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX) && !NOT_KEYS.has(name));
  const links = findServiceLinks(names, env);
  for (const link of links) {
    report.warnings.push({
      path: link.variables.join(', '),
      message: `ignored: Kubernetes sets them for the Service ${link.service}`,
      remedy: 'set enableServiceLinks: false in the Pod',
      fromEnvironment: true,
    });
  }
  const ignored = new Set(links.flatMap((link) => link.variables));
  let tree = root;
  for (const name of names.filter((candidate) => !ignored.has(candidate)).sort(byName)) {
    const value = env[name];
    if (value !== undefined) {
      tree = put(tree, shape, name.slice(PREFIX.length).split('_'), { name, value, report }) ?? tree;
    }
  }
  return tree;
}

/** Plain string order, but numbers by their size: element 10 of a list comes after element 9. */
function byName(a: string, b: string): number {
  const left = a.split(/(\d+)/);
  const right = b.split(/(\d+)/);
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const [x = '', y = ''] = [left[i], right[i]];
    if (x === y) continue;
    const numeric = i % 2 === 1 && Number(x) !== Number(y);
    if (numeric) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

/** The node with the variable's value set below it; `undefined` when the variable leads nowhere and is ignored. */
function put(node: Tree | undefined, shape: Shape, pieces: readonly string[], variable: Variable): Tree | undefined {
  const [piece, ...rest] = pieces;
  if (piece === undefined) return readValue(variable, shape);
  switch (shape.kind) {
    case 'scalar':
      return ignore(variable, 'its key takes a single value', 'take it out');
    case 'section':
      return piece === shape.inline && !Object.keys(shape.keys).some((key) => key.toUpperCase() === piece)
        ? putInline(node, shape, rest, variable)
        : putInSection(node, shape.keys, piece, rest, variable);
    case 'list':
      return putInList(node, shape.of, piece, rest, variable);
    case 'map':
      return putInMap(shape.bare ? spreadBare(node) : node, shape, pieces, variable);
    case 'any':
      return node?.kind === 'sequence'
        ? putInList(node, shape, piece, rest, variable)
        : putInMap(node, { keys: {}, of: shape }, pieces, variable);
  }
}

function putInSection(
  node: Tree | undefined,
  keys: Keys,
  piece: string,
  rest: readonly string[],
  variable: Variable,
): Tree | undefined {
  const levels = new Map(Object.entries(keys).map(([key, spec]) => [spec.env ?? key.toUpperCase(), key]));
  const key = levels.get(piece);
  const spec = key === undefined ? undefined : keys[key];
  if (key === undefined || spec === undefined) {
    const end = rest.length === 0 ? '' : `_${rest.join('_')}`;
    const start = variable.name.slice(0, variable.name.length - end.length - piece.length);
    const names = [...levels.keys()].map((level) => `${start}${level}${end}`);
    return ignore(variable, 'no such key', didYouMean(variable.name, names, 'take it out'));
  }
  return putInEntry(node, key, spec.shape, rest, variable);
}

/** A level that stands for the section itself: `REGISTRY_REDIS_OPTIONS_DB` is `REGISTRY_REDIS_DB`; a whole map is laid over. */
function putInline(
  node: Tree | undefined,
  shape: Shape,
  rest: readonly string[],
  variable: Variable,
): Tree | undefined {
  if (rest.length > 0) return put(node, shape, rest, variable);
  const parent: Tree = node === undefined || isAbsent(node) ? emptyMapping(variable.name) : node;
  const value = readValue(variable, shape);
  if (value === undefined) return undefined;
  if (value.kind !== 'mapping' || parent.kind !== 'mapping') return ignore(variable, 'it holds no map', 'write a map');
  for (const [key, tree] of value.entries) parent.entries.set(key, tree);
  return parent;
}

function putInMap(
  node: Tree | undefined,
  shape: { readonly keys: Keys; readonly of: Shape },
  pieces: readonly string[],
  variable: Variable,
): Tree | undefined {
  const existing = node?.kind === 'mapping' ? [...node.entries.keys()] : [];
  const names = [...existing, ...Object.keys(shape.keys)];
  // A name that has a `_` in it spans several pieces; the longest that is known wins.
  for (let length = pieces.length; length > 0; length -= 1) {
    const joined = pieces.slice(0, length).join('_').toLowerCase();
    const known = names.find((name) => name.toLowerCase() === joined);
    if (known === undefined && length > 1) continue;
    const key = known ?? joined;
    return putInEntry(node, key, shape.keys[key]?.shape ?? shape.of, pieces.slice(length), variable);
  }
  return undefined;
}

function putInEntry(
  node: Tree | undefined,
  key: string,
  shape: Shape,
  rest: readonly string[],
  variable: Variable,
): Tree | undefined {
  const parent: Tree = node === undefined || isAbsent(node) ? emptyMapping(variable.name) : node;
  if (parent.kind !== 'mapping') return ignore(variable, `there is no map that could hold ${key}`, 'take it out');
  const child = put(parent.entries.get(key), shape, rest, variable);
  if (child === undefined) return undefined;
  parent.entries.set(key, child);
  return parent;
}

function putInList(
  node: Tree | undefined,
  of: Shape,
  piece: string,
  rest: readonly string[],
  variable: Variable,
): Tree | undefined {
  const list: Tree = node === undefined || isAbsent(node) ? emptySequence(variable.name) : node;
  if (list.kind !== 'sequence') return ignore(variable, 'there is no list that it could go into', 'take it out');
  const index = /^\d{1,6}$/.test(piece) ? Number(piece) : undefined;
  if (index === undefined || index > list.items.length) {
    const message =
      index === undefined ? `${JSON.stringify(piece)} is no index` : `the list has no element ${index - 1}`;
    variable.report.faults.push(about(variable, message, `use ${list.items.length} for the next element`));
    return undefined;
  }
  const child = put(list.items[index], of, rest, variable);
  if (child === undefined) return undefined;
  (list as Sequence).items[index] = child;
  return list;
}

/** `storage: inmemory` is short for a map of that one key. */
function spreadBare(node: Tree | undefined): Tree | undefined {
  if (node?.kind !== 'scalar' || isAbsent(node)) return node;
  const spread: Mapping = emptyMapping(node.env);
  spread.entries.set(node.text, emptyMapping(node.env));
  return spread;
}

/** The value as YAML. Where a single value is wanted, a text that is no YAML (`@x`, `[::1]:5000`) stands for itself. */
function readValue(variable: Variable, shape: Shape): Tree | undefined {
  try {
    return parseTree(variable.value, variable.name).tree;
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error;
    if (shape.kind === 'scalar' || shape.kind === 'any') return scalar(variable.value, variable.name);
    variable.report.faults.push(about(variable, `not YAML: ${error.message}`, 'quote texts, or write JSON'));
    return undefined;
  }
}

function ignore(variable: Variable, message: string, remedy: string): undefined {
  variable.report.warnings.push(about(variable, `ignored: ${message}`, remedy));
  return undefined;
}

const about = ({ name }: Variable, message: string, remedy: string): Problem => ({
  path: name,
  message,
  remedy,
  fromEnvironment: true,
});
