/** A span of time as Go prints one: `850µs`, `12.345ms`, `1m2.5s`. What reads Distribution's logs parses that. */
export function goDuration(seconds: number): string {
  if (seconds < 1e-3) return `${Math.round(seconds * 1e6)}µs`;
  if (seconds < 1) return `${trimmed(seconds * 1e3)}ms`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${trimmed(seconds - minutes * 60)}s`;
  if (minutes === 0) return rest;
  return minutes < 60 ? `${minutes}m${rest}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${rest}`;
}

const trimmed = (value: number): string => String(Number(value.toFixed(6)));
