/** Digests as the image specification writes them ("Digests"): `algorithm:encoded`. */
import { createHash, type Hash } from 'node:crypto';

declare const brand: unique symbol;
/** A well-formed digest of an algorithm that Berth computes. `parseDigest` is the only way to make one. */
export type Digest = string & { readonly [brand]: 'Digest' };

export type Algorithm = 'sha256' | 'sha384' | 'sha512';

/** The algorithm that names content on disk, as in Distribution: other digests of a blob are links to it. */
export const canonical: Algorithm = 'sha256';

const hexDigits: Readonly<Record<Algorithm, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const lowerHex = /^[0-9a-f]+$/;
/** The whole grammar of the image specification, registered algorithm or not. */
const grammar = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

export const isAlgorithm = (text: string): text is Algorithm => Object.hasOwn(hexDigits, text);

/** The digest, or `undefined` if the text is malformed or of an algorithm that Berth does not compute. */
export function parseDigest(text: string): Digest | undefined {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  if (!isAlgorithm(algorithm)) return undefined;
  const encoded = text.slice(colon + 1);
  return encoded.length === hexDigits[algorithm] && lowerHex.test(encoded) ? (text as Digest) : undefined;
}

/**
 * Whether a text may stand as a digest inside a manifest. An algorithm that we do not know can be well formed; a
 * registered one has to have the right number of lower-case hex digits.
 */
export function isWellFormedDigest(text: string): boolean {
  if (!grammar.test(text) || text.length > 512) return false;
  return isAlgorithm(text.slice(0, text.indexOf(':'))) ? parseDigest(text) !== undefined : true;
}

export const algorithmOf = (digest: Digest): Algorithm => digest.slice(0, digest.indexOf(':')) as Algorithm;
export const encodedOf = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1);

export const hasher = (algorithm: Algorithm): Hash => createHash(algorithm);

/** Ends the hash. */
export const digestOf = (algorithm: Algorithm, hash: Hash): Digest => `${algorithm}:${hash.digest('hex')}` as Digest;

export const digestBytes = (algorithm: Algorithm, bytes: Uint8Array): Digest =>
  digestOf(algorithm, createHash(algorithm).update(bytes));
