/** Trees written file by file, past any registry: as many images as a test of garbage collection wants, in seconds. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Descriptor, digestOf, types } from './push-client.ts';

export interface RawTree {
  /** The folder `docker/registry/v2`. */
  readonly v2: string;
  write(path: string, content: string | Buffer): void;
  /** Content without a link. */
  content(bytes: Buffer | string): Descriptor;
  /** Content, and its membership in a repository. */
  blob(name: string, bytes: Buffer | string): Descriptor;
  /** Only the membership. */
  link(name: string, digest: string): void;
  manifest(name: string, tag: string | undefined, content: object): Descriptor;
  tag(name: string, tag: string, digest: string): void;
}

const folderOf = (digest: string): string => digest.replace(':', '/');

export const dataOf = (digest: string): string => {
  const [algorithm, hex = ''] = digest.split(':');
  return `blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`;
};

export function createRawTree(root: string): RawTree {
  const v2 = join(root, 'docker/registry/v2');
  const made = new Set<string>();

  const tree: RawTree = {
    v2,
    write(path, content) {
      const file = join(v2, path);
      const folder = dirname(file);
      if (!made.has(folder)) mkdirSync(folder, { recursive: true });
      made.add(folder);
      writeFileSync(file, content);
    },
    content(bytes) {
      const content = Buffer.from(bytes);
      const digest = digestOf(content);
      tree.write(dataOf(digest), content);
      return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: content.length };
    },
    blob(name, bytes) {
      const descriptor = tree.content(bytes);
      tree.link(name, descriptor.digest);
      return descriptor;
    },
    link(name, digest) {
      tree.write(`repositories/${name}/_layers/${folderOf(digest)}/link`, digest);
    },
    manifest(name, tag, content) {
      const { mediaType = types.manifest } = content as { mediaType?: string };
      const { digest, size } = tree.content(JSON.stringify(content));
      tree.write(`repositories/${name}/_manifests/revisions/${folderOf(digest)}/link`, digest);
      if (tag !== undefined) tree.tag(name, tag, digest);
      return { mediaType, digest, size };
    },
    tag(name, tag, digest) {
      const folder = `repositories/${name}/_manifests/tags/${tag}`;
      tree.write(`${folder}/index/${folderOf(digest)}/link`, digest);
      tree.write(`${folder}/current/link`, digest);
    },
  };
  return tree;
}

export const imageOf = (config: Descriptor, layers: readonly Descriptor[], more: object = {}): object => ({
  schemaVersion: 2,
  mediaType: types.manifest,
  config,
  layers,
  ...more,
});

export const indexOf = (manifests: readonly Descriptor[], more: object = {}): object => ({
  schemaVersion: 2,
  mediaType: types.index,
  manifests,
  ...more,
});
