/** Readers of single values, lists and maps, from which the sections are built. */
import { type About, asMapping, asSequence, childOf, fault, got, type Shape, type Spec, warn } from './check.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { isAbsent, plain } from './tree.ts';

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
