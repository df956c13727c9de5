/**
 * Which URLs a manifest may name (`validation.manifests.urls`). The patterns are Go's RE2, unanchored, and are matched against
 * what anybody pushes, so they run in RE2's linear time; JavaScript's own would mean something else and could be stalled.
 */
import { RE2JS } from 're2js';

export interface UrlRules {
  /** What is wrong with a URL, or `undefined`. */
  refusal(url: string): string | undefined;
}

/** RE2 reads `$`, `\A`, `\z`, `(?i)` and classes as Go does; each pattern stands for itself whatever it holds. */
const joined = (patterns: readonly string[]): RE2JS | undefined =>
  patterns.length === 0 ? undefined : RE2JS.compile(patterns.map((pattern) => `(?:${pattern})`).join('|'));

/** White space, control characters, backslashes. */
const strange = /\\|\s|\p{Cc}/u;

/** `undefined` when there are no patterns: URLs are then nobody's business. The patterns must be valid. */
export function createUrlRules(allow: readonly string[], deny: readonly string[]): UrlRules | undefined {
  const [allowed, denied] = [joined(allow), joined(deny)];
  if (allowed === undefined && denied === undefined) return undefined;
  return {
    refusal(url) {
      // A client of Go's sees no URL where the WHATWG's rules would leave characters out.
      const parsed = !strange.test(url) && URL.canParse(url) ? new URL(url) : undefined;
      if (parsed === undefined) return 'it is no URL';
      if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') return 'it is neither http nor https';
      if (parsed.hash !== '') return 'it has a fragment';
      if (allowed !== undefined && !allowed.matcher(url).find())
        return 'no pattern of validation.manifests.urls.allow fits';
      if (denied?.matcher(url).find()) return 'a pattern of validation.manifests.urls.deny fits';
      return undefined;
    },
  };
}
