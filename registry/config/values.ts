/** Readers of single values, lists and maps, from which the sections are built. */
import {
  type About,
  asMapping,
  asSequence,
  childOf,
  fault,
  got,
  refine,
  type Shape,
  type Spec,
  warn,
} from './check.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { isAbsent, plain, type Scalar } from './tree.ts';

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
    const meant = tree.kind === 'scalar' ? tree.text : '';
    const value = /^(true|yes|on)$/i.test(meant) || (about.default && !/^(false|no|off)$/i.test(meant));
    fault(place, `expected true or false, ${got(tree)}`, `write ${value} without quotes`);
    return about.default;
  },
});

/** Texts that Go's parameters of storage drivers take for true and false. */
const GO_BOOLS: Readonly<Record<string, boolean>> = {
  ...{ '1': true, t: true, T: true, true: true, TRUE: true, True: true },
  ...{ '0': false, f: false, F: false, false: false, FALSE: false, False: false },
};

/** A parameter of a driver: true or false, or a text that says so. */
export const flag = (about: Default<boolean>): Spec<boolean> => {
  const strict = bool(about);
  return {
    ...strict,
    read(place) {
      const { tree } = place;
      const meant = tree?.kind === 'scalar' && typeof tree.value === 'string' ? GO_BOOLS[tree.text] : undefined;
      return meant ?? strict.read(place);
    },
  };
};

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

/** Like `text`, but nothing and an empty text are `undefined`. */
export const maybeText = (
  about: About & { readonly example: string; readonly default?: string },
): Spec<string | undefined> => refine(text({ ...about, default: '' }), (value) => (value === '' ? undefined : value));

interface Range {
  readonly min?: number;
  readonly max?: number;
}

export const int = (about: Default<number> & Range): Spec<number> => integer(about, (tree) => tree.value);

/** A parameter of a driver: an integer, or its digits as a text. */
export const count = (about: Default<number> & Range): Spec<number> =>
  integer(about, ({ value, text: digits }) => (/^[+-]?\d{1,16}$/.test(digits) ? Number(digits) : value));

const integer = (
  { min, max, ...about }: Default<number> & Range,
  numberOf: (tree: Scalar) => unknown,
): Spec<number> => ({
  ...about,
  type: 'integer',
  default: String(about.default),
  shape: SCALAR,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return about.default;
    const value = tree.kind === 'scalar' ? numberOf(tree) : undefined;
    const remedy = `write ${about.default} for the default`;
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      fault(place, `expected an integer, ${got(tree)}`, remedy);
    } else if (value < (min ?? value)) {
      fault(place, `expected ${max === undefined ? `${min} or more` : `${min} to ${max}`}, ${got(tree)}`, remedy);
    } else if (value > (max ?? value)) {
      fault(place, `expected ${min === undefined ? `${max} or less` : `${min} to ${max}`}, ${got(tree)}`, remedy);
    } else return value;
    return about.default;
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

/** One of a few words, in any case; comes out as listed. `unknown`: whether another word stops the start. */
export const oneOf = <const W extends string>(
  words: readonly W[],
  { unknown = 'fault', ...about }: Default<NoInfer<W>> & { readonly unknown?: 'fault' | 'warning' },
): Spec<W> => ({
  ...about,
  type: words.filter((word) => word !== '').join(', '),
  default: about.default,
  shape: SCALAR,
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree) || (tree.kind === 'scalar' && tree.text === '')) return about.default;
    const wanted = tree.kind === 'scalar' ? tree.text.toLowerCase() : undefined;
    const word = words.find((candidate) => candidate.toLowerCase() === wanted);
    if (word !== undefined) return word;
    const report = unknown === 'warning' && tree.kind === 'scalar' ? warn : fault;
    const known = words.filter((candidate) => candidate !== '');
    const remedy = about.default === '' ? 'write one of these' : `write ${about.default} for the default`;
    report(place, `expected one of ${known.join(', ')}, ${got(tree)}`, remedy);
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
