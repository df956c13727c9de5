/** Pure: `Range` of RFC 9110 section 14, and the specification's own `Content-Range` of chunked pushes. */
import { fault } from '../oci/error.ts';

/** Byte offsets, both inclusive. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** More parts than this in one request are not worth an attack: the whole is served. */
const maxParts = 16;

const one = /^(\d*)-(\d*)$/;

/**
 * The satisfiable spans of a `Range` header for content of `size` bytes. `undefined`: no header, another unit or malformed,
 * so the whole is served (RFC 9110 section 14.2), as it is where there is nothing to choose from. Empty: none can be
 * satisfied, which is 416. Spans that overlap or touch are one (section 15.3.7.2), so no byte is ever sent twice.
 */
export function parseRange(header: string | undefined, size: number): readonly Span[] | undefined {
  const match = header === undefined ? null : /^bytes=(.*)$/i.exec(header.trim());
  if (match === null || size === 0) return undefined;
  const listed = (match[1] ?? '').split(',').map((spec) => spec.trim());
  // A list may have empty elements (section 5.6.1), but not only these.
  const specs = listed.filter((spec) => spec !== '');
  if (specs.length === 0 || listed.length > maxParts) return undefined;
  const spans: Span[] = [];
  for (const spec of specs) {
    const span = parseSpan(spec, size);
    if (span === 'malformed') return undefined;
    if (span !== undefined) spans.push(span);
  }
  return coalesced(spans);
}

/** In the order of the first mention. */
function coalesced(spans: readonly Span[]): readonly Span[] {
  const separate: Span[] = [];
  for (const span of spans) {
    const touched = separate.filter(({ first, last }) => first <= span.last + 1 && span.first <= last + 1);
    const joined = {
      first: Math.min(span.first, ...touched.map(({ first }) => first)),
      last: Math.max(span.last, ...touched.map(({ last }) => last)),
    };
    // Those that are there touch each other nowhere, so one step joins all that the new one connects.
    const at = touched.length === 0 ? separate.length : separate.indexOf(touched[0] ?? joined);
    const others = separate.filter((other) => !touched.includes(other));
    separate.splice(0, separate.length, ...others.slice(0, at), joined, ...others.slice(at));
  }
  return separate;
}

function parseSpan(spec: string, size: number): Span | 'malformed' | undefined {
  const [, from = '', to = ''] = one.exec(spec) ?? [];
  if (from === '' && to === '') return 'malformed';
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length > 0 ? { first: size - length, last: size - 1 } : undefined;
  }
  const first = Number(from);
  // RFC 9110 calls a last position before the first one invalid; Distribution and the conformance programs expect 416.
  if (to !== '' && Number(to) < first) return undefined;
  if (first >= size) return undefined;
  return { first, last: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}

/** `FIRST-LAST` of a chunk ("Pushing a blob in chunks"): no unit, no total. */
export function parseContentRange(header: string | undefined): Span | undefined {
  if (header === undefined) return undefined;
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(header.trim()) ?? [];
  if (first === undefined || last === undefined) {
    throw fault('CONTENT_RANGE_INVALID', undefined, { contentRange: header.slice(0, 100) });
  }
  if (Number(last) < Number(first)) throw fault('RANGE_INVALID', 'Content-Range ends before it begins');
  return { first: Number(first), last: Number(last) };
}
