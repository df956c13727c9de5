import assert from 'node:assert/strict';
import { type Answer, digestOf } from './http.ts';
import type { Descriptor } from './images.ts';

/**
 * Statements about one answer. Each throws an assertion error that names the request, what came and what the clause asks
 * for.
 */

/** A feature that the specification lets a server decline; the test ends as skipped, with this reason. */
export class Declined extends Error {}

/** The request for a message; long values of the query, such as an upload's state, are cut. */
export function named(answer: Answer): string {
  return `${answer.request.method} ${answer.request.url.replace(/([?&][^=&]+=[^&]{16})[^&]{8,}/g, '$1…')}`;
}

/** The status is one of those accepted. */
export function expectStatus(answer: Answer, ...accepted: readonly number[]): void {
  if (accepted.includes(answer.status)) return;
  const got = answer.body.length > 0 ? `: ${answer.body.subarray(0, 300).toString()}` : '';
  assert.fail(`${named(answer)} answered ${answer.status}, expected ${accepted.join(' or ')}${got}`);
}

/** The header is there, once, with exactly this value. */
export function expectHeader(answer: Answer, name: string, value: string | RegExp): void {
  const got = answer.header(name);
  const good = typeof value === 'string' ? got === value : got !== undefined && value.test(got);
  assert.ok(good, `${named(answer)}: ${name} is ${got === undefined ? 'absent' : `"${got}"`}, expected ${value}`);
}

export function expectNoHeader(answer: Answer, name: string): void {
  const got = answer.header(name);
  assert.equal(got, undefined, `${named(answer)}: ${name} is "${got}", expected none`);
}

export function expectBytes(answer: Answer, bytes: Buffer): void {
  if (answer.body.equals(bytes)) return;
  const [got, wanted] = [digestOf(answer.body), digestOf(bytes)];
  assert.fail(`${named(answer)}: body of ${answer.body.length} bytes (${got}), expected ${bytes.length} (${wanted})`);
}

/** Clause P4: a Docker-Content-Digest, where present, is a digest of the body; and these are the bytes. */
export function expectContent(answer: Answer, bytes: Buffer, digest: string): void {
  expectStatus(answer, 200);
  expectNoHeader(answer, 'content-encoding');
  expectHeader(answer, 'content-length', String(bytes.length));
  if (answer.request.method === 'HEAD') assert.equal(answer.body.length, 0, `${named(answer)}: HEAD has a body`);
  else expectBytes(answer, bytes);
  expectHeader(answer, 'docker-content-digest', digest);
}

/** Clauses G5 and G6: a JSON body of errors whose codes include this one. */
export function expectError(answer: Answer, status: readonly number[], ...codes: readonly string[]): void {
  expectStatus(answer, ...status);
  const got = errorCodes(answer);
  assert.ok(
    got.some((code) => codes.includes(code)),
    `${named(answer)}: error codes are ${got.join(', ') || 'missing'}, expected ${codes.join(' or ')}`,
  );
}

/** The codes of a JSON error body, in order; throws when the body is none (clause G5). */
export function errorCodes(answer: Answer): string[] {
  const { errors } = jsonBody(answer) as { errors?: unknown };
  assert.ok(Array.isArray(errors) && errors.length > 0, `${named(answer)}: the error body has no list "errors"`);
  return errors.map((entry: { code?: unknown }) => {
    assert.equal(typeof entry.code, 'string', `${named(answer)}: an error without a code`);
    return String(entry.code);
  });
}

export function jsonBody(answer: Answer): unknown {
  try {
    return JSON.parse(answer.body.toString());
  } catch {
    return assert.fail(`${named(answer)}: the body is no JSON: ${answer.body.subarray(0, 200).toString()}`);
  }
}

/** A `Location` as an absolute URL. */
export function locationOf(answer: Answer): string {
  const location = answer.header('location');
  assert.ok(location !== undefined && location !== '', `${named(answer)}: no Location`);
  assert.ok(URL.canParse(location, answer.request.url), `${named(answer)}: Location "${location}" is no URL`);
  return new URL(location, answer.request.url).href;
}

/** The URL of the next page, or `undefined` on the last one (clause T4: RFC 5988 form with `rel="next"`). */
export function nextPage(answer: Answer): string | undefined {
  const link = answer.header('link');
  if (link === undefined) return undefined;
  const target = /^<([^>]+)>\s*;\s*rel="next"$/.exec(link)?.[1];
  assert.ok(target !== undefined, `${named(answer)}: Link "${link}" is not of the form <URL>; rel="next"`);
  return new URL(target, answer.request.url).href;
}

/** A tag list's entries (clause T1): the name is right, and the tags are a list, never null. */
export function tagsOf(answer: Answer, name: string): string[] {
  expectStatus(answer, 200);
  expectHeader(answer, 'content-type', /^application\/json(;|$)/);
  const body = jsonBody(answer) as { name?: unknown; tags?: unknown };
  assert.equal(body.name, name, `${named(answer)}: the list is of another name`);
  assert.ok(Array.isArray(body.tags), `${named(answer)}: tags is ${JSON.stringify(body.tags)}, expected a list`);
  return body.tags as string[];
}

export const indexType = 'application/vnd.oci.image.index.v1+json';

/** The descriptors of a referrers list (clause R2): an image index, typed as such. */
export function referrersOf(answer: Answer): Descriptor[] {
  expectStatus(answer, 200);
  expectHeader(answer, 'content-type', indexType);
  const body = jsonBody(answer) as { schemaVersion?: unknown; mediaType?: unknown; manifests?: unknown };
  assert.equal(body.schemaVersion, 2, `${named(answer)}: schemaVersion`);
  assert.equal(body.mediaType, indexType, `${named(answer)}: mediaType`);
  assert.ok(Array.isArray(body.manifests), `${named(answer)}: manifests is no list`);
  return body.manifests as Descriptor[];
}
