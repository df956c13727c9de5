import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from './digest.ts';
import type { Architecture } from './inputs.ts';
import type { Layer } from './layer.ts';

/** A descriptor of the OCI image specification. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What an image says of itself. */
export interface About {
  readonly version: string;
  /** RFC 3339. */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A written image of one architecture; digests name blobs in the folder it was written to. */
export interface Image {
  readonly architecture: Architecture;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Layer[];
}

const TYPES = {
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
};

/**
 * How a runtime starts the image. `User` is a number, so that Kubernetes' `runAsNonRoot` can be checked.
 * `OTEL_TRACES_EXPORTER` is what Distribution's image sets. Most of what a request makes is garbage at once: a small young
 * generation costs no time and a third less memory. (The launchers cannot say so: the kernel hands them one flag only.)
 */
const RUN = {
  User: '65532:65532',
  ExposedPorts: { '5000/tcp': {} },
  Env: [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'NODE_ENV=production',
    'OTEL_TRACES_EXPORTER=none',
    'NODE_OPTIONS=--max-semi-space-size=8',
  ],
  Entrypoint: ['registry'],
  Cmd: ['serve', '/etc/distribution/config.yml'],
  Volumes: { '/var/lib/registry': {} },
  WorkingDir: '/',
  StopSignal: 'SIGTERM',
};

/** Writes the configuration and manifest of one architecture beside its layers' blobs. */
export async function writeImage(
  blobs: string,
  architecture: Architecture,
  layers: readonly (Layer & { readonly title: string })[],
  about: About,
): Promise<Image> {
  const platform = { architecture, os: 'linux', ...(architecture === 'arm64' ? { variant: 'v8' } : {}) };
  const config = await writeJson(blobs, TYPES.config, {
    created: about.created,
    ...platform,
    config: { ...RUN, Labels: about.labels },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ title }) => ({ created: about.created, created_by: title })),
  });
  const manifest = await writeJson(blobs, TYPES.manifest, {
    schemaVersion: 2,
    mediaType: TYPES.manifest,
    config,
    layers: layers.map(({ digest, size }) => ({ mediaType: TYPES.layer, digest, size })),
    annotations: annotations(about),
  });
  return { architecture, manifest: { ...manifest, platform }, config, layers };
}

/** Writes the index over all architectures: the one digest that stands for the image. */
export function writeIndex(blobs: string, images: readonly Image[], about: About): Promise<Descriptor> {
  return writeJson(blobs, TYPES.index, {
    schemaVersion: 2,
    mediaType: TYPES.index,
    manifests: images.map(({ manifest }) => manifest),
    annotations: annotations(about),
  });
}

/**
 * The `index.json` of a layout that holds one named thing. The full name is for containerd and podman, the tag for those
 * who read layouts by the specification.
 */
export function layoutIndex(content: Descriptor, name: string): string {
  const tag = name.slice(name.lastIndexOf(':') + 1);
  const named = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag };
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: TYPES.index,
    manifests: [{ ...content, annotations: named }],
  });
}

/** The marker file of a layout. */
export const OCI_LAYOUT = JSON.stringify({ imageLayoutVersion: '1.0.0' });

function annotations(about: About): Record<string, string> {
  const prefix = 'org.opencontainers.image.';
  const title = { [`${prefix}title`]: 'berth', [`${prefix}version`]: about.version };
  return { ...title, [`${prefix}created`]: about.created, [`${prefix}licenses`]: 'Apache-2.0' };
}

async function writeJson(blobs: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = digestOf(bytes);
  await writeFile(join(blobs, digest.slice('sha256:'.length)), bytes);
  return { mediaType, digest, size: bytes.length };
}
