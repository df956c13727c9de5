/** Headers that a configuration adds to messages. */
import { below, fault, type Place } from './check.ts';
import { list, mapOf, text } from './values.ts';

/** Names, each with its values. */
export const headers = (doc: string) =>
  mapOf(list(text({ default: '', example: 'nosniff', doc: '' }), { doc: '', example: '[nosniff]' }), { doc });

/** RFC 9110 §5.1 and §5.5: a name is a token, a value has no control characters. */
export function checkHeaders(headers: Readonly<Record<string, readonly string[]>>, place: Place): void {
  for (const [name, values] of Object.entries(headers)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
      fault(below(place, name), 'no name of a header', 'use letters, digits and -');
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    if (values.some((value) => /[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]/.test(value))) {
      fault(below(place, name), 'a value of a header has one line and no control characters', 'take them out');
    }
  }
}
