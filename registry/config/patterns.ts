/** Regular expressions as Go understands them (RE2): JavaScript's own differ, and a pushed URL can make them run for ever. */
import { RE2JS } from 're2js';
import { fault, refine, type Spec } from './check.ts';
import { text } from './values.ts';

/** A pattern as written, if it is valid. */
export const pattern: Spec<string> = refine(
  text({ default: '', example: '^https://example\\.com/', doc: 'A pattern.' }),
  (written, place) => {
    try {
      RE2JS.compile(`(?:${written})`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      fault(place, `no regular expression of RE2: ${reason.slice(0, 120)}`, 'see https://golang.org/s/re2syntax');
    }
    return written;
  },
);
