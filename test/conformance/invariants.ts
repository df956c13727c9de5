import assert from 'node:assert/strict';
import { errorCodes, named } from './expect.ts';
import type { Answer } from './http.ts';

/** The codes of clause G6, and those of Docker's registry that clients may still meet. */
const knownCodes = new Set([
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
  'MANIFEST_UNVERIFIED',
  'TAG_INVALID',
  'RANGE_INVALID',
  'PAGINATION_NUMBER_INVALID',
  'EXTENSION_UNKNOWN',
]);

/** What holds for every answer, whatever was asked; throws on the first that does not. */
export function checkInvariants(answer: Answer, strict: boolean): void {
  assert.ok(
    answer.status < 500,
    `${named(answer)}: a well-meant or malformed request made the server answer ${answer.status}`,
  );
  if (answer.status === 429) {
    assert.ok(answer.header('retry-after') !== undefined, `${named(answer)}: [G7] 429 without Retry-After`);
  }
  checkWarnings(answer);
  if (answer.status >= 400 && answer.request.method !== 'HEAD') checkErrorBody(answer, strict);
}

/** Clauses G5 and G6. */
function checkErrorBody(answer: Answer, strict: boolean): void {
  const json = /^application\/json(;|$)/.test(answer.header('content-type') ?? '');
  assert.ok(json || !strict || !promisesJson(answer), `${named(answer)}: [G5] ${answer.status} without a JSON body`);
  if (!json) return;
  for (const code of errorCodes(answer)) {
    assert.match(code, /^[A-Z_]+$/, `${named(answer)}: [G6] a code has capital letters and underscores only`);
    assert.ok(knownCodes.has(code), `${named(answer)}: [G6] ${code} is no code of the specification`);
  }
}

/**
 * The specification leaves the format of an error open. Berth promises JSON wherever a part of the API was asked, but not
 * for what HTTP itself refuses: oversized headers, ranges of a blob.
 */
function promisesJson({ request, status }: Answer): boolean {
  const isRange = status === 416 && request.method === 'GET';
  return status !== 431 && !isRange && /\/(manifests|blobs|referrers)\/|\/tags\/list|\/_catalog/.test(request.url);
}

/** Clause G8: `299 - "text"`, no date, at most 4096 bytes in all. */
function checkWarnings(answer: Answer): void {
  const warnings = answer.lines.filter(([name]) => name.toLowerCase() === 'warning').map(([, value]) => value);
  for (const warning of warnings) {
    assert.match(warning, /^299 - "(?:[^"\\]|\\.)*"$/, `${named(answer)}: [G8] Warning`);
  }
  const bytes = warnings.reduce((sum, warning) => sum + Buffer.byteLength(warning), 0);
  assert.ok(bytes <= 4096, `${named(answer)}: [G8] ${bytes} bytes of warnings`);
}
