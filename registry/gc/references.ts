/**
 * What a stored manifest points to. Read with more patience than a push is: whatever could be a reference counts, and what
 * cannot be understood is said to be so, that nothing is deleted on its account.
 */
import { type Algorithm, algorithmOf, type Digest, digestBytes } from '../oci/digest.ts';
import { isManifestMediaType } from '../oci/manifest.ts';

export interface References {
  /** Everything but the subject: configuration, layers, children. Texts as written, of any algorithm. */
  readonly digests: readonly string[];
  readonly subject: string | undefined;
  /** Docker's first format, beside which signatures may lie. */
  readonly isSchema1: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The references, or the reason why the bytes are not a manifest that can be understood. */
export function referencesOf(digest: Digest, bytes: Buffer): References | { readonly reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return { reason: bytes.length === 0 ? 'it is empty' : `it is not JSON: ${(error as Error).message}` };
  }
  if (!isObject(json)) return { reason: 'it is not a JSON object' };
  const version = json['schemaVersion'];
  if (version !== 1 && version !== 2) return { reason: 'its schemaVersion is neither 1 nor 2' };
  if (digestBytes(algorithmOf(digest), bytes) !== digest && !(version === 1 && hasPayload(json, bytes, digest))) {
    return { reason: 'its bytes do not match its digest' };
  }
  const type = json['mediaType'] ?? '';
  if (version === 2 && type !== '' && !(typeof type === 'string' && isManifestMediaType(type))) {
    return { reason: `its mediaType is ${JSON.stringify(type).slice(0, 100)}` };
  }
  const found: string[] = [];
  for (const [key, name] of places) {
    const problem = gather(json[key], key, name, found);
    if (problem !== undefined) return { reason: problem };
  }
  const subject = isObject(json['subject']) ? json['subject']['digest'] : undefined;
  return {
    digests: found,
    subject: typeof subject === 'string' ? subject : undefined,
    isSchema1: version === 1,
  };
}

/** Where references stand, and the property that holds the digest. All are looked at, whatever the manifest calls itself. */
const places: readonly (readonly [string, string])[] = [
  ['config', 'digest'],
  ['layers', 'digest'],
  ['manifests', 'digest'],
  ['blobs', 'digest'],
  ['fsLayers', 'blobSum'],
];

function gather(value: unknown, key: string, name: string, found: string[]): string | undefined {
  if (value === undefined || value === null) return undefined;
  for (const entry of Array.isArray(value) ? value : [value]) {
    const digest = isObject(entry) ? entry[name] : undefined;
    if (typeof digest !== 'string') return `its ${key} hold something without ${name}`;
    found.push(digest);
  }
  return undefined;
}

/** Schema 1: the digest is that of the signed payload, which is the body less its signatures (RFC 7515, "protected"). */
function hasPayload(json: Json, bytes: Buffer, digest: Digest): boolean {
  const signatures = Array.isArray(json['signatures']) ? json['signatures'] : [];
  return signatures.some((signature) => {
    const header = isObject(signature) ? signature['protected'] : undefined;
    const protection = typeof header === 'string' ? tryJson(Buffer.from(header, 'base64url')) : undefined;
    if (!isObject(protection)) return false;
    const { formatLength, formatTail } = protection;
    if (typeof formatLength !== 'number' || typeof formatTail !== 'string') return false;
    const payload = Buffer.concat([bytes.subarray(0, formatLength), Buffer.from(formatTail, 'base64url')]);
    const algorithm: Algorithm = algorithmOf(digest);
    return digestBytes(algorithm, payload) === digest;
  });
}

function tryJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
