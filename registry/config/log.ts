/** `log` and the older `loglevel`. */
import { optional } from './check.ts';
import { hooks } from './hooks.ts';
import { section } from './section.ts';
import { anything, bool, mapOf, oneOf } from './values.ts';

const LEVELS = ['error', 'warn', 'info', 'debug'] as const;

/** Left out is another thing than `info` written, since the older key counts only for the first. */
const level = (doc: string) => optional(oneOf(LEVELS, { default: 'info', doc }));

export const log = section(
  {
    level: level('How much is logged.'),
    formatter: oneOf(['text', 'json', 'logstash'], { default: 'text', doc: 'The form of a log line.' }),
    fields: mapOf(anything({ doc: '' }), { doc: 'Static fields on every line.' }),
    accesslog: section(
      { disabled: bool({ default: false, doc: 'Turns off the access log on standard output.' }) },
      { doc: "The access log, in Apache's combined format." },
    ),
    hooks,
    reportcaller: bool({ default: false, doc: 'Adds file and function to every line.' }),
  },
  { doc: "The application's log, on standard error." },
);

export const loglevel = { ...level('Older name of `log.level`, which wins.'), default: '', olderNameOf: 'log.level' };
