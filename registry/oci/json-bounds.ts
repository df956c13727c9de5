/**
 * How much structure a JSON text may have before it is parsed. What a parser makes of `[[],[],…` takes thirty times the
 * text's bytes; a manifest of the largest allowed size with as many descriptors as fit has a fraction of these bounds.
 */

/** Containers within containers. */
const maxDepth = 64;
/** Objects and lists, and members of them, in the whole text. */
const maxContainers = 100_000;
const maxMembers = 250_000;
/** Bytes below which a text can't do harm. */
const harmless = 64 * 1024;

const [quote, backslash, comma] = ['"', '\\', ','].map((character) => character.charCodeAt(0));
const [openBrace, openBracket, closeBrace, closeBracket] = ['{', '[', '}', ']'].map((c) => c.charCodeAt(0));

/** What is too much in the text, or `undefined`. The text need not be JSON. */
export function excessIn(bytes: Uint8Array): string | undefined {
  if (bytes.length < harmless) return undefined;
  let [depth, containers, members] = [0, 0, 0];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = endOfString(bytes, at);
    else if (byte === comma) members++;
    else if (byte === openBrace || byte === openBracket) {
      containers++;
      if (++depth > maxDepth) return `more than ${maxDepth} levels`;
    } else if (byte === closeBrace || byte === closeBracket) depth--;
  }
  if (containers > maxContainers) return `more than ${maxContainers} objects and lists`;
  return members > maxMembers ? `more than ${maxMembers} members` : undefined;
}

function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
