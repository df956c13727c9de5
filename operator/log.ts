import { destination, pino } from 'pino';

/** What every room may write to: a constant message, fields beside it. Never a credential or a value of a Secret. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Swallows everything. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export interface LogOptions {
  level: 'debug' | 'info' | 'warn' | 'error';
  /** `json`: one object a line. `text`: `time LEVEL message key=value ...`. */
  format: 'json' | 'text';
}

/** A logger on standard error. Writes are synchronous, so that the last line before an exit is there. */
export function createLogger({ level, format }: LogOptions): Logger {
  if (format === 'json') {
    const formatters = { level: (label: string) => ({ level: label }) };
    return pino(
      { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters },
      destination({ fd: 2, sync: true }),
    );
  }
  const least = ranks[level];
  const write = (name: keyof typeof ranks) => (fields: object, message: string) => {
    if (ranks[name] >= least) process.stderr.write(`${textLine(name, fields, message)}\n`);
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

const ranks = { debug: 0, info: 1, warn: 2, error: 3 } as const;

function textLine(level: string, fields: object, message: string): string {
  const parts = [new Date().toISOString(), level.toUpperCase().padEnd(5), message];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = value instanceof Error ? value.message : typeof value === 'string' ? value : JSON.stringify(value);
    parts.push(`${key}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`);
  }
  return parts.join(' ');
}
