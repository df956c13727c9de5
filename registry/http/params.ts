/** Route strings to typed values; past this point they are trusted. */
import { type Digest, parseDigest } from '../oci/digest.ts';
import { fault } from '../oci/error.ts';
import { isTooLong, parseName, parseTag, type RepositoryName } from '../oci/name.ts';
import type { Reference } from '../service/manifests.ts';

export function nameParam(text: string): RepositoryName {
  if (isTooLong(text)) throw fault('NAME_TOO_LONG');
  const name = parseName(text);
  if (name === undefined) throw fault('NAME_INVALID', undefined, { name: text });
  return name;
}

export function digestParam(text: string): Digest {
  const digest = parseDigest(text);
  if (digest === undefined) {
    throw fault(
      'DIGEST_INVALID',
      'malformed digest, or an algorithm other than sha256, sha384 and sha512',
      text.slice(0, 200),
    );
  }
  return digest;
}

/**
 * The last part of a manifest URL is a digest or a tag, nothing else. A malformed one cannot exist, so for reading and
 * deleting it is unknown; for pushing it is the client's mistake.
 */
export function referenceParam(text: string, isPush: boolean): Reference {
  const isDigest = text.includes(':');
  const digest = isDigest ? parseDigest(text) : undefined;
  const tag = isDigest ? undefined : parseTag(text);
  if (digest !== undefined) return { digest };
  if (tag !== undefined) return { tag };
  const detail = text.slice(0, 200);
  if (!isPush) throw fault('MANIFEST_UNKNOWN', undefined, { reference: detail });
  throw isDigest
    ? fault('DIGEST_INVALID', 'malformed or unsupported digest', detail)
    : fault('TAG_INVALID', undefined, detail);
}

/** A query parameter that may stand once; the first counts if it stands more often. */
export const single = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.[0];

/** `n` of a listing: a whole number, at least 0. */
export function countParam(value: string | readonly string[] | undefined): number | undefined {
  const text = single(value);
  if (text === undefined || text === '') return undefined;
  if (!/^\+?\d{1,15}$/.test(text)) throw fault('PAGINATION_NUMBER_INVALID', undefined, { n: text.slice(0, 100) });
  return Number(text);
}
