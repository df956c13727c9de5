/** Durations as Go writes and reads them; milliseconds here. */

const NANOSECONDS_PER_MS = 1_000_000;

const UNITS: Readonly<Record<string, number>> = {
  ns: 1 / NANOSECONDS_PER_MS,
  us: 1 / 1000,
  µs: 1 / 1000,
  μs: 1 / 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const SIZES = [
  ['h', 3_600_000_000_000n],
  ['m', 60_000_000_000n],
  ['s', 1_000_000_000n],
  ['ms', 1_000_000n],
  ['us', 1000n],
  ['ns', 1n],
] as const;

/** Go's `int64` nanoseconds end here. */
const MAX_MS = 2 ** 63 / NANOSECONDS_PER_MS;

/** A text such as `1h30m` or `-1.5s`, or whole nanoseconds. `undefined` if it is neither. Milliseconds. */
export function parseDuration(value: string | number | boolean | null): number | undefined {
  const ms = typeof value === 'number' ? nanoseconds(value) : typeof value === 'string' ? units(value) : undefined;
  return ms !== undefined && Math.abs(ms) < MAX_MS ? ms : undefined;
}

/** The shortest way to write it, to the nanosecond: `10s`, `1h30m`, `0s`. */
export function formatDuration(ms: number): string {
  let rest = BigInt(Math.round(ms * NANOSECONDS_PER_MS));
  let written = '';
  for (const [unit, size] of SIZES) {
    const count = rest / size;
    rest -= count * size;
    if (count > 0n) written += `${count}${unit}`;
  }
  return written || '0s';
}

const nanoseconds = (value: number): number | undefined =>
  Number.isSafeInteger(value) ? value / NANOSECONDS_PER_MS : undefined;

function units(written: string): number | undefined {
  const [, sign = '', body = ''] = /^([+-]?)(.*)$/s.exec(written) ?? [];
  if (body === '0') return 0;
  let total = 0;
  let end = 0;
  for (const match of body.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy)) {
    total += Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN);
    end = match.index + match[0].length;
  }
  if (end === 0 || end !== body.length) return undefined;
  return sign === '-' ? -total : total;
}
