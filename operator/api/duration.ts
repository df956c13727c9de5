const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * A duration of the resource, such as `30s` or `1h30m`, in whole milliseconds. The schema has checked its form.
 */
export function milliseconds(duration: string): number {
  let sum = 0;
  for (const [, number, unit] of duration.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/g)) {
    sum += Number(number) * (UNITS[unit ?? ''] ?? 0);
  }
  return Math.round(sum);
}
