/**
 * What may not stand in a log: credentials, keys, signatures, and the signed state of an upload. Errors become flat fields
 * here too. Everything in it is linear in the text's length: clients choose the texts.
 */

export const REDACTED = '[redacted]';

/** Ends of field names whose values are secrets, in whatever word they end. */
const SECRET_FIELD =
  /(?:authorization|cookie|password|passwd|secret|secretkey|accesskey|accountkey|apikey|licensekey|connectionstring|token|credentials?|signature|(?:^|[._-])_state)$/i;

/**
 * Names of query parameters whose values are secrets: the state of an upload, tokens and passwords, and what makes a
 * presigned URL of S3, CloudFront, Google or Azure good for whoever has it.
 */
const SECRET_PARAMETER =
  /^(?:_state|sig|code|key|policy|.*(?:signature|credential|secret|password|passwd|token|awsaccesskeyid|api[_-]?key))$/;

/** `?name=value`, `&name=value`; the value ends where a query's value or a quoted text ends. */
const PARAMETER = /([?&;])([^=&;?\s"'<>]{1,100})=([^&;\s"'<>]*)/g;

/** What stands between `://` and `@`. */
const USER_INFO = /:\/\/[^/\s"'<>?#]*@/g;

/** The value of an Authorization header inside a text; a challenge (`Bearer realm=…`) is none, nor is `Basic authentication`. */
const AUTHORIZATION =
  /\b(Basic|Bearer)\s+(?!(?:realm=|auth(?:entication|orization)?\b|tokens?\b|challenges?\b|credentials?\b))[A-Za-z0-9._~+/=-]{4,}/gi;

const MAX_DEPTH = 4;

/** Whether a name is that of a secret; names are few and come from the code, so the answers are kept. */
const secretNames = new Map<string, boolean>();
const MAX_NAMES = 1000;

function isSecret(name: string): boolean {
  let answer = secretNames.get(name);
  if (answer === undefined) {
    answer = SECRET_FIELD.test(name);
    if (secretNames.size < MAX_NAMES) secretNames.set(name, answer);
  }
  return answer;
}

/** A text without secret query values, user information of URLs, and credentials as headers have them. */
export function redactText(text: string): string {
  let clean = text;
  if (clean.includes('=')) clean = clean.replace(PARAMETER, cleanParameter);
  if (clean.includes('://')) clean = clean.replace(USER_INFO, `://${REDACTED}@`);
  if (clean.includes(' ')) clean = clean.replace(AUTHORIZATION, `$1 ${REDACTED}`);
  return clean;
}

function cleanParameter(whole: string, separator: string, name: string, value: string): string {
  const plain = name.includes('%') ? decoded(name) : name;
  if (value === '' || !SECRET_PARAMETER.test(plain.toLowerCase())) return whole;
  return `${separator}${name}=${REDACTED}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A foreign URL, whose parameters nobody here knows: neither its query nor its fragment nor its user information. */
export function redactUrl(url: string): string {
  const end = url.search(/[?#]/);
  return redactText(end === -1 || end === url.length - 1 ? url : `${url.slice(0, end + 1)}${REDACTED}`);
}

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
    const clean = cleanField(name, value, depth);
    if (clean === value) continue;
    copy ??= { ...given };
    copy[name] = clean;
  }
  return copy ?? given;
}

function cleanField(name: string, value: unknown, depth: number): unknown {
  if (isSecret(name)) return secretValue(value);
  // Any header may carry a key: what they are called is their users' choice.
  if (name === 'headers' && isRecord(value)) return mapValues(value, secretValue);
  return cleanValue(value, depth);
}

const secretValue = (value: unknown): unknown => (value === undefined || value === '' ? value : REDACTED);

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return `${value.length} bytes`;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, depth + 1));
  return value instanceof Error ? redactText(value.message) : redactFields(value, depth + 1);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Error);

const mapValues = (given: Readonly<Record<string, unknown>>, change: (value: unknown) => unknown): object =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, change(value)]));

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
