import { randomBytes } from 'node:crypto';
import { digestOf } from './http.ts';

/** Content to push, made by pure functions but for the random bytes that keep two tests from meeting in one blob. */

export const types = {
  image: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  gzipLayer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  tarLayer: 'application/vnd.oci.image.layer.v1.tar',
  foreignGzipLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  foreignTarLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  empty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly urls?: readonly string[];
  readonly data?: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, string>>;
}

/** Bytes with the descriptor that a manifest has for them. */
export interface Content {
  readonly bytes: Buffer;
  readonly descriptor: Descriptor;
}

/** A manifest, the blobs that it names and are to be pushed, and the manifests below it, to be pushed before it. */
export interface Manifest extends Content {
  readonly blobs: readonly Content[];
  readonly children: readonly Manifest[];
  /** What a referrers list says of it; only of interest with a subject. */
  readonly subject?: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ManifestOptions {
  readonly algorithm?: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Properties at the top level, over those that are made. `undefined` takes one away. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** How far the JSON is indented. */
  readonly indent?: string;
}

export interface ImageOptions extends ManifestOptions {
  readonly config?: Content;
  readonly layers?: readonly Content[];
  /** Layers that the manifest names and nobody pushes. */
  readonly absent?: readonly Content[];
  readonly architecture?: string;
}

export function content(
  bytes: Buffer,
  mediaType: string,
  algorithm = 'sha256',
  more: Partial<Descriptor> = {},
): Content {
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes, algorithm), size: bytes.length, ...more } };
}

export function layer(size = 512, algorithm = 'sha256', mediaType: string = types.gzipLayer): Content {
  return content(randomBytes(size), mediaType, algorithm);
}

/** Clause F4: the two bytes `{}`. */
export function emptyObject(algorithm = 'sha256'): Content {
  return content(Buffer.from('{}'), types.empty, algorithm);
}

/** Its `diff_ids` are all the digest of nothing: a server has no business inside a configuration. */
export function imageConfig(layers: number, algorithm = 'sha256', architecture = 'amd64'): Content {
  const nothing = digestOf(Buffer.alloc(0));
  const config = {
    author: randomBytes(8).toString('hex'),
    architecture,
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: Array.from({ length: layers }, () => nothing) },
  };
  return content(Buffer.from(JSON.stringify(config)), types.config, algorithm);
}

export function image(options: ImageOptions = {}): Manifest {
  const algorithm = options.algorithm ?? 'sha256';
  const layers = options.layers ?? [layer(512, algorithm), layer(700, algorithm)];
  const absent = options.absent ?? [];
  const config = options.config ?? imageConfig(layers.length, algorithm, options.architecture);
  const body = {
    schemaVersion: 2,
    mediaType: types.image,
    ...top(options),
    config: config.descriptor,
    layers: [...absent, ...layers].map((each) => each.descriptor),
    ...options.extra,
  };
  const artifactType = options.artifactType ?? config.descriptor.mediaType;
  return manifest(body, types.image, { ...options, artifactType }, [config, ...layers], []);
}

/** An artifact: the empty configuration, an `artifactType` and a layer of a type that nobody knows. */
export function artifact(options: ImageOptions = {}): Manifest {
  const algorithm = options.algorithm ?? 'sha256';
  return image({
    artifactType: 'application/vnd.example.artifact.v1',
    config: emptyObject(algorithm),
    layers: [layer(2048, algorithm, 'application/vnd.example.data')],
    ...options,
  });
}

export interface IndexOptions extends ManifestOptions {
  /** `false`: children without `platform`. */
  readonly platforms?: boolean;
  /** Children that the index names and nobody pushes. */
  readonly absent?: readonly Manifest[];
}

export function index(children: readonly Manifest[], options: IndexOptions = {}): Manifest {
  const platforms = ['amd64', 'arm64', 'ppc64le', 's390x'];
  const entries = [...children, ...(options.absent ?? [])].map((child, at) => ({
    ...child.descriptor,
    ...(options.platforms === false ? {} : { platform: { os: 'linux', architecture: platforms[at % 4] ?? 'amd64' } }),
  }));
  const body = { schemaVersion: 2, mediaType: types.index, ...top(options), manifests: entries, ...options.extra };
  return manifest(body, types.index, options, [], children);
}

export function dockerImage(): Manifest {
  const layers = [content(randomBytes(600), types.dockerLayer)];
  const dockerConfig = content(imageConfig(1).bytes, types.dockerConfig);
  const body = {
    schemaVersion: 2,
    mediaType: types.dockerManifest,
    config: dockerConfig.descriptor,
    layers: layers.map((each) => each.descriptor),
  };
  return manifest(body, types.dockerManifest, {}, [dockerConfig, ...layers], []);
}

export function dockerList(children: readonly Manifest[]): Manifest {
  const architectures = ['amd64', 'arm64'];
  const manifests = children.map((child, at) => ({
    ...child.descriptor,
    platform: { os: 'linux', architecture: architectures[at] ?? 's390x' },
  }));
  return manifest({ schemaVersion: 2, mediaType: types.dockerList, manifests }, types.dockerList, {}, [], children);
}

function top(options: ManifestOptions): Record<string, unknown> {
  return {
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
}

function manifest(
  body: Readonly<Record<string, unknown>>,
  mediaType: string,
  options: ManifestOptions,
  blobs: readonly Content[],
  children: readonly Manifest[],
): Manifest {
  const bytes = Buffer.from(JSON.stringify(body, undefined, options.indent));
  return {
    ...content(bytes, mediaType, options.algorithm),
    blobs,
    children,
    ...(options.subject === undefined ? {} : { subject: options.subject.digest }),
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
}
