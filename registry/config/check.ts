/**
 * Small readers from which the sections are built. A reader never throws: it reports what is wrong under the key's path
 * and goes on with the default, so that one run finds every fault. Each carries what the documentation and the
 * environment need to know about its key.
 */
import { formatDuration, parseDuration } from './duration.ts';
import type { Problem } from './problem.ts';
import { isAbsent, type Mapping, plain, type Sequence, type Tree } from './tree.ts';

/** Where faults and warnings go. */
export interface Report {
  readonly faults: Problem[];
  readonly warnings: Problem[];
}

/** A key while it is being read. */
export interface Place {
  readonly path: string;
  readonly tree: Tree | undefined;
  readonly report: Report;
}

/** How `REGISTRY_*` names walk through a value. */
export type Shape =
  | { readonly kind: 'scalar' }
  /** Any map, list or scalar. */
  | { readonly kind: 'any' }
  | { readonly kind: 'list'; readonly of: Shape }
  /** Fixed names, upper case; others are warned about. */
  | { readonly kind: 'section'; readonly keys: Keys }
  /** Any name, in any case; those in `keys` have a shape of their own. `bare`: a text stands for a map of that one key. */
  | { readonly kind: 'map'; readonly keys: Keys; readonly of: Shape; readonly bare: boolean };

export type Keys = Readonly<Record<string, Spec<unknown>>>;

export interface About {
  readonly doc: string;
  /** The name of the level in `REGISTRY_*`, where it is not the key in upper case. */
  readonly env?: string | undefined;
}

export interface Spec<T> extends About {
  /** What is written there, in words. */
  readonly type: string;
  /** The default, as the documentation shows it. */
  readonly default: string;
  readonly shape: Shape;
  /** Known, but nothing is done with it in this version. */
  readonly unbuilt?: 'warning' | 'fault' | undefined;
  read(place: Place): T;
}

export const fault = (place: Place, message: string, remedy: string): void => {
  place.report.faults.push(problem(place, message, remedy));
};

export const warn = (place: Place, message: string, remedy: string): void => {
  place.report.warnings.push(problem(place, message, remedy));
};

const problem = ({ path, tree }: Place, message: string, remedy: string): Problem => ({
  path: tree?.env ?? path,
  message,
  remedy,
  fromEnvironment: tree?.env !== undefined,
});

export const childOf = (place: Place, key: string, tree: Tree | undefined): Place => ({
  path: place.path === '' ? key : `${place.path}.${key}`,
  tree,
  report: place.report,
});

/** A key some levels below a place. */
export function below(place: Place, ...names: readonly string[]): Place {
  let found = place;
  for (const name of names) {
    const tree = found.tree?.kind === 'mapping' ? found.tree.entries.get(name) : undefined;
    found = childOf(found, name, tree);
  }
  return found;
}

/** What stands there, for a message. */
export function got(tree: Tree | undefined): string {
  if (tree === undefined || isAbsent(tree)) return 'got nothing';
  if (tree.kind === 'mapping') return 'got a map';
  if (tree.kind === 'sequence') return 'got a list';
  const text = tree.text.length > 60 ? `${tree.text.slice(0, 60)}…` : tree.text;
  return `got ${typeof tree.value === 'string' ? JSON.stringify(text) : text}`;
}

const SCALAR: Shape = { kind: 'scalar' };

interface Default<T> extends About {
  readonly default: T;
}

export const bool = (about: Default<boolean>): Spec<boolean> => ({
  ...about,
  type: 'true or false',
  default: String(about.default),
  shape: SCALAR,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return about.default;
    if (tree.kind === 'scalar' && typeof tree.value === 'boolean') return tree.value;
    const meant = tree.kind === 'scalar' && /^(true|yes|on)$/i.test(tree.text);
    fault(
      place,
      `expected true or false, ${got(tree)}`,
      `write ${meant ? 'true' : String(about.default)} without quotes`,
    );
    return about.default;
  },
});

/** The text as written, whatever YAML makes of it. Its value is never echoed: it may be a secret. */
export const text = (about: Default<string> & { readonly example: string }): Spec<string> => ({
  ...about,
  type: 'text',
  default: about.default,
  shape: SCALAR,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return about.default;
    if (tree.kind === 'scalar') return tree.text;
    fault(place, `expected a text, ${got(tree)}`, `write ${about.example}`);
    return about.default;
  },
});

export const int = (about: Default<number> & { readonly min?: number }): Spec<number> => ({
  ...about,
  type: 'integer',
  default: String(about.default),
  shape: SCALAR,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return about.default;
    const value = tree.kind === 'scalar' ? tree.value : undefined;
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      fault(place, `expected an integer, ${got(tree)}`, `write ${about.default} for the default`);
      return about.default;
    }
    if (about.min !== undefined && value < about.min) {
      fault(place, `expected ${about.min} or more, ${got(tree)}`, `write ${about.default} for the default`);
      return about.default;
    }
    return value;
  },
});

/** Milliseconds, from a text such as `10s` or `1h30m`, or a bare integer, which means nanoseconds. Never negative. */
export const duration = (about: Default<number>): Spec<number> => ({
  ...about,
  type: 'duration',
  default: formatDuration(about.default),
  shape: SCALAR,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return about.default;
    const value = tree.kind === 'scalar' ? parseDuration(tree.value) : undefined;
    const example = formatDuration(about.default || 30_000);
    if (value === undefined || value < 0) {
      fault(place, `expected a duration of 0 or more, ${got(tree)}`, `write a number and a unit, such as ${example}`);
      return about.default;
    }
    if (tree.kind === 'scalar' && typeof tree.value === 'number' && value > 0 && value < 1) {
      warn(place, `${tree.text} means ${tree.text} nanoseconds`, `write ${tree.text}s if you mean seconds`);
    }
    return value;
  },
});

/** One of a few words, in any case; comes out in lower case. */
export const oneOf = <const W extends string>(words: readonly W[], about: Default<NoInfer<W>>): Spec<W> => ({
  ...about,
  type: words.join(', '),
  default: about.default,
  shape: SCALAR,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree) || (tree.kind === 'scalar' && tree.text === '')) return about.default;
    const wanted = tree.kind === 'scalar' ? tree.text.toLowerCase() : undefined;
    const word = words.find((candidate) => candidate === wanted);
    if (word !== undefined) return word;
    fault(place, `expected one of ${words.join(', ')}, ${got(tree)}`, `write ${about.default} for the default`);
    return about.default;
  },
});

export const list = <T>(of: Spec<T>, about: About & { readonly example: string }): Spec<readonly T[]> => ({
  ...about,
  type: `list of ${of.type}`,
  default: '[]',
  shape: { kind: 'list', of: of.shape },
  read(place) {
    const found = asSequence(place, about.example);
    return found === undefined ? [] : found.items.map((item, index) => of.read(childOf(place, String(index), item)));
  },
});

/** Any names; `of` reads each value. */
export const mapOf = <T>(of: Spec<T>, about: About): Spec<Readonly<Record<string, T>>> => ({
  ...about,
  type: `map of ${of.type}`,
  default: '{}',
  shape: { kind: 'map', keys: {}, of: of.shape, bare: false },
  read(place) {
    const found = asMapping(place);
    const entries = found === undefined ? [] : [...found.entries];
    return Object.fromEntries(entries.map(([key, value]) => [key, of.read(childOf(place, key, value))]));
  },
});

export const anything = (about: About): Spec<unknown> => ({
  ...about,
  type: 'anything',
  default: '',
  shape: { kind: 'any' },
  read: ({ tree }) => (tree === undefined ? undefined : plain(tree)),
});

/** The same key, with a further check or another form of its value. */
export const refine = <T, U>(spec: Spec<T>, refined: (value: T, place: Place) => U): Spec<U> => ({
  ...spec,
  read: (place) => refined(spec.read(place), place),
});

/** The same key, `undefined` where nothing is written, for defaults that depend on other keys. */
export const optional = <T>(spec: Spec<T>): Spec<T | undefined> => ({
  ...spec,
  read: (place) => (isAbsent(place.tree) ? undefined : spec.read(place)),
});

/** The map at a place; nothing there is `undefined`, anything else is reported. */
export function asMapping(place: Place): Mapping | undefined {
  const { tree } = place;
  if (tree === undefined || isAbsent(tree)) return undefined;
  if (tree.kind === 'mapping') return tree;
  fault(place, `expected a map of keys, ${got(tree)}`, 'write its keys below it, indented');
  return undefined;
}

function asSequence(place: Place, example: string): Sequence | undefined {
  const { tree } = place;
  if (tree === undefined || isAbsent(tree)) return undefined;
  if (tree.kind === 'sequence') return tree;
  fault(place, `expected a list, ${got(tree)}`, `write ${example}`);
  return undefined;
}
