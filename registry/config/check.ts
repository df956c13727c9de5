/**
 * What a reader of a key is, and how it reports. A reader never throws: it says what is wrong under the key's path and goes
 * on with the default, so that one run finds every fault. Each carries what the documentation and the environment need to
 * know about its key.
 */
import type { Problem } from './problem.ts';
import { isAbsent, type Mapping, type Sequence, type Tree } from './tree.ts';

/** Where faults and warnings go. */
export interface Report {
  readonly faults: Problem[];
  readonly warnings: Problem[];
  /** Paths that have a fault already, with a dot at the end if all below them is moot: what follows from a fault is not worth a second line. */
  readonly faulty: Set<string>;
}

export const newReport = (): Report => ({ faults: [], warnings: [], faulty: new Set() });

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
  /** Fixed names, upper case; others are warned about. `inline`: a further level that stands for the section itself. */
  | { readonly kind: 'section'; readonly keys: Keys; readonly inline?: string | undefined }
  /** Any name, in any case; those in `keys` have a shape of their own. `bare`: a text stands for a map of that one key. */
  | { readonly kind: 'map'; readonly keys: Keys; readonly of: Shape; readonly bare: boolean };

export type Keys = Readonly<Record<string, Spec<unknown>>>;

export interface About {
  readonly doc: string;
  /** The name of the level in `REGISTRY_*`, where it is not the key in upper case. */
  readonly env?: string | undefined;
  /** Never shown, whatever prints a configuration. */
  readonly secret?: boolean | undefined;
}

export interface Spec<T> extends About {
  /** What is written there, in words. */
  readonly type: string;
  /** The default, as the documentation shows it. */
  readonly default: string;
  readonly shape: Shape;
  /** Known, but nothing is done with it in this version. */
  readonly unbuilt?: 'warning' | 'fault' | undefined;
  /** The key whose older name this is. */
  readonly olderNameOf?: string | undefined;
  read(place: Place): T;
}

export const fault = (place: Place, message: string, remedy: string): void => {
  const { faults, faulty } = place.report;
  if (!isMoot(place.path, faulty)) faults.push(problem(place, message, remedy));
  faulty.add(place.path);
};

export const warn = (place: Place, message: string, remedy: string): void => {
  place.report.warnings.push(problem(place, message, remedy));
};

const isMoot = (path: string, faulty: ReadonlySet<string>): boolean =>
  faulty.has(path) || [...path.matchAll(/\./g)].some(({ index }) => faulty.has(path.slice(0, index + 1)));

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
    found = childOf(found, name, at(found.tree, name));
  }
  return found;
}

function at(tree: Tree | undefined, name: string): Tree | undefined {
  if (tree?.kind === 'mapping') return tree.entries.get(name);
  return tree?.kind === 'sequence' ? tree.items[Number(name)] : undefined;
}

/** What stands there, for a message. */
export function got(tree: Tree | undefined): string {
  if (tree === undefined || isAbsent(tree)) return 'got nothing';
  if (tree.kind === 'mapping') return 'got a map';
  if (tree.kind === 'sequence') return 'got a list';
  const text = tree.text.length > 60 ? `${tree.text.slice(0, 60)}…` : tree.text;
  return `got ${typeof tree.value === 'string' ? JSON.stringify(text) : text}`;
}

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
  place.report.faulty.add(`${place.path}.`);
  return undefined;
}

/** The list at a place; nothing there is `undefined`, anything else is reported. */
export function asSequence(place: Place, example: string): Sequence | undefined {
  const { tree } = place;
  if (tree === undefined || isAbsent(tree)) return undefined;
  if (tree.kind === 'sequence') return tree;
  fault(place, `expected a list, ${got(tree)}`, `write ${example}`);
  return undefined;
}
