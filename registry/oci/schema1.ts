/**
 * Docker's schema 1, the manifests of 2013 to 2016 (Distribution's "Image Manifest Version 2, Schema 1"). What is stored, and
 * named by the digest, is the payload; clients push and pull it inside an envelope of signatures (`schema1-signature.ts`).
 */
import { isWellFormedDigest } from './digest.ts';
import { type Fault, fault, RegistryError } from './error.ts';
import { excessIn } from './json-bounds.ts';
import { isTooLong, parseName } from './name.ts';

/** How signed ones are served; on a push, nothing and the two others mean the same. */
export const schema1MediaType = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
export const schema1PushTypes: ReadonlySet<string> = new Set([
  schema1MediaType,
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/json',
  '',
]);
/** What old clients name in Accept. */
export const schema1AcceptTypes: ReadonlySet<string> = new Set([
  schema1MediaType,
  'application/vnd.docker.distribution.manifest.v1+json',
]);

export interface Schema1 {
  readonly name: string;
  /** Digests of the layers, the newest first, one for each entry of the history; those of 2014 may be a `tarsum`. */
  readonly layers: readonly string[];
  readonly historyLength: number;
}

const invalid = (message: string): RegistryError => fault('MANIFEST_INVALID', message);

/** Reads the payload of a push. Throws as `readSchema1`. */
export function parseSchema1(payload: Buffer): Schema1 {
  const excess = excessIn(payload);
  if (excess !== undefined) throw invalid(`the signed payload has ${excess}`);
  let json: unknown;
  try {
    json = JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw invalid(`the signed payload is not JSON: ${(error as Error).message}`);
  }
  if (typeof json !== 'object' || json === null) throw invalid('the signed payload is not a JSON object');
  return readSchema1(json as Readonly<Record<string, unknown>>);
}

/** Reads the object of a payload. Throws MANIFEST_INVALID, or DIGEST_INVALID for a malformed digest inside. */
export function readSchema1(json: Readonly<Record<string, unknown>>): Schema1 {
  if (json['schemaVersion'] !== 1) throw invalid('the signed payload must have schemaVersion 1');
  const { name, fsLayers, history } = json;
  if (name !== undefined && typeof name !== 'string') throw invalid('name must be a string');
  const faults: Fault[] = [];
  const layers = listOf(fsLayers, 'fsLayers').map((layer, position) => {
    const blobSum = (layer as { blobSum?: unknown } | null)?.blobSum;
    if (typeof blobSum !== 'string') throw invalid(`fsLayers[${position}].blobSum must be a string`);
    if (!isWellFormedDigest(blobSum)) {
      faults.push({ code: 'DIGEST_INVALID', message: `fsLayers[${position}].blobSum is malformed`, detail: blobSum });
    }
    return blobSum;
  });
  const [first, ...more] = faults;
  if (first) throw new RegistryError(first, more);
  return { name: name ?? '', layers, historyLength: listOf(history, 'history').length };
}

function listOf(value: unknown, key: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${key} must be a list`);
  return value;
}

/** A host, perhaps with a port, may stand in front of the name. */
const host = /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?\//;

/** What is wrong with a manifest that is being pushed, in Distribution's order, besides its signatures. */
export function schema1Faults({ name, layers, historyLength }: Schema1): readonly Fault[] {
  const faults: Fault[] = [];
  const detail = { name: name.slice(0, 300) };
  if (isTooLong(name)) {
    faults.push({ code: 'MANIFEST_NAME_INVALID', message: 'the name in the manifest is longer than 255', detail });
  } else if (parseName(name) === undefined && parseName(name.replace(host, '')) === undefined) {
    faults.push({ code: 'MANIFEST_NAME_INVALID', message: 'the name in the manifest is no repository name', detail });
  }
  if (layers.length !== historyLength) {
    const message = `history and fsLayers must be equally long, not ${historyLength} and ${layers.length}`;
    faults.push({ code: 'MANIFEST_INVALID', message });
  }
  return faults;
}
