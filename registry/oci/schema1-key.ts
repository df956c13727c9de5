/**
 * Keys of Docker's schema 1 signatures (libtrust): EC on P-256, P-384 and P-521 with the algorithm that goes with the curve,
 * RSA with PKCS #1 v1.5. Written as JWK, named by a fingerprint: the first 240 bits of a SHA-256 in groups of base32.
 */
import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';

/** Members in the order of their names, as libtrust writes them. */
export type PublicJwk = Readonly<Record<string, string>>;

export interface SigningKey {
  readonly jwk: PublicJwk;
  /** The name that stands as `alg` beside a signature. */
  readonly algorithm: string;
  sign(data: Buffer): Buffer;
}

const curves: Readonly<Record<string, { readonly bytes: number; readonly algorithm: string; readonly hash: string }>> =
  {
    'P-256': { bytes: 32, algorithm: 'ES256', hash: 'sha256' },
    'P-384': { bytes: 48, algorithm: 'ES384', hash: 'sha384' },
    'P-521': { bytes: 66, algorithm: 'ES512', hash: 'sha512' },
  };
const rsaHashes: Readonly<Record<string, string>> = { RS256: 'sha256', RS384: 'sha384', RS512: 'sha512' };
/** Bits; a larger modulus costs the verifier more than a signature is worth. */
const maxModulus = 8192;

const decoded = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');

/** `ABCD:EFGH:…`, twelve groups, over the public key in DER (SubjectPublicKeyInfo). */
export function fingerprint(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(der).digest();
  return (base32(hash.subarray(0, 30)).match(/.{4}/g) ?? []).join(':');
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Of a multiple of 5 bytes. */
function base32(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 5) {
    const group = bytes.readUIntBE(at, 5);
    for (let shift = 35; shift >= 0; shift -= 5) text += alphabet[Math.floor(group / 2 ** shift) % 32];
  }
  return text;
}

function publicJwk(key: KeyObject): PublicJwk {
  const jwk = key.export({ format: 'jwk' });
  const kid = fingerprint(key);
  return jwk.kty === 'EC'
    ? { crv: jwk.crv ?? '', kid, kty: 'EC', x: jwk.x ?? '', y: jwk.y ?? '' }
    : { e: jwk.e ?? '', kid, kty: 'RSA', n: jwk.n ?? '' };
}

/** Throws an Error with a sentence if the key is of no kind that signs schema 1. */
function checkKind(key: KeyObject): void {
  if (key.asymmetricKeyType === 'rsa') {
    if ((key.asymmetricKeyDetails?.modulusLength ?? 0) > maxModulus) throw new Error('the RSA key is too large');
  } else if (key.asymmetricKeyType !== 'ec' || curves[key.export({ format: 'jwk' }).crv ?? ''] === undefined) {
    throw new Error('only RSA keys and EC keys on P-256, P-384 or P-521 can sign schema 1');
  }
}

/** The key of a `jwk` header. Throws an Error with a sentence if it is malformed or its `kid` is another key's. */
export function readPublicJwk(value: unknown): KeyObject {
  const jwk = { ...(value as JsonWebKey) };
  const { kty, crv, x, y, n, e } = jwk;
  const curve = curves[crv ?? ''];
  if (kty === 'EC' && (curve === undefined || decoded(x).length !== curve.bytes || decoded(y).length !== curve.bytes)) {
    throw new Error('the EC key is malformed');
  }
  if (kty === 'RSA' && (decoded(n).length > maxModulus / 8 || decoded(e).length > 4)) {
    throw new Error('the RSA key is too large');
  }
  const members = kty === 'EC' ? { kty, crv, x, y } : { kty, n, e };
  const key = createPublicKey({ key: members as JsonWebKey, format: 'jwk' });
  checkKind(key);
  if (jwk['kid'] !== undefined && jwk['kid'] !== fingerprint(key)) {
    throw new Error('the kid is that of another key');
  }
  return key;
}

/** The key of the first certificate of an `x5c` header. Who issued it is the business of those who pull. */
export function readCertificate(text: string): KeyObject {
  const key = new X509Certificate(Buffer.from(text, 'base64')).publicKey;
  checkKind(key);
  return key;
}

/** Whether `signature` is the key's own on the data, made with the named algorithm. */
export function verifies(key: KeyObject, algorithm: string, data: Buffer, signature: Buffer): boolean {
  if (key.asymmetricKeyType === 'rsa') {
    const hash = rsaHashes[algorithm];
    return hash !== undefined && verify(hash, data, key, signature);
  }
  const curve = curves[key.export({ format: 'jwk' }).crv ?? ''];
  if (curve === undefined || curve.algorithm !== algorithm || signature.length !== 2 * curve.bytes) return false;
  return verify(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

export function signingKey(key: KeyObject): SigningKey {
  checkKind(key);
  const jwk = publicJwk(createPublicKey(key));
  const curve = curves[jwk['crv'] ?? ''];
  return {
    jwk,
    algorithm: curve?.algorithm ?? 'RS256',
    sign: (data) =>
      curve === undefined ? sign('sha256', data, key) : sign(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' }),
  };
}

/**
 * A libtrust key file: a JWK if its name ends in `.json` or `.jwk`, else PEM (`EC PRIVATE KEY`, `RSA PRIVATE KEY`, or PKCS #8),
 * perhaps with libtrust's own header lines. Throws an Error with a sentence, which never holds any of the content.
 */
export function parseKeyFile(content: string, isJwk: boolean): SigningKey {
  return signingKey(isJwk ? privateFromJwk(content) : privateFromPem(content));
}

function privateFromJwk(content: string): KeyObject {
  let jwk: JsonWebKey;
  try {
    jwk = JSON.parse(content) as JsonWebKey;
  } catch {
    throw new Error('it is not JSON; a file that does not end in .json or .jwk is read as PEM');
  }
  const key = unlessMalformed(() => createPrivateKey({ key: jwk, format: 'jwk' }));
  if (jwk['kid'] !== undefined && jwk['kid'] !== fingerprint(createPublicKey(key)))
    throw new Error('its kid is that of another key');
  return key;
}

const blocks = /-----BEGIN ((?:EC |RSA |ENCRYPTED )?PRIVATE KEY)-----\r?\n([\s\S]*?)-----END \1-----/;
const formats: Readonly<Record<string, 'sec1' | 'pkcs1' | 'pkcs8'>> = {
  'EC PRIVATE KEY': 'sec1',
  'RSA PRIVATE KEY': 'pkcs1',
  'PRIVATE KEY': 'pkcs8',
};

function privateFromPem(content: string): KeyObject {
  const [, kind = '', body = ''] = blocks.exec(content) ?? [];
  const type = formats[kind];
  if (/^Proc-Type:.*ENCRYPTED/m.test(body) || kind.startsWith('ENCRYPTED')) throw new Error('it is encrypted');
  if (type === undefined) throw new Error('it holds no private key in PEM; a JWK has to end in .json or .jwk');
  // OpenSSL refuses header lines that it does not know.
  const lines = body.split(/\r?\n/).filter((line) => !line.includes(':'));
  const der = Buffer.from(lines.join(''), 'base64');
  return unlessMalformed(() => createPrivateKey({ key: der, format: 'der', type }));
}

function unlessMalformed(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    throw new Error('its private key is malformed');
  }
}

/** The order of P-256. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** A P-256 key that everybody who knows the secret makes alike. */
export function deriveSigningKey(secret: string): SigningKey {
  // 48 bytes, so that no number of the range is likelier than another by more than 2^-128.
  const bytes = Buffer.from(hkdfSync('sha256', secret, '', 'schema 1 signing key', 48));
  const number = (BigInt(`0x${bytes.toString('hex')}`) % (order - 1n)) + 1n;
  const d = Buffer.from(number.toString(16).padStart(64, '0'), 'hex');
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(d);
  const point = curve.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => half.toString('base64url'));
  const jwk = { kty: 'EC', crv: 'P-256', x, y, d: d.toString('base64url') } as JsonWebKey;
  return signingKey(createPrivateKey({ key: jwk, format: 'jwk' }));
}
