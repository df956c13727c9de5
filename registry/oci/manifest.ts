/**
 * Manifests as a registry reads them (image specification, "Image Manifest", "Image Index", "Content Descriptors", and
 * Docker's schema 2; of schema 1 the payload without its signatures). Only what a registry must understand is looked at; the
 * bytes are never written again, unknown properties and unknown media types of config, layers and children are nobody's
 * business here.
 */

import { isWellFormedDigest } from './digest.ts';
import { type Fault, fault, RegistryError } from './error.ts';
import { excessIn } from './json-bounds.ts';
import { readSchema1, schema1MediaType } from './schema1.ts';

export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  schema1: schema1MediaType,
} as const;

export type ManifestMediaType = (typeof mediaTypes)[keyof typeof mediaTypes];

const known: ReadonlySet<string> = new Set(Object.values(mediaTypes));
export const isManifestMediaType = (text: string): text is ManifestMediaType => known.has(text);

export interface Descriptor {
  readonly mediaType: string;
  /** Well formed, perhaps of an algorithm that Berth does not compute. */
  readonly digest: string;
  readonly size: number | undefined;
  readonly urls: readonly string[];
  readonly platform: { readonly os: string; readonly architecture: string } | undefined;
}

export interface Manifest {
  readonly mediaType: ManifestMediaType;
  readonly isIndex: boolean;
  /** Images only. */
  readonly config: Descriptor | undefined;
  readonly layers: readonly Descriptor[];
  /** Indexes and lists only. */
  readonly children: readonly Descriptor[];
  readonly subject: Descriptor | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, unknown>> | undefined;
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (message: string): RegistryError => fault('MANIFEST_INVALID', message);

/**
 * Parses a manifest that is being pushed as `contentType`, or one that is stored (`undefined`: the type is found in it).
 * Throws MANIFEST_INVALID, or DIGEST_INVALID for a malformed digest inside.
 */
export function parseManifest(bytes: Buffer, contentType?: ManifestMediaType): Manifest {
  const json = parseJson(bytes);
  if (contentType === mediaTypes.schema1 || (contentType === undefined && json['schemaVersion'] === 1)) {
    return schema1Manifest(json);
  }
  if (json['schemaVersion'] !== 2) throw invalid(`schemaVersion must be 2, not ${show(json['schemaVersion'])}`);
  const mediaType = decideType(json, contentType);
  const isIndex = mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;
  refuseMixture(json, isIndex);
  if (isIndex && json['manifests'] === undefined) throw invalid('an index must have the property "manifests"');
  const faults: Fault[] = [];
  const read = (value: unknown, place: string): Descriptor => readDescriptor(value, place, faults);
  const list = (key: string): Descriptor[] =>
    listOf(json, key).map((value, position) => read(value, `${key}[${position}]`));
  const manifest: Manifest = {
    mediaType,
    isIndex,
    config: isIndex ? undefined : read(json['config'], 'config'),
    layers: isIndex ? [] : list('layers'),
    children: isIndex ? list('manifests') : [],
    subject: json['subject'] === undefined || json['subject'] === null ? undefined : read(json['subject'], 'subject'),
    artifactType: optionalString(json, 'artifactType'),
    annotations: isObject(json['annotations']) ? json['annotations'] : undefined,
  };
  const [first, ...more] = faults;
  if (first) throw new RegistryError(first, more);
  return manifest;
}

/** The layers without their media types, sizes and order of application, which schema 1 does not tell as descriptors do. */
function schema1Manifest(json: Json): Manifest {
  const bare = { mediaType: '', size: undefined, urls: [], platform: undefined };
  return {
    mediaType: mediaTypes.schema1,
    isIndex: false,
    config: undefined,
    layers: readSchema1(json).layers.map((digest) => ({ ...bare, digest })),
    children: [],
    subject: undefined,
    artifactType: undefined,
    annotations: undefined,
  };
}

function parseJson(bytes: Buffer): Json {
  const excess = excessIn(bytes);
  if (excess !== undefined) throw invalid(`the manifest has ${excess}`);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalid(`the manifest is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw invalid('the manifest is not a JSON object');
  return json;
}

/**
 * Docker's types demand an exact `mediaType`; OCI's may leave it out. Without both a Content-Type and a `mediaType`, an
 * object with `manifests` is an index (Distribution decides so on reading, since types are stored nowhere else).
 */
function decideType(json: Json, contentType: ManifestMediaType | undefined): ManifestMediaType {
  const own = json['mediaType'] === '' || json['mediaType'] === null ? undefined : json['mediaType'];
  if (contentType === undefined) {
    if (own === undefined) return Array.isArray(json['manifests']) ? mediaTypes.ociIndex : mediaTypes.ociManifest;
    if (typeof own === 'string' && isManifestMediaType(own)) return own;
    throw invalid(`unknown manifest type ${show(own)}`);
  }
  const mayBeAbsent = contentType === mediaTypes.ociManifest || contentType === mediaTypes.ociIndex;
  if (own === undefined ? !mayBeAbsent : own !== contentType) {
    throw invalid(`mediaType ${show(own)} does not agree with Content-Type ${contentType}`);
  }
  return contentType;
}

/** A body that reads both as image and as index means different things to different clients. */
function refuseMixture(json: Json, isIndex: boolean): void {
  for (const key of isIndex ? ['config', 'layers'] : ['manifests']) {
    if (json[key] !== undefined && json[key] !== null) {
      throw invalid(`${isIndex ? 'an index' : 'an image manifest'} cannot have the property "${key}"`);
    }
  }
}

function listOf(json: Json, key: string): readonly unknown[] {
  const value = json[key] ?? [];
  if (!Array.isArray(value)) throw invalid(`${key} must be a list`);
  return value;
}

function readDescriptor(value: unknown, place: string, faults: Fault[]): Descriptor {
  if (!isObject(value)) throw invalid(`${place} must be a descriptor (an object with mediaType, digest and size)`);
  const { digest, size } = value;
  if (typeof digest !== 'string') throw invalid(`${place}.digest must be a string`);
  if (!isWellFormedDigest(digest)) {
    faults.push({ code: 'DIGEST_INVALID', message: `${place}.digest is malformed`, detail: digest });
  }
  if (size !== undefined && !(Number.isSafeInteger(size) && (size as number) >= 0)) {
    throw invalid(`${place}.size must be a whole number of bytes`);
  }
  const { platform, urls } = value;
  return {
    mediaType: typeof value['mediaType'] === 'string' ? value['mediaType'] : '',
    digest,
    size: size as number | undefined,
    urls: Array.isArray(urls) ? urls.filter((url) => typeof url === 'string') : [],
    platform: isObject(platform)
      ? { os: String(platform['os'] ?? ''), architecture: String(platform['architecture'] ?? '') }
      : undefined,
  };
}

function optionalString(json: Json, key: string): string | undefined {
  const value = json[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const show = (value: unknown): string => (value === undefined ? '(absent)' : JSON.stringify(value).slice(0, 100));
