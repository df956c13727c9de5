/** `storage`: exactly one driver beside a few reserved keys; a bare text (`storage: inmemory`) names a driver without parameters. */
import { availableParallelism } from 'node:os';
import { cache } from './cache.ts';
import { childOf, fault, type Keys, type Place, type Spec } from './check.ts';
import { drivers, droppedDrivers } from './drivers.ts';
import { maintenance } from './maintenance.ts';
import { didYouMean } from './nearest.ts';
import { section } from './section.ts';
import { emptyMapping, isAbsent, type Mapping, type Tree } from './tree.ts';
import type { DriverConfig, StorageConfig } from './types.ts';
import { bool, int } from './values.ts';

/** Keys beside the driver. */
const reserved = {
  delete: section(
    { enabled: bool({ default: false, doc: 'Allows DELETE of blobs, manifests and tags.' }) },
    { doc: 'Deletion over the API.', untyped: true },
  ),
  redirect: section(
    { disable: bool({ default: false, doc: 'Never sends clients to the backend; the registry passes every byte.' }) },
    { doc: 'Redirects to the backend.', untyped: true },
  ),
  cache,
  tag: section(
    {
      concurrencylimit: {
        ...int({ default: 0, min: 0, doc: 'Tag links that are read at once when a manifest is deleted.' }),
        default: 'number of CPUs',
      },
    },
    { doc: 'Reads of tag links.', untyped: true },
  ),
  maintenance,
} satisfies Keys;

const driverNames = [...Object.keys(drivers), ...Object.keys(droppedDrivers)];

const fallback: DriverConfig = { type: 'inmemory' };

export const storage: Spec<StorageConfig> = {
  type: 'map with one driver, or its name',
  default: '',
  doc: 'Where everything is kept. Required.',
  shape: { kind: 'map', keys: { ...drivers, ...reserved }, of: { kind: 'any' }, bare: true },
  read(place) {
    const found = asDrivers(place);
    const entries = found?.entries ?? new Map<string, Tree>();
    const at = (name: keyof typeof reserved): Place => childOf(place, name, entries.get(name));
    const { concurrencylimit } = reserved.tag.read(at('tag'));
    return {
      driver: found === undefined ? fallback : readDriver(place, entries),
      delete: reserved.delete.read(at('delete')),
      redirect: reserved.redirect.read(at('redirect')),
      cache: reserved.cache.read(at('cache')),
      tag: { concurrencylimit: concurrencylimit === 0 ? availableParallelism() : concurrencylimit },
      maintenance: reserved.maintenance.read(at('maintenance')),
    };
  },
};

/** A bare name as a map; nothing at all is reported. */
function asDrivers(place: Place): Mapping | undefined {
  const { tree } = place;
  if (tree?.kind === 'mapping') return tree;
  if (tree?.kind === 'scalar' && !isAbsent(tree) && tree.text !== '') {
    const spread = emptyMapping(tree.env);
    spread.entries.set(tree.text, emptyMapping(tree.env));
    return spread;
  }
  if (tree?.kind === 'sequence') fault(place, 'expected a driver, got a list', 'write storage: {filesystem: {}}');
  else noDriver(place);
  return undefined;
}

function readDriver(place: Place, entries: ReadonlyMap<string, Tree>): DriverConfig {
  const named = [...entries.keys()].filter((name) => !Object.hasOwn(reserved, name));
  const [name] = named;
  if (name === undefined) {
    noDriver(place);
    return fallback;
  }
  for (const strange of named.filter((candidate) => !driverNames.includes(candidate))) {
    const at = childOf(place, strange, entries.get(strange));
    const known = [...driverNames, ...Object.keys(reserved)];
    fault(at, 'unknown storage driver', didYouMean(strange, known, `write one of ${Object.keys(drivers).join(', ')}`));
  }
  if (named.length > 1) {
    fault(place, `expected exactly one storage driver, got ${named.join(' and ')}`, whichToKeep(named));
  }
  // Of several, each is read for what is wrong in it.
  const [first] = named.map((each) => readNamed(childOf(place, each, entries.get(each)), each));
  return first ?? fallback;
}

function readNamed(place: Place, name: string): DriverConfig {
  const remedy = droppedDrivers[name];
  if (remedy !== undefined) fault(place, `the driver ${name} is gone since Distribution 3.0`, remedy);
  const driver = Object.entries(drivers).find(([known]) => known === name)?.[1];
  return driver === undefined ? fallback : driver.read(place);
}

function whichToKeep(named: readonly string[]): string {
  const others = named.length > 2 ? 'the others' : 'the other';
  const there = named.filter((name) => !Object.hasOwn(droppedDrivers, name));
  if (there.length === 0) return `write one of ${Object.keys(drivers).join(', ')} in their place`;
  return there.length === 1 ? `keep ${there[0]} and take ${others} out` : `keep one and take ${others} out`;
}

const noDriver = (place: Place): void =>
  fault(place, 'no storage driver is configured', 'write storage: {filesystem: {rootdirectory: /var/lib/registry}}');
