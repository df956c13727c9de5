/**
 * A client of 2015: makes manifests of schema 1 and signs them as libtrust does, and takes apart what a registry serves. Written
 * from the format's description and without the registry's own code, so that the two check each other.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { digestOf } from './push-client.ts';

export const schema1Type = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

export interface Signer {
  readonly key: KeyObject;
  readonly alg: string;
  /** A chain instead of the bare key: base64 of DER. */
  readonly x5c?: readonly string[];
}

const curves: Readonly<Record<string, readonly [string, string]>> = {
  ES256: ['P-256', 'sha256'],
  ES384: ['P-384', 'sha384'],
  ES512: ['P-521', 'sha512'],
};
const rsa: Readonly<Record<string, string>> = { RS256: 'sha256', RS384: 'sha384', RS512: 'sha512' };

export function createSigner(alg: string): Signer {
  const curve = curves[alg];
  const pair =
    curve === undefined
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: curve[0] });
  return { key: pair.privateKey, alg };
}

/** libtrust's name for a key. */
export function fingerprintOf(key: KeyObject): string {
  const der = (key.type === 'public' ? key : createPublicKey(key)).export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(der);
  const bits = [...hash.digest().subarray(0, 30)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const letters = (bits.match(/.{5}/g) ?? []).map(
    (five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)],
  );
  return (letters.join('').match(/.{4}/g) ?? []).join(':');
}

function rawSign({ key, alg }: Signer, data: Buffer): Buffer {
  const curve = curves[alg];
  return curve === undefined
    ? sign(rsa[alg] ?? 'sha256', data, key)
    : sign(curve[1], data, { key, dsaEncoding: 'ieee-p1363' });
}

export interface SignedManifest {
  /** What is sent. */
  readonly body: Buffer;
  /** What the digest names. */
  readonly payload: Buffer;
  readonly digest: string;
}

export type Tamper = (signature: { header: Record<string, unknown>; signature: string; protected: string }) => object;

/** `indent`: spaces, 0 for one line. `tamper` may replace each signature. */
export function signManifest(
  manifest: object,
  signers: readonly Signer[],
  { indent = 3, tamper = (signature) => signature }: { indent?: number; tamper?: Tamper } = {},
): SignedManifest {
  return signPayload(Buffer.from(JSON.stringify(manifest, null, indent)), signers, tamper);
}

export function signPayload(
  payload: Buffer,
  signers: readonly Signer[],
  tamper: Tamper = (one) => one,
): SignedManifest {
  const text = payload.toString('utf8');
  const head = Buffer.from(text.slice(0, text.lastIndexOf('}')).trimEnd());
  const protectedHeader = Buffer.from(
    JSON.stringify({
      formatLength: head.length,
      formatTail: payload.subarray(head.length).toString('base64url'),
      time: '2015-11-03T12:00:00Z',
    }),
  ).toString('base64url');
  const signatures = signers.map((signer) => {
    const data = Buffer.from(`${protectedHeader}.${payload.toString('base64url')}`);
    const jwk = { ...createPublicKey(signer.key).export({ format: 'jwk' }), kid: fingerprintOf(signer.key) };
    const header = signer.x5c === undefined ? { jwk, alg: signer.alg } : { alg: signer.alg, x5c: signer.x5c };
    return tamper({ header, signature: rawSign(signer, data).toString('base64url'), protected: protectedHeader });
  });
  const body = Buffer.concat([head, Buffer.from(`,\n   "signatures": ${JSON.stringify(signatures)}\n}`)]);
  return { body, payload, digest: digestOf(payload) };
}

export interface Opened {
  readonly payload: Buffer;
  readonly digest: string;
  /** Names of the keys whose signatures hold. */
  readonly keys: readonly string[];
}

interface Served {
  readonly header: { readonly alg: string; readonly jwk: Record<string, string> };
  readonly signature: string;
  readonly protected: string;
}

/** Takes a served body apart as an old client does, and throws unless all signatures hold. */
export function openManifest(body: Buffer): Opened {
  const { signatures } = JSON.parse(body.toString()) as { signatures: readonly Served[] };
  if (signatures.length === 0) throw new Error('no signatures');
  let payload: Buffer | undefined;
  const keys = signatures.map(({ header, signature, protected: guarded }) => {
    const { formatLength, formatTail } = JSON.parse(Buffer.from(guarded, 'base64url').toString());
    const found = Buffer.concat([body.subarray(0, formatLength), Buffer.from(formatTail, 'base64url')]);
    if (payload !== undefined && !payload.equals(found)) throw new Error('the signatures disagree');
    payload = found;
    const key = createPublicKey({ key: header.jwk, format: 'jwk' });
    const data = Buffer.from(`${guarded}.${found.toString('base64url')}`);
    const hash = curves[header.alg]?.[1] ?? rsa[header.alg] ?? '';
    const value = Buffer.from(signature, 'base64url');
    const how = curves[header.alg] === undefined ? key : ({ key, dsaEncoding: 'ieee-p1363' } as const);
    if (!verify(hash, data, how, value)) throw new Error(`a signature of ${header.alg} does not hold`);
    if (header.jwk['kid'] !== fingerprintOf(key)) throw new Error('the kid is not the fingerprint');
    return header.jwk['kid'] ?? '';
  });
  const found = payload ?? Buffer.alloc(0);
  return { payload: found, digest: digestOf(found), keys };
}

/** A manifest of these layers, the newest last, each with a made-up history. */
export function schema1Manifest(name: string, tag: string, layers: readonly Buffer[]): object {
  const ids = layers.map((layer) =>
    createHash('sha256')
      .update(`id ${digestOf(layer)}`)
      .digest('hex'),
  );
  return {
    schemaVersion: 1,
    name,
    tag,
    architecture: 'amd64',
    fsLayers: layers.map((layer) => ({ blobSum: digestOf(layer) })).toReversed(),
    history: layers
      .map((_layer, at) => ({
        v1Compatibility: JSON.stringify({ id: ids[at], parent: ids[at - 1], created: '2015-11-03T12:00:00Z' }),
      }))
      .toReversed(),
  };
}
