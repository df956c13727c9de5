/** Known differences with manifests and blobs. */
import type { Known, Topic } from './known.ts';

const reading = (...what: readonly string[]): readonly string[] => what.map((part) => `manifests, reading: ${part}`);
const pushing = (...what: readonly string[]): readonly string[] =>
  what.map((part) => `manifests, pushing: PUT ${part}`);
const blobs = (...what: readonly string[]): readonly string[] =>
  what.map((part) => `blobs: GET /v2/app/blobs/*${part}`);

const manifests: readonly Known[] = [
  {
    kind: 'fixed',
    says: 'An OCI image is given to clients that send no `Accept`, `*/*`, `application/*` or no manifest type at all; it is withheld (404) only from those that name manifest types without it.',
    at: reading(
      ...['no Accept', 'Accept */*', 'Accept application/*', 'Accept application/json'].flatMap((accept) => [
        `GET /v2/app/manifests/oci ${accept}`,
        `GET /v2/app/manifests/untyped ${accept}`,
      ]),
      'GET /v2/app/manifests/sha256:* no Accept',
    ),
    theirs: '404 MANIFEST_UNKNOWN',
    ours: '200',
  },
  {
    kind: 'fixed',
    says: 'A Docker manifest list is given as it is, by tag too. Distribution gives its linux/amd64 image to clients that do not name lists, or an error (400, 404) where that does not fit.',
    at: reading(
      'GET /v2/app/manifests/list no Accept',
      'GET /v2/app/manifests/list Accept *',
      'GET /v2/app/manifests/list-arm no Accept',
      'GET /v2/app/manifests/list-arm Accept *',
      'HEAD /v2/app/manifests/list',
    ),
    theirs: '40*',
    ours: '200',
  },
  {
    kind: 'fixed',
    says: 'A Docker manifest list is given as it is, by tag too. Distribution gives its linux/amd64 image to clients that do not name lists, or an error (400, 404) where that does not fit.',
    at: reading('GET /v2/app/manifests/list Accept schema 2'),
    fields: ['body', 'header *'],
  },
  {
    kind: 'fixed',
    says: '304 carries ETag and digest.',
    at: reading('* If-None-Match quoted', '* If-None-Match bare'),
    fields: ['header docker-content-digest', 'header etag'],
    theirs: '(absent)',
  },
  {
    kind: 'HTTP',
    says: '`If-None-Match` of a manifest may be a list, weak, or `*`.',
    at: reading('* If-None-Match weak', '* If-None-Match in a list', '* If-None-Match anything'),
    theirs: '200',
    ours: '304',
  },
  {
    kind: 'fixed',
    says: 'What is not there is 404, whatever `If-None-Match` says.',
    at: reading('* If-None-Match of it'),
    theirs: '304',
    ours: '404 MANIFEST_UNKNOWN',
  },
  {
    kind: 'OCI',
    says: 'GET and DELETE of a manifest by a malformed digest is 404, not 400.',
    at: [
      ...reading(
        'GET /v2/app/manifests/sha256:abc',
        'GET /v2/app/manifests/sha256:A*',
        'GET /v2/app/manifests/* 63 digits',
        'GET /v2/app/manifests/md5:*',
      ),
      'manifests, deleting: DELETE /v2/targets/manifests/sha256:abc',
      'manifests, deleting: DELETE /v2/targets/manifests/md5:*',
    ],
    theirs: '400 DIGEST_INVALID',
    ours: '404 MANIFEST_UNKNOWN',
  },
  {
    kind: 'fixed',
    says: 'A damaged link or manifest is 404 and is repaired by the next push, not a 500.',
    at: [
      ...reading(
        'GET /v2/broken/manifests/empty',
        'GET /v2/broken/manifests/garbage',
        'GET /v2/broken/manifests/not-json',
        'GET /v2/broken/manifests/sha256:*',
      ),
      'blobs: * empty link',
    ],
    theirs: '500 UNKNOWN',
    ours: '404*',
  },
  {
    kind: 'OCI',
    says: 'A push that names a subject is answered with `OCI-Subject`.',
    at: pushing('with a subject that is here', 'with a subject that is nowhere'),
    fields: ['header oci-subject'],
  },
  { kind: 'OCI', says: 'Manifests may be pushed by SHA-512.', at: pushing('by SHA-512'), theirs: '400*', ours: '201' },
  {
    kind: 'harmless',
    says: 'A push to a malformed tag is 400 TAG_INVALID, not a 404 page.',
    at: pushing('to a malformed tag'),
    theirs: '404*',
    ours: '400 TAG_INVALID',
  },
  {
    kind: 'fixed',
    says: 'A manifest with a wrong schemaVersion, a malformed digest or `null` is 400, not 500.',
    at: pushing(
      ...['null', 'an empty object', 'schemaVersion 1', 'schemaVersion 1 as schema 2', 'no schemaVersion'],
      ...['no schemaVersion as schema 2', 'a layer with a malformed digest', 'a layer with an unknown algorithm'],
    ),
    theirs: '500*',
    ours: '400*',
  },
  {
    kind: 'harmless',
    says: 'A descriptor without a digest is MANIFEST_INVALID alone; a missing config is reported once.',
    at: pushing('no config', 'a layer without a digest', 'two layers that are not here'),
    fields: ['codes'],
  },
  {
    kind: 'fixed',
    says: 'A negative size in a manifest is refused.',
    at: pushing('a layer with a negative size'),
    theirs: '201',
    ours: '400 MANIFEST_INVALID',
  },
  {
    kind: 'fixed',
    says: 'Layers with URLs are taken where no list of URLs is configured, and need not be there; Distribution answers 500 to each.',
    at: pushing(
      'a foreign layer with a URL',
      'a non-distributable layer with a URL',
      'an ordinary layer that is here with a URL',
      'a layer with a URL of another scheme',
    ),
    theirs: '500*',
    ours: '201',
  },
  {
    kind: 'fixed',
    says: 'A foreign layer without URLs that is not there is 400, not 500.',
    at: pushing('a foreign layer without URLs'),
    theirs: '500*',
    ours: '400 MANIFEST_BLOB_UNKNOWN',
  },
  {
    kind: 'OCI',
    says: 'A manifest that is too large is 413.',
    at: pushing('more than 4 MiB'),
    theirs: '400*',
    ours: '413 MANIFEST_INVALID',
  },
];

const blobsKnown: readonly Known[] = [
  {
    kind: 'HTTP',
    says: '`Range` counts for GET only; HEAD tells of the whole blob.',
    at: ['blobs: HEAD * Range', 'blobs: HEAD * Range beyond the end'],
    ours: '200',
  },
  {
    kind: 'HTTP',
    says: 'A `Range` that cannot be read, or of another unit, is ignored; the unit may be written in capitals.',
    at: blobs(
      ...[' bytes=a-b', ' bytes=-', ' octets=0-9', ' bytes 0-9', ' bytes=0-9,x', ' bytes= 0 - 9'],
      ' BYTES=0-9',
    ),
    ours: '20*',
  },
  {
    kind: 'HTTP',
    says: 'The last 0 bytes cannot be had: 416.',
    at: blobs(' bytes=-0'),
    theirs: '206',
    ours: '416 RANGE_INVALID',
  },
  {
    kind: 'HTTP',
    says: 'Any range of the empty blob is the whole of it: 200.',
    at: blobs(' empty, its last byte'),
    theirs: '206',
    ours: '200',
  },
  {
    kind: 'harmless',
    says: 'More than 16 ranges in one request: the whole blob.',
    at: blobs(' 20 ranges'),
    theirs: '206',
    ours: '200',
  },
  {
    kind: 'HTTP',
    says: 'Ranges that overlap are sent as one.',
    at: blobs(' bytes=0-4,2-9', ' bytes=0-9,5-14'),
    fields: ['body', 'header *'],
  },
  {
    kind: 'harmless',
    says: '416 has the JSON envelope, and `Content-Range` in every case.',
    at: blobs(' bytes=1000-', ' bytes=1000-1001', ' bytes=5000-6000', ' bytes=2000-,3000-', ' bytes=9-3'),
    fields: ['form', 'header content-range'],
  },
  {
    kind: 'harmless',
    says: '`If-None-Match` may name the digest without quotes, as for manifests.',
    at: blobs(' If-None-Match without quotes'),
    theirs: '200',
    ours: '304',
  },
  {
    kind: 'fixed',
    says: '`If-Match` of other content is 412; Distribution breaks the connection.',
    at: blobs(' If-Match another', ' If-Match weak'),
    theirs: '0',
    ours: '412',
  },
  {
    kind: 'OCI',
    says: 'Content that is asked for or pushed by SHA-384 or SHA-512 is answered under that digest, not its SHA-256.',
    at: ['blobs: a blob that is known by its SHA-512, *', 'uploads: content by SHA-384, *'],
    fields: ['header docker-content-digest', 'header etag', 'header location'],
  },
];

export const knownOfContent: readonly Topic[] = [
  { title: 'Manifests', known: manifests },
  { title: 'Blobs', known: blobsKnown },
];
