/**
 * JSON as Go's `encoding/json` writes it. What an old client pulls is named by the digest of a text that Distribution 2.x
 * makes with it; ours has to be the same text, or two replicas would give one image two digests.
 */

const escapes: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};
const escapable = /[<>&\u2028\u2029]/g;

/** Characters that HTML or JavaScript would misread are escaped; they can only stand inside strings. */
const escaped = (json: string): string => json.replace(escapable, (character) => escapes[character] ?? character);

/** A value, `indent` (spaces, or how many) for each level; without it on one line. */
export function goJson(value: unknown, indent: number | string = 0): string {
  const wellFormed = (_key: string, inner: unknown): unknown =>
    typeof inner === 'string' ? inner.toWellFormed() : inner;
  const json = JSON.stringify(value, wellFormed, indent);
  // Go of Distribution's time knows no short forms for backspace and form feed. After an even number of backslashes, which
  // stand for themselves, a letter is a letter.
  const long = json.replace(/\\+[bf]/g, (found) =>
    found.length % 2 === 1 ? found : `${found.slice(0, -2)}\\u00${found.endsWith('b') ? '08' : '0c'}`,
  );
  return escaped(long);
}

/** Where the string that begins at `start` ends: at its closing quote. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at;
}

const isSpace = (character: string | undefined): boolean =>
  character === ' ' || character === '\n' || character === '\t' || character === '\r';

/** A text that is known to be JSON, without the white space between its tokens, otherwise as written. */
export function compact(json: string): string {
  let out = '';
  let from = 0;
  for (let at = 0; at < json.length; at++) {
    if (json[at] === '"') at = endOfString(json, at);
    else if (isSpace(json[at])) {
      out += json.slice(from, at);
      from = at + 1;
    }
  }
  return escaped(out + json.slice(from));
}

const deeper: Readonly<Record<string, number>> = { '{': 1, '[': 1, '}': -1, ']': -1 };

/**
 * The members of an object by name, each value as it was written, compacted; of members with the same name the last. The
 * text must be known to be JSON, and an object.
 */
export function members(json: string): Map<string, string> {
  const text = compact(json);
  const found = new Map<string, string>();
  let depth = 0;
  let name: string | undefined;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    const start = at;
    if (character === '"') at = endOfString(text, at);
    depth += deeper[character] ?? 0;
    if (name === undefined && character === '"') {
      name = JSON.parse(text.slice(start, at + 1)) as string;
      // Behind the colon.
      from = at + 2;
    } else if (name !== undefined && (depth === 0 || (depth === 1 && character === ','))) {
      found.set(name, text.slice(from, at));
      name = undefined;
    }
  }
  return found;
}
