/** Log lines as logrus writes them: `time="…" level=info msg="…" key=value`. */

/** What needs no quotes in logrus' text. */
const BARE = /^[A-Za-z0-9\-._/@^+]+$/;

const quoted = (text: string): string => (BARE.test(text) ? text : JSON.stringify(text));

function written(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return quoted(asJson(value));
}

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    return String(value); // a circle, or a BigInt within
  }
}

/** ` key=value` for each field that has a value. Line feeds in values are escaped, so that a line stays a line. */
export function textFields(fields: object): string {
  let line = '';
  for (const name in fields) {
    const value = (fields as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined) line += ` ${name}=${written(value)}`;
  }
  return line;
}

/** A whole line. `tail` are static fields, made by `textFields`. */
export const textLine = (time: string, level: string, message: string, fields: object, tail: string): string =>
  `time="${time}" level=${level} msg=${quoted(message)}${textFields(fields)}${tail}\n`;
