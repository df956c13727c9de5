/**
 * What every room may write to: pino's levels, a constant message, fields beside it. `registry/main` makes the real one,
 * tests pass what they like.
 */
import { pino } from 'pino';
import type { LogConfig } from './config/types.ts';
import { callerOf } from './log/caller.ts';
import type { Output } from './log/output.ts';
import { redactFields, redactText } from './log/redact.ts';
import { textFields, textLine } from './log/text.ts';

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Swallows everything. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export interface LoggerOptions {
  readonly stream: Output;
  /** Tells this process from other replicas. */
  readonly instanceId: string;
  /** Of the program. */
  readonly version: string;
}

type Write = (fields: object, message: string) => void;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** The names that logrus gives the levels. */
const LEVEL_NAMES = { debug: 'debug', info: 'info', warn: 'warning', error: 'error' } as const;

/** What logrus' logstash formatter adds; `log.fields` may say otherwise. */
const LOGSTASH = { '@version': '1', type: 'log' };

/**
 * The application's log, in the fields that Distribution uses: `time` (RFC 3339 with a fraction), `level`, `msg`, `instance.id`,
 * `version` and `log.fields`; `go.version` is left out, since there is none. Secrets are taken out of message and fields,
 * an error under `err` becomes `err.message`, `err.code`, ….
 */
export function createLogger(config: LogConfig, options: LoggerOptions): Logger {
  const { formatter } = config;
  const own = { 'instance.id': options.instanceId, version: options.version };
  const base = { ...(formatter === 'logstash' ? LOGSTASH : {}), ...withoutClashes(config), ...own };
  const writer = formatter === 'text' ? textWriter(base, options) : jsonWriter(base, options, formatter);
  const lowest = LEVELS.indexOf(config.level);
  const at = (level: (typeof LEVELS)[number]): Write => {
    if (LEVELS.indexOf(level) < lowest) return silent[level];
    const write = writer(level);
    const plain: Write = (fields, message) => write(redactFields(fields), redactText(message));
    if (!config.reportcaller) return plain;
    return function told(fields, message) {
      plain({ ...fields, ...callerOf(told) }, message);
    };
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A static field named like one that every line has becomes `fields.NAME`, as logrus has it. */
function withoutClashes({ fields, formatter, reportcaller }: LogConfig): Readonly<Record<string, unknown>> {
  const taken = new Set(formatter === 'logstash' ? ['@timestamp', 'level', 'message'] : ['time', 'level', 'msg']);
  if (reportcaller) for (const name of ['func', 'file']) taken.add(name);
  const entries = Object.entries(redactFields(fields));
  return Object.fromEntries(entries.map(([name, value]) => [taken.has(name) ? `fields.${name}` : name, value]));
}

/** pino would make JSON first and have it thrown away; text is cheaper made directly. */
function textWriter(base: object, { stream }: LoggerOptions): (level: (typeof LEVELS)[number]) => Write {
  const tail = textFields(base);
  return (level) => {
    const name = LEVEL_NAMES[level];
    return (fields, message) => stream.write(textLine(new Date().toISOString(), name, message, fields, tail));
  };
}

function jsonWriter(
  base: object,
  { stream }: LoggerOptions,
  formatter: 'json' | 'logstash',
): (level: (typeof LEVELS)[number]) => Write {
  const isLogstash = formatter === 'logstash';
  const timeKey = isLogstash ? '@timestamp' : 'time';
  const target = pino(
    {
      level: 'debug',
      base,
      messageKey: isLogstash ? 'message' : 'msg',
      timestamp: () => `,"${timeKey}":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label === 'warn' ? LEVEL_NAMES.warn : label }) },
    },
    stream,
  );
  return (level) => (fields, message) => target[level](fields, message);
}
