/**
 * libtrust's JSON signatures, the envelope of schema 1 manifests: a JSON text whose last member `signatures` was put in behind
 * the payload's last value. The protected header of each signature tells how the payload ended before that (`formatLength`
 * bytes, then `formatTail`). What is signed is the protected header and the payload, both in base64url, with a dot between.
 */
import { fault, type RegistryError } from './error.ts';
import { goJson } from './go-json.ts';
import { excessIn } from './json-bounds.ts';
import { readCertificate, readPublicJwk, type SigningKey, verifies } from './schema1-key.ts';

/** As it stands in the list, and as older versions stored each as a blob. */
export interface Signature {
  readonly header: {
    readonly jwk?: Readonly<Record<string, unknown>>;
    readonly alg: string;
    readonly x5c?: readonly string[];
  };
  readonly signature: string;
  readonly protected: string;
}

export interface Signed {
  /** The manifest proper: the bytes that its digest names. */
  readonly payload: Buffer;
  /** At least one. */
  readonly signatures: readonly Signature[];
}

type Json = Readonly<Record<string, unknown>>;

/** Each costs its verification. */
const maxSignatures = 16;

const invalid = (message: string): RegistryError => fault('MANIFEST_INVALID', message);

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseJson(bytes: Buffer, what: string): Json {
  const excess = excessIn(bytes);
  if (excess !== undefined) throw invalid(`${what} has ${excess}`);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch (error) {
    throw invalid(`${what} is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw invalid(`${what} is not a JSON object`);
  return json;
}

function fromBase64Url(text: string, what: string): Buffer {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) {
    throw invalid(`${what} is not base64url`);
  }
  return Buffer.from(text, 'base64url');
}

/** A signature by its own. `undefined`: it is none. */
export function readSignature(value: unknown): Signature | undefined {
  if (!isObject(value) || !isObject(value['header'])) return undefined;
  const { alg, jwk, x5c } = value['header'];
  const { signature, protected: guarded } = value;
  if (typeof alg !== 'string' || typeof signature !== 'string' || typeof guarded !== 'string') return undefined;
  const chain =
    Array.isArray(x5c) && x5c.length > 0 && x5c.every((entry) => typeof entry === 'string') ? x5c : undefined;
  if (chain === undefined && !isObject(jwk)) return undefined;
  const header = { ...(isObject(jwk) ? { jwk } : {}), alg, ...(chain === undefined ? {} : { x5c: chain }) };
  return { header, signature, protected: guarded };
}

interface Format {
  /** Bytes of the payload before what `signatures` was put in front of. */
  readonly length: number;
  readonly tail: Buffer;
}

function formatOf(signature: Signature): Format {
  const guarded = parseJson(fromBase64Url(signature.protected, 'a protected header'), 'a protected header');
  const { formatLength, formatTail } = guarded;
  if (!Number.isSafeInteger(formatLength) || (formatLength as number) < 0 || typeof formatTail !== 'string') {
    throw invalid('a protected header lacks formatLength or formatTail');
  }
  return { length: formatLength as number, tail: fromBase64Url(formatTail, 'formatTail') };
}

/**
 * Takes a signed manifest apart, in libtrust's form or as plain JWS (`payload` beside `signatures`). Nothing is verified.
 * Throws MANIFEST_INVALID.
 */
export function parseSigned(bytes: Buffer): Signed {
  const json = parseJson(bytes, 'the manifest');
  const list = json['signatures'];
  if (!Array.isArray(list) || list.length === 0) throw invalid('a schema 1 manifest must have signatures');
  if (list.length > maxSignatures) throw invalid(`a manifest can have ${maxSignatures} signatures at most`);
  const signatures = list.map((value) => {
    const signature = readSignature(value);
    if (signature === undefined) throw invalid('a signature lacks its header, alg, key, protected header or value');
    return signature;
  });
  const { payload: encoded } = json;
  if (typeof encoded === 'string') return { payload: fromBase64Url(encoded, 'payload'), signatures };
  const [format, ...others] = signatures.map(formatOf);
  if (format === undefined || format.length > bytes.length) throw invalid('formatLength is beyond the end');
  if (others.some(({ length, tail }) => length !== format.length || !tail.equals(format.tail))) {
    throw invalid('the signatures disagree on where the payload ends');
  }
  return { payload: Buffer.concat([bytes.subarray(0, format.length), format.tail]), signatures };
}

/** `encoded`: the payload in base64url, which is large and the same for all signatures. */
const toBeSigned = (guarded: string, encoded: string): Buffer => Buffer.from(`${guarded}.${encoded}`, 'latin1');

/** Why a signature does not hold, or `undefined` if all do. Throws MANIFEST_INVALID for a malformed key. */
export function flaw({ payload, signatures }: Signed): string | undefined {
  const encoded = payload.toString('base64url');
  for (const { header, signature, protected: guarded } of signatures) {
    let holds: boolean;
    try {
      const key = header.x5c?.[0] === undefined ? readPublicJwk(header.jwk) : readCertificate(header.x5c[0]);
      holds = verifies(key, header.alg, toBeSigned(guarded, encoded), fromBase64Url(signature, 'a signature'));
    } catch (error) {
      throw invalid(`the key of a signature cannot be read: ${(error as Error).message}`);
    }
    if (!holds) return `the ${header.alg.slice(0, 20)} signature does not match the manifest`;
  }
  return undefined;
}

/** JSON's white space. */
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function lastSolid(bytes: Buffer, before: number): number {
  let at = before - 1;
  while (at >= 0 && isSpace(bytes[at])) at--;
  return at;
}

/** Where `signatures` goes into a payload. Throws MANIFEST_INVALID if it does not end as an object. */
function formatFor(payload: Buffer): Format {
  const close = lastSolid(payload, payload.length);
  const length = lastSolid(payload, close) + 1;
  if (payload[close] !== 0x7d || length <= 1) throw invalid('the payload is not a JSON object');
  return { length, tail: payload.subarray(length) };
}

/** The indent of the payload's first member, empty if everything stands on one line; 10 spaces at most. */
function indentOf(payload: Buffer): string {
  const text = payload.toString('latin1', 0, 100);
  return /^\{\n([ \t]{1,10})[ \t]*"/.exec(text)?.[1] ?? '';
}

/** Whether a stored signature goes with the payload's form: else nobody could take the two apart again. */
export function fits(payload: Buffer, signature: Signature): boolean {
  try {
    const [wanted, found] = [formatFor(payload), formatOf(signature)];
    return wanted.length === found.length && wanted.tail.equals(found.tail);
  } catch {
    return false;
  }
}

/** Signs anew; `now` is written into the protected header, in seconds. */
export function signPayload(payload: Buffer, key: SigningKey, now: Date): Signature {
  const { length, tail } = formatFor(payload);
  const time = `${now.toISOString().slice(0, 19)}Z`;
  const guarded = JSON.stringify({ formatLength: length, formatTail: tail.toString('base64url'), time });
  const header = Buffer.from(guarded).toString('base64url');
  const signature = key.sign(toBeSigned(header, payload.toString('base64url'))).toString('base64url');
  return { header: { jwk: key.jwk, alg: key.algorithm }, signature, protected: header };
}

/** The body that clients read: the payload with the signatures put in. */
export function assemble(payload: Buffer, signatures: readonly Signature[]): Buffer {
  const { length } = formatFor(payload);
  const indent = indentOf(payload);
  const sorted = [...signatures].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  const head = payload.subarray(0, length);
  if (indent === '') return Buffer.concat([head, Buffer.from(`,"signatures":${goJson(sorted)}}`)]);
  const lines = goJson(sorted, indent).replaceAll('\n', `\n${indent}`);
  return Buffer.concat([head, Buffer.from(`,\n${indent}"signatures": ${lines}\n}`)]);
}

const rank = ({ header, signature }: Signature): string => `${String(header.jwk?.['kid'] ?? '')} ${signature}`;
