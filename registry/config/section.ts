/** A map with fixed keys, read key by key; unknown ones are warned about, never fatal. */
import { type About, asMapping, childOf, fault, type Keys, type Place, type Spec, warn } from './check.ts';
import { didYouMean } from './nearest.ts';
import { isAbsent, plain, type Tree } from './tree.ts';

/** A key that this version knows and does nothing with; it leaves no value. */
export interface Unbuilt extends Spec<undefined> {
  readonly unbuilt: 'warning' | 'fault';
  readonly remedy: string;
}

/** The values of a section's keys, without those that are not built. */
export type Values<K extends Keys> = {
  readonly [Name in keyof K as K[Name] extends Unbuilt ? never : Name]: K[Name] extends Spec<infer T> ? T : never;
};

interface SectionAbout extends About {
  /** Go keeps it as an untyped map, so that its `REGISTRY_*` names match in any case. */
  readonly untyped?: boolean;
  /** A level that `REGISTRY_*` names may have and that stands for this section itself. */
  readonly inline?: string;
  /** Older names of keys: still read, unless the newer name is there too, and warned about. */
  readonly older?: Readonly<Record<string, string>>;
}

export const section = <K extends Keys>(keys: K, about: SectionAbout): Spec<Values<K>> => {
  const { untyped, inline, older = {}, ...rest } = about;
  const known: Keys = { ...keys, ...olderNames(keys, older) };
  return {
    ...rest,
    type: 'map',
    default: '',
    shape:
      untyped === true
        ? { kind: 'map', keys: known, of: { kind: 'any' }, bare: false }
        : { kind: 'section', keys: known, inline },
    read(place) {
      const entries = asMapping(place)?.entries ?? new Map<string, Tree>();
      const values: Record<string, unknown> = {};
      for (const [name, spec] of Object.entries(keys)) {
        const value = spec.read(placeOf(place, name, entries, older));
        if (spec.unbuilt === undefined) values[name] = value;
      }
      warnUnknown(place, entries, Object.keys(known));
      return values as Values<K>;
    },
  };
};

function olderNames(keys: Keys, older: Readonly<Record<string, string>>): Keys {
  const found: Record<string, Spec<unknown>> = {};
  for (const [old, name] of Object.entries(older)) {
    const spec = keys[name];
    if (spec !== undefined) found[old] = { ...spec, doc: `Older name of \`${name}\`.`, default: '', olderNameOf: name };
  }
  return found;
}

/** Where the key is written: under its name, or under an older one. */
function placeOf(
  place: Place,
  name: string,
  entries: ReadonlyMap<string, Tree>,
  older: Readonly<Record<string, string>>,
): Place {
  let found = childOf(place, name, entries.get(name));
  for (const old of Object.keys(older).filter((candidate) => older[candidate] === name)) {
    const tree = entries.get(old);
    if (tree === undefined || isAbsent(tree)) continue;
    const at = childOf(place, old, tree);
    if (isAbsent(found.tree)) {
      found = at;
      warn(at, `an older name of ${name}`, `write ${name}`);
    } else warn(at, `ignored, since ${name} is written too`, 'take it out');
  }
  return found;
}

export function warnUnknown(place: Place, entries: ReadonlyMap<string, Tree>, known: readonly string[]): void {
  for (const [name, tree] of entries) {
    if (known.includes(name)) continue;
    warn(childOf(place, name, tree), 'unknown key, ignored', didYouMean(name, known, 'take it out'));
  }
}

interface UnbuiltAbout {
  readonly remedy: string;
  /** Whether what is written asks for anything at all; by default whatever is neither empty nor `false` does. */
  readonly asks?: (value: unknown) => boolean;
}

/** Warns once when something is written there: it has no effect yet. */
export const noEffectYet = (spec: Spec<unknown>, about: UnbuiltAbout): Unbuilt => unbuilt('warning', spec, about);

/** A fault when something is written there: going on without it would leave open what the key was to protect. */
export const notSupported = (spec: Spec<unknown>, about: UnbuiltAbout): Unbuilt => unbuilt('fault', spec, about);

/** What is written is checked as if it counted, so that the day it does brings no surprise. */
const unbuilt = (severity: 'warning' | 'fault', spec: Spec<unknown>, about: UnbuiltAbout): Unbuilt => ({
  ...spec,
  remedy: about.remedy,
  unbuilt: severity,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return undefined;
    if ((about.asks ?? saysSomething)(plain(tree))) {
      if (severity === 'fault') fault(place, 'not supported by this version', about.remedy);
      else warn(place, 'has no effect in this version', about.remedy);
    }
    spec.read(place);
    return undefined;
  },
});

/** A key that other versions act on and this one has no use for: checked as they do, and warned about when it asks for something. */
export const withoutEffect = <T>(spec: Spec<T>, remedy: string): Unbuilt => ({
  ...spec,
  unbuilt: 'warning',
  remedy,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return undefined;
    const { length } = place.report.faults;
    spec.read(place);
    const isFaulty = place.report.faults.length > length;
    if (!isFaulty && saysSomething(plain(tree))) warn(place, 'has no effect in this registry', remedy);
    return undefined;
  },
});

/** Anything but nothing, `false` and empty texts, lists and maps, all the way down. */
export function saysSomething(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return false;
  return typeof value === 'object' ? Object.values(value).some(saysSomething) : true;
}

/** The value below some keys of a plain value; `undefined` when the way is not there. */
export function at(value: unknown, ...keys: readonly string[]): unknown {
  let found: unknown = value;
  for (const key of keys) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[key];
  }
  return found;
}
