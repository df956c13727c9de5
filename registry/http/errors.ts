/**
 * The one table from error codes to what goes over the wire, and the envelope (distribution specification, "Error codes").
 * Statuses that the specification leaves open are Distribution's.
 */
import type { ErrorCode, Fault } from '../oci/error.ts';
import { RegistryError } from '../oci/error.ts';
import { translateFault } from '../service/faults.ts';
import type { Answer } from './answer.ts';

interface Wire {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const wire = (status: number, code: string, message: string): Wire => ({ status, code, message });

export const errorTable: Readonly<Record<ErrorCode, Wire>> = {
  UNKNOWN: wire(500, 'UNKNOWN', 'unknown error'),
  STORAGE_FULL: wire(507, 'UNKNOWN', 'the storage of this registry is full; nothing was kept'),
  UNSUPPORTED: wire(405, 'UNSUPPORTED', 'The operation is unsupported.'),
  UNAUTHORIZED: wire(401, 'UNAUTHORIZED', 'authentication required'),
  DENIED: wire(403, 'DENIED', 'requested access to the resource is denied'),
  UNAVAILABLE: wire(503, 'UNAVAILABLE', 'service unavailable'),
  TOOMANYREQUESTS: wire(429, 'TOOMANYREQUESTS', 'too many requests'),
  DIGEST_INVALID: wire(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content'),
  SIZE_INVALID: wire(400, 'SIZE_INVALID', 'provided length did not match content length'),
  RANGE_INVALID: wire(416, 'RANGE_INVALID', 'invalid content range'),
  NAME_INVALID: wire(404, 'NAME_INVALID', 'invalid repository name'),
  NAME_TOO_LONG: wire(400, 'NAME_INVALID', 'the repository name is longer than 255 characters'),
  NAME_UNKNOWN: wire(404, 'NAME_UNKNOWN', 'repository name not known to registry'),
  TAG_INVALID: wire(400, 'TAG_INVALID', 'manifest tag did not match the grammar of tags'),
  TAGS_TOO_MANY: wire(414, 'TAG_INVALID', 'too many tags in one request'),
  MANIFEST_UNKNOWN: wire(404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
  MANIFEST_INVALID: wire(400, 'MANIFEST_INVALID', 'manifest invalid'),
  MANIFEST_NAME_INVALID: wire(400, 'NAME_INVALID', 'the name in the manifest is invalid'),
  MANIFEST_UNVERIFIED: wire(400, 'MANIFEST_UNVERIFIED', 'manifest failed signature verification'),
  MANIFEST_TOO_LARGE: wire(413, 'MANIFEST_INVALID', 'the manifest is too large'),
  MANIFEST_BLOB_UNKNOWN: wire(400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry'),
  BLOB_UNKNOWN: wire(404, 'BLOB_UNKNOWN', 'blob unknown to registry'),
  BLOB_UPLOAD_UNKNOWN: wire(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry'),
  BLOB_UPLOAD_INVALID: wire(404, 'BLOB_UPLOAD_INVALID', 'blob upload invalid'),
  CONTENT_TYPE_INVALID: wire(400, 'BLOB_UPLOAD_INVALID', 'send the bytes as application/octet-stream, not as a form'),
  CONTENT_RANGE_INVALID: wire(400, 'SIZE_INVALID', 'Content-Range must be FIRST-LAST, in bytes, without a unit'),
  PAGINATION_NUMBER_INVALID: wire(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested'),
};

/** The status is that of the first fault. */
export function errorAnswer(error: RegistryError, headers: Readonly<Record<string, string>> = {}): Answer {
  const errors = error.faults.map(({ code, message, detail }: Fault) => ({
    code: errorTable[code].code,
    message: message ?? errorTable[code].message,
    ...(detail === undefined ? {} : { detail }),
  }));
  return {
    status: errorTable[error.code].status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(`${JSON.stringify({ errors })}\n`),
    error,
  };
}

/** Anything thrown, as an error of ours: what is not one tells the client nothing but that it was not its fault. */
export function toRegistryError(thrown: unknown): RegistryError {
  const error = translateFault(thrown);
  return error instanceof RegistryError ? error : new RegistryError({ code: 'UNKNOWN' }, [], error);
}
