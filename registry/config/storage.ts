/** `storage`: exactly one driver beside a few reserved keys; a bare text (`storage: inmemory`) names a driver without parameters. */
import { below, childOf, fault, type Keys, type Place, refine, type Spec } from './check.ts';
import { didYouMean } from './nearest.ts';
import { at, noEffectYet, notSupported, section } from './section.ts';
import { emptyMapping, isAbsent, type Mapping, type Tree } from './tree.ts';
import type { DriverConfig, FilesystemConfig, StorageConfig } from './types.ts';
import { bool, int, text } from './values.ts';

const MIN_THREADS = 25;

const filesystem: Spec<FilesystemConfig> = refine(
  section(
    {
      rootdirectory: text({
        default: '/var/lib/registry',
        example: '/var/lib/registry',
        doc: 'The folder that holds everything.',
      }),
      maxthreads: int({
        default: 100,
        min: 0,
        doc: `How many file operations may be under way at once; at least ${MIN_THREADS} are always allowed.`,
      }),
    },
    { doc: 'Files below one folder.', untyped: true },
  ),
  (value, place) => {
    if (value.rootdirectory === '') {
      fault(below(place, 'rootdirectory'), 'expected a folder, got an empty text', 'write /var/lib/registry');
    }
    return {
      type: 'filesystem',
      rootdirectory: value.rootdirectory,
      maxthreads: Math.max(MIN_THREADS, value.maxthreads),
    };
  },
);

const inmemory: Spec<DriverConfig> = refine(
  section({}, { doc: 'Everything in memory, gone at the end. For tests.', untyped: true }),
  () => ({ type: 'inmemory' }),
);

const drivers = { filesystem, inmemory } satisfies Record<string, Spec<DriverConfig>>;

const BUCKET = 'use storage.filesystem, or leave this bucket with the registry that serves it until a later version';
const DROPPED = 'copy the tree to a folder (rclone copies it as it is) and use storage.filesystem';

/** Drivers of other versions, and the way out. */
const otherDrivers: Readonly<Record<string, string>> = {
  s3: BUCKET,
  s3aws: BUCKET,
  azure: BUCKET,
  gcs: BUCKET,
  swift: DROPPED,
  oss: DROPPED,
  rados: DROPPED,
};

/** Keys beside the driver. */
const reserved = {
  delete: section(
    { enabled: bool({ default: false, doc: 'Allows DELETE of blobs, manifests and tags.' }) },
    { doc: 'Deletion over the API.', untyped: true },
  ),
  redirect: section(
    {
      disable: noEffectYet({
        doc: 'Whether clients are never sent to the backend. No driver of this version sends them there.',
        remedy: 'take it out',
        asks: (value) => typeof value !== 'boolean',
      }),
    },
    { doc: 'Redirects to the backend.', untyped: true },
  ),
  cache: noEffectYet({
    doc: 'The descriptor cache.',
    remedy: 'take it out: a bounded cache in memory is always there',
  }),
  tag: noEffectYet({ doc: 'Parallel reads of tag links.', remedy: 'take it out' }),
  maintenance: section(
    {
      uploadpurging: noEffectYet({
        doc: 'Deletes old unfinished uploads.',
        remedy: 'take it out, or write enabled: false',
        asks: (value) => at(value, 'enabled') !== false && value !== false,
      }),
      readonly: notSupported({
        doc: 'Refuses every write.',
        remedy: 'take it out, or write enabled: false',
        asks: (value) => isOn(value),
      }),
    },
    { doc: 'Upkeep.', untyped: true },
  ),
} satisfies Keys;

/** `readonly: {}` is off; whatever else is no clear "off" counts as on, since it protects. */
const isOn = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return value !== false;
  const enabled = at(value, 'enabled');
  return enabled !== undefined && enabled !== null && enabled !== false;
};

const driverNames = [...Object.keys(drivers), ...Object.keys(otherDrivers)];

const fallback: DriverConfig = { type: 'inmemory' };

export const storage: Spec<StorageConfig> = {
  type: 'map with one driver, or its name',
  default: '',
  doc: 'Where everything is kept. Required.',
  shape: { kind: 'map', keys: { ...drivers, ...reserved }, of: { kind: 'any' }, bare: true },
  read(place) {
    const found = asDrivers(place);
    const entries = found?.entries ?? new Map<string, Tree>();
    const values = {
      delete: reserved.delete.read(childOf(place, 'delete', entries.get('delete'))),
    };
    for (const name of ['redirect', 'cache', 'tag', 'maintenance'] as const) {
      reserved[name].read(childOf(place, name, entries.get(name)));
    }
    return { driver: found === undefined ? fallback : readDriver(place, entries), ...values };
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
    fault(place, `expected exactly one storage driver, got ${named.join(' and ')}`, 'keep one and take the other out');
    return fallback;
  }
  const driverPlace = childOf(place, name, entries.get(name));
  const remedy = otherDrivers[name];
  if (remedy !== undefined) fault(driverPlace, `the driver ${name} is not supported by this version`, remedy);
  const driver = Object.entries(drivers).find(([known]) => known === name)?.[1];
  return driver === undefined ? fallback : driver.read(driverPlace);
}

const noDriver = (place: Place): void =>
  fault(place, 'no storage driver is configured', 'write storage: {filesystem: {rootdirectory: /var/lib/registry}}');
