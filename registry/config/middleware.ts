/** `middleware`: what is wrapped around the registry, its repositories and its storage. */
import { asMapping, below, childOf, fault, type Place, type Spec } from './check.ts';
import { didYouMean } from './nearest.ts';
import { section, warnUnknown } from './section.ts';
import { storageMiddleware, storageOptions } from './storage-middleware.ts';
import type { Tree } from './tree.ts';
import type { MiddlewareConfig, MiddlewareEntry, StorageMiddleware } from './types.ts';
import { anything, bool, list, mapOf, text } from './values.ts';

/** Names that the program registered for the two points where it can be extended. */
export interface Extensions {
  readonly registry: readonly string[];
  readonly repository: readonly string[];
}

/** Of 2.x. */
const droppedStorage: Readonly<Record<string, string>> = {
  alicdn: 'write disabled: true, or name redirect or rewrite to send clients to the same host',
};

interface Entry<T> {
  readonly name: string;
  readonly disabled: boolean;
  readonly options: T;
}

const example = '[{name: NAME, options: {}}]';
const name = text({ default: '', example: 'redirect', doc: 'Which one.' });
const disabled = bool({ default: false, doc: 'Leaves it out.' });

/** The options as a place, to be read once the name is known. */
const place: Spec<Place> = {
  type: 'map',
  default: '{}',
  doc: 'Options of the one that is named.',
  shape: { kind: 'map', keys: storageOptions, of: { kind: 'any' }, bare: false },
  read: (found) => found,
};

const entry = section({ name, disabled, options: mapOf(anything({ doc: '' }), { doc: 'Its options.' }) }, { doc: '' });
const storageEntry = section({ name, disabled, options: place }, { doc: '' });

const keys = {
  registry: list(entry, { doc: 'Around the registry.', example }),
  repository: list(entry, { doc: 'Around each repository.', example }),
  storage: list(storageEntry, { doc: 'Around the storage, the innermost first.', example }),
};

/** Needs the names that are registered, so it is a function of them. */
export const middleware = (extensions: Extensions): Spec<MiddlewareConfig> => ({
  type: 'map',
  default: '{}',
  doc: 'What is wrapped around the registry, its repositories and its storage.',
  shape: { kind: 'map', keys, of: { kind: 'any' }, bare: false },
  read(at) {
    const entries = asMapping(at)?.entries ?? new Map<string, Tree>();
    const point = (key: keyof typeof keys): Place => childOf(at, key, entries.get(key));
    warnUnknown(at, entries, Object.keys(keys));
    return {
      registry: known(keys.registry, extensions.registry, point('registry')),
      repository: known(keys.repository, extensions.repository, point('repository')),
      storage: keys.storage.read(point('storage')).flatMap((found, index): readonly StorageMiddleware[] => {
        if (found.disabled) return [];
        const read = named(storageMiddleware, found.name, below(point('storage'), String(index), 'name'));
        const options = read?.read(found.options);
        return options === undefined ? [] : [options];
      }),
    };
  },
});

function known(
  spec: Spec<readonly Entry<Readonly<Record<string, unknown>>>[]>,
  names: readonly string[],
  at: Place,
): readonly MiddlewareEntry[] {
  const table = Object.fromEntries(names.map((registered) => [registered, registered]));
  return spec.read(at).flatMap(({ disabled: isOff, ...found }, index) => {
    if (isOff || named(table, found.name, below(at, String(index), 'name')) === undefined) return [];
    return [found];
  });
}

function named<T>(table: Readonly<Record<string, T>>, wanted: string, at: Place): T | undefined {
  if (Object.hasOwn(table, wanted)) return table[wanted];
  const names = Object.keys(table);
  const dropped = at.path.startsWith('middleware.storage') ? droppedStorage[wanted] : undefined;
  if (dropped !== undefined) {
    fault(at, `the middleware ${wanted} is gone since Distribution 3.0`, dropped);
    return undefined;
  }
  const remedy = names.length === 0 ? 'this program registers none: take it out, or write disabled: true' : '';
  const message = wanted === '' ? 'expected a name' : `no middleware is called ${JSON.stringify(wanted.slice(0, 60))}`;
  fault(at, message, remedy || didYouMean(wanted, names, `write one of ${names.join(', ')}, or disabled: true`));
  return undefined;
}
