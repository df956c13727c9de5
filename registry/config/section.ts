/** A map with fixed keys, read key by key; unknown ones are warned about, never fatal. */
import { type About, asMapping, childOf, fault, type Keys, type Place, type Spec, warn } from './check.ts';
import { didYouMean } from './nearest.ts';
import { isAbsent, plain, type Tree } from './tree.ts';

/** A key that this version knows and does nothing with; it leaves no value. */
export interface Unbuilt extends Spec<undefined> {
  readonly unbuilt: 'warning' | 'fault';
}

/** The values of a section's keys, without those that are not built. */
export type Values<K extends Keys> = {
  readonly [Name in keyof K as K[Name] extends Unbuilt ? never : Name]: K[Name] extends Spec<infer T> ? T : never;
};

interface SectionAbout extends About {
  /** Go keeps it as an untyped map, so that its `REGISTRY_*` names match in any case. */
  readonly untyped?: boolean;
}

export const section = <K extends Keys>(keys: K, about: SectionAbout): Spec<Values<K>> => ({
  ...about,
  type: 'map',
  default: '',
  shape: about.untyped === true ? { kind: 'map', keys, of: { kind: 'any' }, bare: false } : { kind: 'section', keys },
  read(place) {
    const entries = asMapping(place)?.entries ?? new Map<string, Tree>();
    const values: Record<string, unknown> = {};
    for (const [name, spec] of Object.entries(keys)) {
      const value = spec.read(childOf(place, name, entries.get(name)));
      if (spec.unbuilt === undefined) values[name] = value;
    }
    warnUnknown(place, entries, Object.keys(keys));
    return values as Values<K>;
  },
});

export function warnUnknown(place: Place, entries: ReadonlyMap<string, Tree>, known: readonly string[]): void {
  for (const [name, tree] of entries) {
    if (known.includes(name)) continue;
    warn(childOf(place, name, tree), 'unknown key, ignored', didYouMean(name, known, 'take it out'));
  }
}

interface UnbuiltAbout extends About {
  readonly remedy: string;
  /** Whether what is written asks for anything at all; by default whatever is neither empty nor `false` does. */
  readonly asks?: (value: unknown) => boolean;
}

/** Warns once when something is written there: it has no effect yet. */
export const noEffectYet = (about: UnbuiltAbout): Unbuilt => unbuilt('warning', about);

/** A fault when something is written there: going on without it would leave open what the key was to protect. */
export const notSupported = (about: UnbuiltAbout): Unbuilt => unbuilt('fault', about);

const unbuilt = (severity: 'warning' | 'fault', about: UnbuiltAbout): Unbuilt => ({
  ...about,
  type: 'not in this version',
  default: '',
  shape: { kind: 'any' },
  unbuilt: severity,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree) || !(about.asks ?? saysSomething)(plain(tree))) return undefined;
    if (severity === 'fault') fault(place, 'not supported by this version', about.remedy);
    else warn(place, 'has no effect in this version', about.remedy);
    return undefined;
  },
});

/** Anything but nothing, `false` and empty texts, lists and maps, all the way down. */
function saysSomething(value: unknown): boolean {
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
