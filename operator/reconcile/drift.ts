import { createHash } from 'node:crypto';
import { amount } from '../api/quantity.ts';

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
 * What entries of a list belong together by: the API's `listMapKeys`, by which server-side apply merges them. Any other list is compared
 * entry by entry.
 */
const listKeys: Readonly<Record<string, (entry: Record<string, unknown>) => unknown>> = {
  containers: ({ name }) => name,
  initContainers: ({ name }) => name,
  env: ({ name }) => name,
  ports: ({ port, containerPort = port, protocol = 'TCP' }) => containerPort && `${containerPort}/${protocol}`,
  volumes: ({ name }) => name,
  volumeMounts: ({ mountPath }) => mountPath,
  imagePullSecrets: ({ name }) => name,
  ownerReferences: ({ uid }) => uid,
};
/** Lists in which others may have entries of their own. */
const shared: ReadonlySet<string> = new Set(['ownerReferences']);
/** Maps that are one value (`x-kubernetes-map-type: atomic`): another key in a selector finds other Pods, or none. */
const atomic: ReadonlySet<string> = new Set(['selector', 'nodeSelector', 'labelSelector', 'matchLabels']);
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
  if (Array.isArray(wanted)) compareLists(wanted, stored, path, field, found);
  else if (isRecord(wanted)) compareMaps(wanted, stored, path, field, found);
  else if (!sameScalar(wanted, stored, field)) found.push(changed(path, wanted, stored));
}

function compareMaps(
  wanted: Record<string, unknown>,
  stored: unknown,
  path: string,
  field: string,
  found: Difference[],
): void {
  if (!isRecord(stored)) {
    // An empty map is not stored; an empty emptyDir is, and means something.
    const nothing = stored === undefined && Object.keys(wanted).length === 0 && field !== 'emptyDir';
    if (!nothing) found.push(changed(path, wanted, stored));
    return;
  }
  if (atomic.has(field) && Object.keys(stored).some((key) => wanted[key] === undefined)) {
    found.push(changed(path, wanted, stored));
    return;
  }
  for (const [key, value] of Object.entries(wanted)) {
    if (value === undefined) continue;
    const inner = quantityMaps.has(field) ? 'quantity' : key;
    compareAt(value, stored[key], `${path}/${escaped(key)}`, inner, found);
  }
}

function compareLists(wanted: unknown[], stored: unknown, path: string, field: string, found: Difference[]): void {
  if (!Array.isArray(stored)) {
    if (stored !== undefined || wanted.length > 0) found.push(changed(path, wanted, stored));
    return;
  }
  const key = listKeys[field];
  if (key === undefined || !wanted.every((entry) => isRecord(entry) && key(entry) !== undefined)) {
    if (wanted.length !== stored.length) found.push(changed(path, wanted, stored));
    else for (const [index, entry] of wanted.entries()) compareAt(entry, stored[index], `${path}/${index}`, '', found);
    return;
  }
  const ours = new Set<number>();
  for (const entry of wanted as Record<string, unknown>[]) {
    const index = stored.findIndex((other) => isRecord(other) && key(other) === key(entry));
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
  // What is not set and what is empty are stored alike.
  if (wanted === null || (wanted === '' && field === 'value')) return stored === undefined;
  if (field !== 'quantity' && field !== 'sizeLimit') return false;
  const value = quantity(wanted);
  return value !== undefined && value === quantity(stored);
}

/** The number that a quantity stands for, without what a fraction's binary form adds; `undefined` for what is no quantity. */
function quantity(value: unknown): number | undefined {
  const number = amount(String(value));
  return number === undefined ? undefined : Number(number.toPrecision(15));
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
