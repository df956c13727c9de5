/** The image as the builder leaves it, for the tests that look into it or run it. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { missingCommands } from '../support/apiserver.ts';
import { skip } from '../support/tools.ts';
import { execute } from '../tools/execute.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Index {
  readonly manifests: readonly Descriptor[];
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** As far as the tests look at it. */
export interface ImageConfig {
  readonly architecture: string;
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly Volumes: Readonly<Record<string, object>>;
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

/** A built image: `out/image/` and its archives in a folder. */
export interface BuiltImage {
  readonly out: string;
  /** The descriptor in the layout's `index.json`. */
  readonly top: Descriptor;
  blob(digest: string): string;
  json<T>(digest: string): Promise<T>;
  manifest(architecture: string): Promise<Manifest>;
  config(architecture: string): Promise<ImageConfig>;
}

const root = new URL('../..', import.meta.url).pathname;

/** Builds the image into a folder, or skips the test on a machine without Debian's tools. */
export async function buildImage(t: TestContext, out: string, ...flags: string[]): Promise<BuiltImage | undefined> {
  const missing = await missingCommands({ 'apt-get': ['--version'], 'dpkg-deb': ['--version'], npm: ['--version'] });
  if (missing !== undefined) {
    skip(t, missing);
    return undefined;
  }
  await execute(process.execPath, [join(root, 'image/build.ts'), '--out', out, ...flags], { deadline: 900_000 });
  return readImage(out);
}

async function readImage(out: string): Promise<BuiltImage> {
  const layout = join(out, 'image');
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as Index;
  const [top] = index.manifests;
  if (top === undefined) throw new Error(`${layout} is an empty layout`);
  const blob = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'));
  const json = async <T>(digest: string) => JSON.parse(await readFile(blob(digest), 'utf8')) as T;
  const manifest = async (architecture: string) => {
    const { manifests } = await json<Index>(top.digest);
    const found = manifests.find(({ platform }) => platform?.architecture === architecture);
    if (found === undefined) throw new Error(`the index names no image for ${architecture}`);
    return json<Manifest>(found.digest);
  };
  const config = async (architecture: string) => json<ImageConfig>((await manifest(architecture)).config.digest);
  return { out, top, blob, json, manifest, config };
}

/** Unpacks the layers in order, with owners, as a runtime does. Needs root. */
export async function unpack(image: BuiltImage, architecture: string, folder: string): Promise<void> {
  await mkdir(folder);
  for (const { digest } of (await image.manifest(architecture)).layers) {
    await execute('tar', ['-xpzf', image.blob(digest), '--numeric-owner', '-C', folder], { deadline: 300_000 });
  }
}

/** Skips a test that owns files as several users, unless root runs it. */
export function needsRoot(t: TestContext): boolean {
  if (process.getuid?.() === 0) return true;
  skip(t, 'needs root: it unpacks files of several owners and runs them in a container');
  return false;
}
