/** Known differences with uploads. */
import type { Known, Topic } from './known.ts';

const uploads = (...what: readonly string[]): readonly string[] => what.map((part) => `uploads: ${part}`);
const states = (...what: readonly string[]): readonly string[] => what.map((part) => `upload states: ${part}`);

const known: readonly Known[] = [
  {
    kind: 'OCI',
    says: 'A POST with `?digest=` and the bytes pushes in one request.',
    at: uploads('POST * with digest and body'),
    theirs: '202',
    ours: '201',
  },
  {
    kind: 'OCI',
    says: 'A POST with a digest that is malformed or does not match, or with an unknown `digest-algorithm`, is 400.',
    at: uploads('POST * with another digest and body', 'POST * malformed digest', 'POST *digest-algorithm=md5'),
    theirs: '202',
    ours: '400 DIGEST_INVALID',
  },
  {
    kind: 'harmless',
    says: 'A POST without the slash at the end begins an upload too.',
    at: uploads('POST /v2/targets/blobs/uploads'),
    theirs: '301*',
    ours: '202',
  },
  {
    kind: 'OCI',
    says: 'An upload may be continued, finished and cancelled without the query of its Location; a wrong `_state` is 404, as there.',
    at: [
      ...uploads(
        'cancelled without its state, request 2',
        'without its state, request 2',
        'without its state, request 3',
      ),
      ...states('the state of another upload, request 4'),
    ],
    theirs: '404 BLOB_UPLOAD_INVALID',
    ours: '20*',
  },
  {
    kind: 'OCI',
    says: 'So an upload that is not there is BLOB_UPLOAD_UNKNOWN, also where the request has no `_state`.',
    at: states('an upload of another repository, request 3', 'PATCH *', 'PUT *', 'DELETE *'),
    fields: ['codes'],
    theirs: 'BLOB_UPLOAD_INVALID',
    ours: 'BLOB_UPLOAD_UNKNOWN',
  },
  {
    kind: 'fixed',
    says: 'After a digest that does not match the upload is gone, also for its status.',
    at: uploads('PUT with another digest, request 3', 'PATCH, then PUT with another digest, request 4'),
    theirs: '204',
    ours: '404 BLOB_UPLOAD_UNKNOWN',
  },
  {
    kind: 'OCI',
    says: '416 tells in Location and Range where to go on.',
    at: uploads(
      'PATCH out of order, request 3',
      'PATCH that begins too late, request 2',
      'PATCH again at an offset that is taken, request 3',
      'PATCH with an old state, request 3',
      'PUT with an old state, request 3',
      'Content-Range out of place with a PUT, request 3',
    ),
    fields: ['header location', 'header range', 'header docker-upload-uuid'],
    theirs: '(absent)',
  },
  {
    kind: 'fixed',
    says: 'A Content-Range that cannot be read is 400, not 500.',
    at: uploads('Content-Range with a unit, *', 'Content-Range with a total, *', 'Content-Range garbage, *'),
    theirs: '500*',
    ours: '400 SIZE_INVALID',
  },
  {
    kind: 'OCI',
    says: 'Content-Range counts without a Content-Length too.',
    at: uploads('Content-Range in a PATCH in chunks, request 2'),
    theirs: '202',
    ours: '416 RANGE_INVALID',
  },
  {
    kind: 'fixed',
    says: 'The type of a PATCH does not matter; only a form is refused (400), which Distribution’s PUT would lose the bytes of.',
    at: uploads('PATCH as text, *', 'PATCH as JSON, *', 'PATCH as octets with a parameter, *', 'PATCH as a form, *'),
    theirs: '500*',
  },
  {
    kind: 'fixed',
    says: 'The type of a PATCH does not matter; only a form is refused (400), which Distribution’s PUT would lose the bytes of.',
    at: uploads('PUT as a form, request 2'),
    fields: ['codes'],
    theirs: 'DIGEST_INVALID',
  },
  {
    kind: 'harmless',
    says: 'In read-only mode PATCH, PUT and DELETE of an upload are 405, whether or not it exists.',
    at: ['PATCH', 'PUT', 'DELETE'].map((method) => `methods: ${method} /v2/app/blobs/uploads/0190* [readonly]`),
    theirs: '404 BLOB_UPLOAD_INVALID',
    ours: '405 UNSUPPORTED',
  },
  {
    kind: 'fixed',
    says: 'An upload’s id that cannot be one is 404, not 500.',
    at: states('GET /v2/targets/blobs/uploads/a=b'),
    theirs: '500*',
    ours: '404 BLOB_UPLOAD_UNKNOWN',
  },
];

export const knownOfUploads: readonly Topic[] = [{ title: 'Uploads', known }];
