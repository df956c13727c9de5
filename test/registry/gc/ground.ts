/** Trees in memory for tests of garbage collection, written link by link as any registry may have left them. */
import { type CollectOptions, collect, type Summary } from '../../../registry/gc/collect.ts';
import type { Logger } from '../../../registry/log.ts';
import { type Algorithm, type Digest, digestBytes } from '../../../registry/oci/digest.ts';
import { mediaTypes } from '../../../registry/oci/manifest.ts';
import type { RepositoryName } from '../../../registry/oci/name.ts';
import * as keys from '../../../registry/service/keys.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import type { Store } from '../../../registry/storage/store.ts';

export const root = '/docker/registry/v2';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface Ground {
  readonly store: Store;
  /** Bytes and a link to them; a fresh content each time without `bytes`. */
  blob(name: string, bytes?: string): Promise<Descriptor>;
  manifest(name: string, tag: string | undefined, content: object, algorithm?: Algorithm): Promise<Descriptor>;
  /** An image of new layers, or of these. */
  image(name: string, tag?: string, more?: object): Promise<Image>;
  index(name: string, tag: string | undefined, children: readonly Descriptor[], more?: object): Promise<Descriptor>;
  tag(name: string, tag: string, digest: Digest): Promise<void>;
  put(path: string, content: string | Buffer): Promise<void>;
}

export interface Image {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export const as = (name: string): RepositoryName => name as RepositoryName;

export function createGround(store: Store = createMemoryStore()): Ground {
  let count = 0;
  const put = (path: string, content: string | Buffer): Promise<void> => store.put(path, Buffer.from(content));

  const ground: Ground = {
    store,
    put,
    async blob(name, bytes = `content ${count++}`) {
      const digest = digestBytes('sha256', Buffer.from(bytes));
      await put(keys.blobData(digest), bytes);
      await put(keys.layerLink(as(name), digest), digest);
      return { mediaType: 'application/octet-stream', digest, size: bytes.length };
    },
    async manifest(name, tag, content, algorithm = 'sha256') {
      const bytes = Buffer.from(JSON.stringify(content));
      const digest = digestBytes(algorithm, bytes);
      await put(keys.blobData(digest), bytes);
      await put(keys.revisionLink(as(name), digest), digest);
      if (tag !== undefined) await ground.tag(name, tag, digest);
      const { mediaType = '' } = content as { mediaType?: string };
      return { mediaType, digest, size: bytes.length };
    },
    async image(name, tag, more = {}) {
      const config = await ground.blob(name);
      const layers = [await ground.blob(name), await ground.blob(name)];
      const content = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers, ...more };
      return { manifest: await ground.manifest(name, tag, content), config, layers };
    },
    index: (name, tag, children, more = {}) =>
      ground.manifest(name, tag, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: children, ...more }),
    async tag(name, tag, digest) {
      await put(keys.tagIndex(as(name), tag, digest), digest);
      await put(keys.tagCurrent(as(name), tag), digest);
    },
  };
  return ground;
}

export interface Run {
  readonly summary: Summary;
  readonly lines: readonly string[];
  readonly warnings: readonly { readonly fields: object; readonly message: string }[];
  readonly forgotten: readonly string[];
}

/** A run on a store to which nobody else writes, unless `cutoff` says otherwise. */
export async function run(store: Store, options: Partial<CollectOptions> = {}): Promise<Run> {
  const lines: string[] = [];
  const forgotten: string[] = [];
  const warnings: { fields: object; message: string }[] = [];
  const warn = (fields: object, message: string): void => void warnings.push({ fields, message });
  const log: Logger = { debug() {}, info() {}, warn, error: warn };
  const summary = await collect(
    { dryRun: false, untagged: false, cutoff: Date.now() + 1000, seed: 1, ...options },
    {
      store,
      log,
      output: { line: (text) => void lines.push(text), progress() {}, end() {} },
      forget: async (name, digest) => void forgotten.push(`${name ?? '*'} ${digest}`),
    },
  );
  return { summary, lines, warnings, forgotten };
}

/** Every file below a folder, sorted. */
export async function files(store: Store, path = root): Promise<readonly string[]> {
  const page = await store.list(path);
  const found = await Promise.all(
    (page?.entries ?? []).map(({ name, isDirectory }) =>
      isDirectory ? files(store, `${path}/${name}`) : [`${path}/${name}`],
    ),
  );
  return found.flat().sort();
}

export const has = async (store: Store, digest: Digest): Promise<boolean> =>
  (await store.stat(keys.blobData(digest))) !== undefined;

/** Which of these are still there. */
export const left = async (store: Store, all: readonly Descriptor[]): Promise<readonly boolean[]> =>
  Promise.all(all.map(({ digest }) => has(store, digest)));

export const everything = (image: Image): readonly Descriptor[] => [image.manifest, image.config, ...image.layers];
