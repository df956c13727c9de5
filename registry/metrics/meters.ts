/**
 * Counters and histograms that cost little to write to: plain numbers behind a Map, turned into prom-client's shape only
 * when somebody asks. prom-client's own hash their labels on every call, which is ten times as much as a small answer can bear.
 */
import type { Metric } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** A number that goes up, and for gauges down. */
export interface Cell {
  value: number;
}

export interface Distribution {
  observe(value: number): void;
}

/** The cells of one metric, one for each set of labels. Made once per set and kept: callers hold on to them. */
export interface Family<T> {
  /** A new child; asking twice for the same labels would make two lines, so callers keep what they got. */
  child(labels: Labels): T;
  readonly metric: Metric;
}

const described = (
  name: string,
  help: string,
  type: 'counter' | 'gauge' | 'histogram',
  values: () => Value[],
): Metric =>
  ({
    name,
    help,
    type,
    aggregator: 'sum',
    get: async () => ({ name, help, type, aggregator: 'sum', values: values() }),
  }) as unknown as Metric;

export function cells(type: 'counter' | 'gauge', name: string, help: string): Family<Cell> {
  const children: { readonly labels: Labels; readonly cell: Cell }[] = [];
  return {
    child(labels) {
      const cell: Cell = { value: 0 };
      children.push({ labels, cell });
      return cell;
    },
    metric: described(name, help, type, () => children.map(({ labels, cell }) => ({ labels, value: cell.value }))),
  };
}

/** A number that is looked up when somebody asks; `undefined` leaves the metric without a value. */
export const reading = (
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: () => number | readonly (readonly [Labels, number])[] | undefined,
): Metric =>
  described(name, help, type, () => {
    const found = read();
    if (found === undefined) return [];
    return typeof found === 'number'
      ? [{ labels: {}, value: found }]
      : found.map(([labels, value]) => ({ labels, value }));
  });

/** `bounds` are the upper ends of the buckets, ascending; one without end is added. */
export function histograms(name: string, help: string, bounds: readonly number[]): Family<Distribution> {
  const ends = [...bounds.map(asGoPrints), '+Inf'];
  const children: { readonly labels: Labels; readonly buckets: Float64Array; readonly sum: Cell }[] = [];
  return {
    child(labels) {
      const buckets = new Float64Array(bounds.length + 1);
      const sum: Cell = { value: 0 };
      children.push({ labels, buckets, sum });
      return {
        observe(value) {
          const index = bucketOf(value, bounds);
          buckets[index] = (buckets[index] ?? 0) + 1;
          sum.value += value;
        },
      };
    },
    metric: described(name, help, 'histogram', () =>
      children.flatMap(({ labels, buckets, sum }) => histogramValues(name, labels, buckets, sum.value, ends)),
    ),
  };
}

/**
 * A bound as Go's client library prints it (`1.048576e+06`): Prometheus 2 compares bounds as text, so another spelling
 * would split one histogram in two while replicas of both programs run.
 */
function asGoPrints(bound: number): string {
  if (Math.abs(bound) < 1e6) return String(bound);
  return bound.toExponential().replace(/e\+(\d)$/, 'e+0$1');
}

/** The first bucket that the value fits into. */
function bucketOf(value: number, bounds: readonly number[]): number {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value <= (bounds[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function histogramValues(
  name: string,
  labels: Labels,
  buckets: Float64Array,
  sum: number,
  ends: readonly string[],
): Value[] {
  let count = 0;
  const values: Value[] = [];
  for (const [index, inBucket] of buckets.entries()) {
    count += inBucket;
    values.push({ labels: { ...labels, le: ends[index] ?? '+Inf' }, value: count, metricName: `${name}_bucket` });
  }
  values.push({ labels, value: sum, metricName: `${name}_sum` });
  values.push({ labels, value: count, metricName: `${name}_count` });
  return values;
}

/** Puts a value into a map and gives it back. */
export function keep<K, V>(map: Map<K, V>, key: K, value: V): V {
  map.set(key, value);
  return value;
}
