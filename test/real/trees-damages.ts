/** What becomes of a tree on a real disk: damage by crashes, by older versions, by other programs. */
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf, type PushedManifest } from '../support/push-client.ts';

/** The places on disk of one pushed image, `app:v1`-like, in a repository of its own. */
export interface Victim {
  readonly name: string;
  readonly image: PushedManifest;
  readonly layers: readonly Buffer[];
  /** `/docker/registry/v2` on disk, and the repository's folder. */
  readonly tree: string;
  readonly repository: string;
  readonly tag: string;
  readonly revision: string;
  readonly layerLink: string;
  readonly layerData: string;
  readonly manifestData: string;
}

/** What a look at the damaged image may find; anything below 500 where nothing is said. */
export interface Expected {
  readonly byTag?: number;
  readonly byDigest?: number;
  readonly blob?: number;
}

export interface Damage extends Expected {
  readonly what: string;
  /** Where memory may know better: content never changes under its digest. */
  readonly cold?: Expected;
  readonly harm: (victim: Victim) => Promise<unknown>;
}

export const overwrite = async (path: string, content: string | Buffer): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
};
/** An empty folder in a file's place. */
export const folderAt = async (path: string): Promise<void> => {
  await rm(path, { recursive: true });
  await mkdir(path);
};
/** The digest of content that is nowhere. */
export const elsewhere = digestOf(Buffer.from('content that was never pushed'));
const current = ({ tag }: Victim): string => join(tag, 'current/link');
const revisionLink = ({ revision }: Victim): string => join(revision, 'link');

const links: readonly (readonly [string, (path: string) => Promise<void>])[] = [
  ['is empty, as after a crash of an older Distribution', (path) => writeFile(path, '')],
  ['holds garbage', (path) => writeFile(path, '\0\u0001 sha256:zz')],
  ['holds a megabyte of garbage', (path) => writeFile(path, Buffer.alloc(1 << 20, 'x'))],
  ['points to content that is not there', (path) => writeFile(path, elsewhere)],
  ['is a folder', folderAt],
];

export const damages: readonly Damage[] = [
  ...links.flatMap(([state, harm]): Damage[] => [
    { what: `a tag's link ${state}`, harm: (victim) => harm(current(victim)), byTag: 404, byDigest: 200, blob: 200 },
    {
      what: `a revision link ${state}`,
      harm: (victim) => harm(revisionLink(victim)),
      byTag: 404,
      byDigest: 404,
      blob: 200,
    },
    { what: `a layer link ${state}`, harm: (victim) => harm(victim.layerLink), byTag: 200, byDigest: 200, blob: 404 },
  ]),
  {
    what: 'a link ends in a newline',
    harm: async (victim) => writeFile(current(victim), `${victim.image.digest}\n`),
    byTag: 200,
    byDigest: 200,
    blob: 200,
  },
  { what: 'a blob is a folder', harm: ({ layerData }) => folderAt(layerData), byTag: 200, blob: 404 },
  { what: 'a blob is missing', harm: ({ layerData }) => rm(layerData), byTag: 200, blob: 404 },
  { what: 'a blob lost its end', harm: ({ layerData }) => truncate(layerData, 100), byTag: 200 },
  { what: 'a blob is empty', harm: ({ layerData }) => truncate(layerData, 0), byTag: 200 },
  { what: 'a blob is too long', harm: ({ layerData }) => truncate(layerData, 5_000_000), byTag: 200 },
  {
    what: 'a blob of the right size has other bytes',
    harm: async ({ layerData }) => writeFile(layerData, Buffer.alloc((await readFile(layerData)).length)),
    byTag: 200,
  },
  {
    what: 'a manifest is a folder',
    harm: ({ manifestData }) => folderAt(manifestData),

    blob: 200,
    cold: { byTag: 404, byDigest: 404, blob: 200 },
  },
  {
    what: 'a manifest is missing',
    harm: ({ manifestData }) => rm(manifestData),
    blob: 200,
    cold: { byTag: 404, byDigest: 404, blob: 200 },
  },
  {
    what: 'a manifest lost its end',
    harm: ({ manifestData }) => truncate(manifestData, 50),

    blob: 200,
    cold: { byTag: 404, byDigest: 404, blob: 200 },
  },
  {
    what: 'a manifest is empty',
    harm: ({ manifestData }) => truncate(manifestData, 0),

    blob: 200,
    cold: { byTag: 404, byDigest: 404, blob: 200 },
  },
  {
    what: "a tag's history is missing",
    harm: ({ tag }) => rm(join(tag, 'index'), { recursive: true }),
    byTag: 200,
    byDigest: 200,
    blob: 200,
  },
  {
    what: 'a tag has only its history',
    harm: ({ tag }) => rm(join(tag, 'current'), { recursive: true }),
    byTag: 404,
    byDigest: 200,
    blob: 200,
  },
  { what: 'a tag is an empty folder', harm: ({ tag }) => folderAt(tag), byTag: 404, byDigest: 200, blob: 200 },
  {
    what: 'signatures of schema 1 lie in a revision',
    harm: ({ revision }) => overwrite(join(revision, 'signatures/sha256', elsewhere.slice(7), 'link'), elsewhere),
    byTag: 200,
    byDigest: 200,
    blob: 200,
  },
  {
    what: 'layers of 2.0 are linked by tarsum',
    harm: ({ repository }) =>
      overwrite(join(repository, '_layers/tarsum/v1/sha256', elsewhere.slice(7), 'link'), elsewhere),
    byTag: 200,
    byDigest: 200,
    blob: 200,
  },
  {
    what: 'files of other programs lie everywhere',
    harm: async ({ repository, tree, tag, revision, layerData }) => {
      const folders = [
        tree,
        join(tree, 'repositories'),
        repository,
        dirname(tag),
        tag,
        dirname(revision),
        revision,
        dirname(layerData),
      ];
      for (const folder of [
        ...folders,
        join(repository, '_layers'),
        join(repository, '_uploads'),
        join(repository, '_referrers'),
      ]) {
        for (const name of ['.DS_Store', '.nfs0001', 'lost+found', 'a file', '-', `link.${crypto.randomUUID()}.tmp`]) {
          await overwrite(join(folder, name), 'not ours');
        }
        await mkdir(join(folder, '@eaDir', 'Upper Case'), { recursive: true });
      }
    },
    ...{ byTag: 200, byDigest: 200, blob: 200 },
  },
  {
    what: 'places of a blob are garbage',
    harm: ({ tree, layers }) => overwrite(placesOf(tree, layers[0]), '\n\0../..\nUPPER\n'),
    byTag: 200,
    blob: 200,
  },
  {
    what: 'places of a blob are a folder',
    harm: ({ tree, layers }) => folderAt(placesOf(tree, layers[1])),
    byTag: 200,
    blob: 200,
  },
  {
    what: 'referrers are garbage',
    harm: ({ repository, image }) =>
      overwrite(
        join(repository, '_referrers/sha256', image.digest.slice(7), `sha256.${image.digest.slice(7)}`),
        '{"mediaType":',
      ),
    byTag: 200,
    byDigest: 200,
  },
  {
    what: 'the list of scanned referrers is a folder',
    harm: ({ repository }) => mkdir(join(repository, '_referrers/scanned'), { recursive: true }),
    byTag: 200,
    byDigest: 200,
  },
  {
    what: 'referrers are a file',
    harm: ({ repository }) => writeFile(join(repository, '_referrers'), ''),
    byTag: 200,
    byDigest: 200,
  },
];

const placesOf = (tree: string, layer: Buffer | undefined): string => {
  const hex = digestOf(layer ?? Buffer.alloc(0)).slice(7);
  return join(tree, '_berth/places/sha256', hex.slice(0, 2), hex);
};
