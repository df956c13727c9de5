/**
 * The file as it was written, before anyone asks what it means. Scalars keep their source text beside the value that
 * YAML 1.1 gives them, because a key that wants a string takes the text: `secret: 0123` means `0123`, not 83.
 */
import {
  boolYaml11Tag,
  defineMappingTag,
  defineScalarTag,
  floatYaml11Tag,
  intYaml11Tag,
  loadAll,
  mergeTag,
  NOT_RESOLVED,
  nullYaml11Tag,
  type ScalarTagDefinition,
  Schema,
  seqTag,
  strTag,
  YAMLException,
} from 'js-yaml';

export type Tree = Scalar | Sequence | Mapping;

export interface Scalar {
  readonly kind: 'scalar';
  readonly text: string;
  readonly value: string | number | boolean | null;
  /** The environment variable that it came from, if it did, with its place in that: `REGISTRY_HTTP: headers.a`. */
  readonly env: string | undefined;
}

/** Mutable, since the environment is laid over it. */
export interface Sequence {
  readonly kind: 'sequence';
  readonly items: Tree[];
  readonly env: string | undefined;
}

/** Mutable, since the environment is laid over it. Keys in the order of the file. */
export interface Mapping {
  readonly kind: 'mapping';
  readonly entries: Map<string, Tree>;
  /** Keys that the file has twice; the last one counts, as in Distribution. */
  readonly repeated: Set<string>;
  readonly env: string | undefined;
}

/** A text that is no YAML, or more of it than a configuration can need. */
export class YamlFault extends Error {
  override readonly name = 'YamlFault';
}

/** Aliases can make a short text a huge tree; no configuration comes near these. */
const MAX_DEPTH = 64;
const MAX_NODES = 100_000;

const typed = (tag: ScalarTagDefinition<string | number | boolean | null>) =>
  defineScalarTag<Scalar>(tag.tagName, {
    implicit: tag.implicit,
    implicitFirstChars: tag.implicitFirstChars,
    resolve(text, isExplicit, name) {
      const value = tag.resolve(text, isExplicit, name);
      return value === NOT_RESOLVED ? NOT_RESOLVED : { kind: 'scalar', text, value, env: undefined };
    },
    identify: () => false,
  });

const keyText = (key: unknown): string | undefined => {
  if (typeof key === 'string') return key;
  return isScalar(key) ? key.text : undefined;
};

/** Which keys of a mapping came by `<<`, while it is being read. */
const mergedInto = new WeakMap<Mapping, Set<string>>();

const mapping = defineMappingTag<Mapping>('tag:yaml.org,2002:map', {
  create: () => emptyMapping(undefined),
  addPair(carrier, key, value) {
    const text = keyText(key);
    if (text === undefined) return 'a key must be a plain text';
    // A key that `<<` brought comes as a text; one of the mapping's own may replace it.
    const merged = mergedInto.get(carrier);
    if (typeof key === 'string') mergedInto.set(carrier, (merged ?? new Set()).add(text));
    else if (carrier.entries.has(text) && !merged?.delete(text)) carrier.repeated.add(text);
    carrier.entries.set(text, value as Tree);
    return '';
  },
  has: (carrier, key) => carrier.entries.has(keyText(key) ?? ''),
  keys: (result) => result.entries.keys(),
  get: (result, key) => result.entries.get(String(key)),
  identify: () => false,
});

/** YAML 1.1 without dates, sets and binaries, which no key takes. */
const schema = new Schema([
  typed(strTag),
  typed(nullYaml11Tag),
  typed(boolYaml11Tag),
  typed(intYaml11Tag),
  typed(floatYaml11Tag),
  mergeTag,
  seqTag,
  mapping,
]);

export const emptyMapping = (env: string | undefined): Mapping => ({
  kind: 'mapping',
  entries: new Map(),
  repeated: new Set(),
  env,
});

export const emptySequence = (env: string | undefined): Sequence => ({ kind: 'sequence', items: [], env });

export const scalar = (value: Scalar['value'], env: string | undefined): Scalar => ({
  kind: 'scalar',
  text: value === null ? '' : String(value),
  value,
  env,
});

/** Nothing there, or nothing written behind the key. */
export const isAbsent = (tree: Tree | undefined): boolean =>
  tree === undefined || (tree.kind === 'scalar' && tree.value === null);

/**
 * The first document of a YAML text, and how many there are (0: nothing but white space and comments).
 * `env` is stamped on every node, with the way to it (`REGISTRY_HTTP: headers.a`). Throws `YamlFault` with line and column.
 */
export function parseTree(text: string, env?: string): { readonly tree: Tree; readonly documents: number } {
  let documents: unknown[];
  try {
    documents = loadAll(text, { schema, maxDepth: MAX_DEPTH, json: true });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark } = error;
    const place = mark ? `line ${mark.line + 1}, column ${mark.column + 1}: ` : '';
    throw new YamlFault(`${place}${error.reason}`, { cause: error });
  }
  const budget = { nodes: MAX_NODES };
  const first = documents[0];
  return { tree: first === undefined ? scalar(null, env) : own(first, env, 0, budget), documents: documents.length };
}

/** The paths of keys that are there twice. */
export function repeatedKeys(tree: Tree, path = ''): readonly string[] {
  if (tree.kind === 'scalar') return [];
  const below = (key: string): string => (path === '' ? key : `${path}.${key}`);
  if (tree.kind === 'sequence') return tree.items.flatMap((item, index) => repeatedKeys(item, below(String(index))));
  const here = [...tree.repeated].map(below);
  return [...here, ...[...tree.entries].flatMap(([key, value]) => repeatedKeys(value, below(key)))];
}

/** The tree as ordinary values, for keys that take anything. */
export function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'sequence') return tree.items.map(plain);
  return Object.fromEntries([...tree.entries].map(([key, value]) => [key, plain(value)]));
}

/** A copy without sharing: what an alias points at must not change in two places when the environment changes one. */
function own(node: unknown, env: string | undefined, depth: number, budget: { nodes: number }): Tree {
  budget.nodes -= 1;
  if (depth > MAX_DEPTH || budget.nodes < 0) throw new YamlFault('aliases make it too deep or too large');
  if (Array.isArray(node)) {
    const items = node.map((item, index) => own(item, within(env, depth, String(index)), depth + 1, budget));
    return { kind: 'sequence', items, env };
  }
  if (isScalar(node)) return { ...node, env };
  if (isMapping(node)) {
    const copy: Mapping = { ...emptyMapping(env), repeated: node.repeated };
    for (const [key, value] of node.entries)
      copy.entries.set(key, own(value, within(env, depth, key), depth + 1, budget));
    return copy;
  }
  return scalar(String(node), env);
}

/** `depth` is that of the node that holds the key. */
const within = (env: string | undefined, depth: number, key: string): string | undefined =>
  env === undefined ? undefined : `${env}${depth === 0 ? ': ' : '.'}${key}`;

const isKind = (node: unknown, kind: Tree['kind']): boolean =>
  typeof node === 'object' && node !== null && (node as { kind?: unknown }).kind === kind;

const isScalar = (node: unknown): node is Scalar => isKind(node, 'scalar');
const isMapping = (node: unknown): node is Mapping => isKind(node, 'mapping');
