import { createHash } from 'node:crypto';

/** One place where a stored object is not what was rendered. */
export interface Difference {
  /** JSON pointer into the stored object. */
  path: string;
  /** `changed`: another value, or none. `foreign`: a list that we render has entries that are not ours. */
  kind: 'changed' | 'foreign';
  /** What is stored there, as JSON; `''` for nothing. */
  stored: string;
  /** What was rendered. */
  wanted: unknown;
}

/**
 * The key by which entries of a list belong together, as the API's `listMapKeys` or a unique field beside it. Any other list is
 * compared entry by entry.
 */
const listKeys: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  ports: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  imagePullSecrets: 'name',
  ownerReferences: 'uid',
};
/** Lists in which others may have entries of their own. */
const shared: ReadonlySet<string> = new Set(['ownerReferences']);
/** Fields whose members are quantities, which the API server writes in a canonical form. */
const quantityMaps: ReadonlySet<string> = new Set(['limits', 'requests', 'capacity']);

/**
 * Where `stored` falls short of `wanted`: every value that was rendered has to stand there. Fields that were not rendered (defaults of the
 * API server, other managers' fields) do not matter, but entries that others added to a list of ours do: they would end up in our Pods.
 */
export function compare(wanted: unknown, stored: unknown): Difference[] {
  const found: Difference[] = [];
  compareAt(wanted, stored, '', '', found);
  return found;
}

function compareAt(wanted: unknown, stored: unknown, path: string, field: string, found: Difference[]): void {
  if (Array.isArray(wanted)) return compareLists(wanted, stored, path, field, found);
  if (isRecord(wanted)) {
    if (!isRecord(stored)) {
      // An empty map is not stored; an empty emptyDir is, and means something.
      if (stored === undefined && Object.keys(wanted).length === 0 && field !== 'emptyDir') return;
      found.push(changed(path, wanted, stored));
      return;
    }
    for (const [key, value] of Object.entries(wanted)) {
      if (value === undefined) continue;
      const inner = quantityMaps.has(field) ? 'quantity' : key;
      compareAt(value, stored[key], `${path}/${escaped(key)}`, inner, found);
    }
    return;
  }
  if (!sameScalar(wanted, stored, field)) found.push(changed(path, wanted, stored));
}

function compareLists(wanted: unknown[], stored: unknown, path: string, field: string, found: Difference[]): void {
  if (!Array.isArray(stored)) {
    if (stored !== undefined || wanted.length > 0) found.push(changed(path, wanted, stored));
    return;
  }
  const key = listKeys[field];
  if (key === undefined || !wanted.every((entry) => isRecord(entry) && entry[key] !== undefined)) {
    if (wanted.length !== stored.length) found.push(changed(path, wanted, stored));
    else for (const [index, entry] of wanted.entries()) compareAt(entry, stored[index], `${path}/${index}`, '', found);
    return;
  }
  const ours = new Set<number>();
  for (const entry of wanted as Record<string, unknown>[]) {
    const index = stored.findIndex((other) => isRecord(other) && other[key] === entry[key]);
    if (index < 0) found.push(changed(`${path}/-`, entry, undefined));
    else {
      ours.add(index);
      compareAt(entry, stored[index], `${path}/${index}`, '', found);
    }
  }
  if (stored.length > ours.size && !shared.has(field)) {
    const others = stored.filter((_, index) => !ours.has(index));
    found.push({ path, kind: 'foreign', stored: JSON.stringify(others), wanted });
  }
}

function changed(path: string, wanted: unknown, stored: unknown): Difference {
  return { path, kind: 'changed', stored: JSON.stringify(stored) ?? '', wanted };
}

function sameScalar(wanted: unknown, stored: unknown, field: string): boolean {
  if (wanted === stored) return true;
  if (wanted === null) return stored === undefined;
  if (field !== 'quantity' && field !== 'sizeLimit') return false;
  const value = quantity(wanted);
  return value !== undefined && value === quantity(stored);
}

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The number that a quantity stands for, rounded to nanos as the API server does; `undefined` for what is no quantity. */
function quantity(value: unknown): number | undefined {
  const match = /^([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(String(value));
  if (match === null) return undefined;
  const scale = match[2] === undefined ? suffixes[match[3] ?? ''] : 10 ** Number(match[2]);
  const amount = Number(match[1]) * (scale ?? Number.NaN);
  return Number.isFinite(amount) ? Number(amount.toPrecision(15)) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A key as part of a JSON pointer (RFC 6901 §3). */
function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** A short name for the content of an object, the same for the same content whatever the order of its keys. */
export function contentHash(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 32);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
}
