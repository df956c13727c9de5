/** Pure: preconditions of RFC 9110 section 13 for content whose entity tag is its digest. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Digest } from '../oci/digest.ts';

export const etag = (digest: Digest): string => `"${digest}"`;

/** Lists, weak tags and `*`; Distribution's clients also send the digest without quotes. */
function names(header: string, digest: Digest): boolean {
  return header.split(',').some((part) => {
    const tag = part.trim().replace(/^W\//, '');
    return tag === '*' || tag === etag(digest) || tag === digest;
  });
}

/** Without weak tags, which `If-Match` must not take for equal (RFC 9110 section 13.1.1). */
const strongly = (header: string): string => header.replace(/W\/"[^"]*"/g, '');

/** What a GET or HEAD of existing content has to answer instead of 200, if anything. */
export function precondition(headers: IncomingHttpHeaders, digest: Digest): 304 | 412 | undefined {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined && !names(strongly(ifMatch), digest)) return 412;
  const ifNoneMatch = headers['if-none-match'];
  return ifNoneMatch !== undefined && names(ifNoneMatch, digest) ? 304 : undefined;
}

/** Whether `Range` counts: `If-Range` must name this very content, strongly. */
export function rangeApplies(headers: IncomingHttpHeaders, digest: Digest): boolean {
  const ifRange = headers['if-range'];
  return ifRange === undefined || ifRange === etag(digest);
}
