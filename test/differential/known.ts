/**
 * Every difference between Berth and Distribution 3.1 that the table of requests shows, with the reason for it. The list on
 * the page for people who migrate is made from these sentences.
 */
import { knownOfContent } from './known-content.ts';
import { knownOfUploads } from './known-uploads.ts';
import type { Difference } from './observation.ts';

/**
 * `fixed`: a defect there. `OCI`: asked for by the distribution specification, or allowed by it and better for clients.
 * `HTTP`: asked for by RFC 9110. `harmless`: no client decides by it.
 */
export type Kind = 'fixed' | 'OCI' | 'HTTP' | 'harmless';

/** `*` stands for anything. */
type Pattern = string;

export interface Known {
  readonly kind: Kind;
  /** For people: what they will see. */
  readonly says: string;
  /** Where: `AREA: EXCHANGE`, with `, request N` where it has several. Each pattern has to be met. */
  readonly at: readonly Pattern[];
  /** Default: `status`. */
  readonly fields?: readonly Pattern[];
  /** Distribution's value, and Berth's. */
  readonly theirs?: Pattern;
  readonly ours?: Pattern;
}

export interface Topic {
  readonly title: string;
  readonly known: readonly Known[];
}

const errors: readonly Known[] = [
  {
    kind: 'harmless',
    says: 'Messages and details of errors are worded differently and name the cause; codes are the same.',
    at: [
      'tags: *',
      'catalog: *',
      'paths: *',
      'methods: *',
      'manifests, *',
      'blobs: *',
      'uploads: *',
      'upload states: *',
    ],
    fields: ['messages', 'details'],
  },
  {
    kind: 'harmless',
    says: 'What leads nowhere gets the JSON envelope instead of a line of text, and a malformed name or reference the code that fits (`NAME_INVALID`, `MANIFEST_UNKNOWN`). The status is the same.',
    at: [
      'paths: *',
      'methods: *',
      'base: *',
      'addresses: *',
      'manifests, reading: *',
      'uploads: *',
      'upload states: *',
    ],
    fields: ['form', 'header docker-distribution-api-version'],
    theirs: '*',
    ours: '*',
  },
];

const paths: readonly Known[] = [
  {
    kind: 'harmless',
    says: 'Redirects with 301 (`/v2`, a slash too many) have no HTML page.',
    at: ['base: GET /v2', 'base: HEAD /v2', 'catalog: GET /v2/_catalog/', 'paths: GET /v2/app/tags/list/'],
    fields: ['form'],
  },
  {
    kind: 'harmless',
    says: '`HEAD /` says `Content-Length: 0`.',
    at: ['base: HEAD /'],
    fields: ['header content-length'],
  },
  {
    kind: 'harmless',
    says: 'HEAD of the catalog and of a tag list is answered, and `Allow` names HEAD and OPTIONS.',
    at: ['methods: HEAD /v2/_catalog', 'methods: HEAD /v2/app/tags/list'],
    theirs: '405*',
    ours: '200',
  },
  {
    kind: 'harmless',
    says: 'HEAD of the catalog and of a tag list is answered, and `Allow` names HEAD and OPTIONS.',
    at: ['methods: *', 'base: OPTIONS /v2/'],
    fields: ['header allow'],
  },
  {
    kind: 'fixed',
    says: 'OPTIONS is answered with `Allow` everywhere, without a body and without looking at what the path names.',
    at: ['methods: OPTIONS /v2/app/blobs/uploads/0190*', 'base: OPTIONS /v2/'],
    fields: ['status', 'body', 'header content-length', 'header content-type'],
  },
  {
    kind: 'harmless',
    says: 'The folder of uploads, without an id, takes POST only (405); an upload with an id takes no POST.',
    at: [
      ...['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'].map((method) => `methods: ${method} /v2/app/blobs/uploads/`),
      'methods: POST /v2/app/blobs/uploads/0190*',
      'paths: GET /v2/app/blobs/uploads',
      'methods: GET /v2/app/blobs/uploads/ [readonly]',
    ],
    ours: '405*',
  },
  { kind: 'harmless', says: 'TRACE is refused (405).', at: ['methods: TRACE /v2/'], theirs: '200', ours: '405*' },
  {
    kind: 'fixed',
    says: 'A name with a host and a port, or of more than 255 characters, is the client’s mistake (404, 400), not a 500.',
    at: [
      'paths: GET /v2/localhost:5000/*',
      'paths: GET /v2/Example.com:5000/*',
      'paths: * 256 characters',
      'paths: * 300 characters',
    ],
    theirs: '500*',
    ours: '40*',
  },
  {
    kind: 'harmless',
    says: 'An empty or unfinished digest in a path is 400 DIGEST_INVALID, not a 404 page.',
    at: ['paths: GET /v2/app/blobs/', 'paths: GET /v2/app/referrers/', 'blobs: * without an algorithm'],
    theirs: '404*',
    ours: '400 DIGEST_INVALID',
  },
  {
    kind: 'harmless',
    says: 'An encoded slash counts within a name, not between the parts of the path behind it.',
    at: ['paths: GET /v2/app/tags%2Flist'],
    theirs: '200',
    ours: '404*',
  },
  {
    kind: 'OCI',
    says: '`GET /v2/NAME/referrers/DIGEST` is there.',
    at: ['paths: GET /v2/app/referrers/sha256:*'],
    theirs: '404*',
    ours: '200',
  },
  {
    kind: 'fixed',
    says: 'What a proxy’s header says is put into a Location only if it is `http` or `https` and a host name; of a list the first counts.',
    at: [
      'addresses: * X-Forwarded-Proto in capitals',
      'addresses: * two X-Forwarded-Proto',
      'addresses: * an odd X-Forwarded-Proto',
      'addresses: * X-Forwarded-Host that is no name',
    ],
    fields: ['header location'],
  },
];

const listings: readonly Known[] = [
  {
    kind: 'OCI',
    says: 'A page of tags has a `Link` only if something follows.',
    at: ['tags: GET /v2/lib/many/tags/list?n=16', 'tags: GET /v2/lib/many/tags/list?n=1&last=v2'],
    fields: ['header link'],
    ours: '(absent)',
  },
  {
    kind: 'fixed',
    says: '`n=0` of a repository that does not exist is 404 NAME_UNKNOWN, as without it.',
    at: ['tags: GET /v2/unknown/tags/list?n=0'],
    theirs: '200',
    ours: '404 NAME_UNKNOWN',
  },
  {
    kind: 'fixed',
    says: 'A repository whose manifests have no tag has an empty list of tags instead of 404.',
    at: ['tags: GET /v2/digest-only/tags/list'],
    theirs: '404 NAME_UNKNOWN',
    ours: '200',
  },
  {
    kind: 'fixed',
    says: 'A tag whose link is empty or damaged is not listed, is 404 (or 500 there), and is repaired by the next push.',
    at: ['tags: GET /v2/broken/tags/list'],
    fields: ['body', 'header content-length'],
  },
  {
    kind: 'fixed',
    says: 'An odd `last` of the catalog is only a place in the order, never a 500.',
    at: ['catalog: GET /v2/_catalog?last=%00'],
    theirs: '500*',
    ours: '200',
  },
];

export const topics: readonly Topic[] = [
  { title: 'Errors', known: errors },
  { title: 'Paths, methods, addresses', known: paths },
  { title: 'Listings', known: listings },
  ...knownOfContent,
  ...knownOfUploads,
];

const escaped = (text: string): string => text.replace(/[.+?^${}()|[\]\\/]/g, '\\$&').replaceAll('*', '.*');
const fits = (pattern: Pattern, text: string): boolean => new RegExp(`^${escaped(pattern)}$`, 's').test(text);

/** Whether the entry, by this one of its places, is about that difference. */
export function explains(known: Known, place: Pattern, difference: Difference): boolean {
  return (
    fits(place, difference.at) &&
    (known.fields ?? ['status']).some((field) => fits(field, difference.field)) &&
    fits(known.theirs ?? '*', difference.theirs) &&
    fits(known.ours ?? '*', difference.ours)
  );
}
