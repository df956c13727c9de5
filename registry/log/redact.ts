/** What may not stand in a log: credentials, keys, and the signed state of an upload. Errors become flat fields here too. */

export const REDACTED = '[redacted]';

/** Last parts of field names whose values are secrets. */
const SECRET = /(?:^|[._-])(?:authorization|cookie|password|passwd|secret|secretkey|accesskey|token|_state)$/i;

const STATE = /([?&]_state=)[^&\s"#]*/g;

const MAX_DEPTH = 4;

/** Whether a name is that of a secret; names are few and come from the code, so the answers are kept. */
const secretNames = new Map<string, boolean>();
const MAX_NAMES = 1000;

function isSecret(name: string): boolean {
  let answer = secretNames.get(name);
  if (answer === undefined) {
    answer = SECRET.test(name);
    if (secretNames.size < MAX_NAMES) secretNames.set(name, answer);
  }
  return answer;
}

/** A text without the values of `_state` in its queries. */
export const redactText = (text: string): string =>
  text.includes('_state=') ? text.replace(STATE, `$1${REDACTED}`) : text;

/** The same fields, fit to be written. Gives back the very object when nothing had to change. */
export function redactFields(fields: object, depth = 0): Readonly<Record<string, unknown>> {
  const given = fields as Readonly<Record<string, unknown>>;
  let copy: Record<string, unknown> | undefined;
  for (const name in given) {
    const value = given[name];
    if (value instanceof Error) {
      copy ??= { ...given };
      delete copy[name];
      Object.assign(copy, errorFields(name, value));
      continue;
    }
    const clean = isSecret(name) ? secretValue(value) : cleanValue(value, depth);
    if (clean === value) continue;
    copy ??= { ...given };
    copy[name] = clean;
  }
  return copy ?? given;
}

const secretValue = (value: unknown): unknown => (value === undefined || value === '' ? value : REDACTED);

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, depth + 1));
  return value instanceof Error ? redactText(value.message) : redactFields(value, depth + 1);
}

/**
 * `err` as Distribution's fields `err.code`, `err.message`, `err.detail`; the cause's message beside them. An error without
 * a code is one that nobody foresaw: its stack is worth a field.
 */
function errorFields(name: string, error: Error): Record<string, unknown> {
  const { code, detail, cause } = error as Error & { readonly code?: unknown; readonly detail?: unknown };
  const fields: Record<string, unknown> = { [`${name}.message`]: redactText(error.message) };
  if (code !== undefined) fields[`${name}.code`] = code;
  else fields[`${name}.stack`] = redactText(error.stack ?? '');
  if (detail !== undefined) fields[`${name}.detail`] = cleanValue(detail, 1);
  if (cause instanceof Error) fields[`${name}.cause`] = redactText(cause.message);
  return fields;
}
