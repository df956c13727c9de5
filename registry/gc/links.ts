/** Links as a collector reads them: what a damaged one might have said is never taken for "nothing". */
import { type Digest, parseDigest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { algorithmsIn, digestsIn, pages } from './walk.ts';

export type Target = Digest | 'absent' | 'damaged';

export async function readLink(store: Store, path: string, options: Cancellable): Promise<Target> {
  const content = await store.read(path, options);
  if (content === undefined) return 'absent';
  return parseDigest(content.toString('latin1').trim()) ?? 'damaged';
}

const legalFolder = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/;

/**
 * Where a digest that does not name content itself, such as `tarsum.v1+sha256:HEX` of the first versions, has its links in
 * `_layers/`: the separators of its algorithm are folders.
 */
function aliasFolders(text: string): readonly string[] {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon).replaceAll(/[+.;]/g, '/');
  const encoded = text.slice(colon + 1);
  // A tarsum without a version was filed under v0.
  const spellings = [algorithm, algorithm.replace(/^tarsum\/(?=[^/]+$)/, 'tarsum/v0/')];
  return [...new Set(spellings)].map((spelling) => `${spelling}/${encoded}`).filter((path) => legalFolder.test(path));
}

/**
 * Content for which another digest stands in this repository, or stood: `formerly` tells what a link said that is gone.
 * `damaged`: paths of links that no longer tell.
 */
export async function aliasTargets(
  store: Store,
  name: RepositoryName,
  text: string,
  formerly: (name: RepositoryName, folder: string) => Digest | undefined,
  options: Cancellable,
) {
  const targets: Digest[] = [];
  const damaged: string[] = [];
  for (const folder of aliasFolders(text)) {
    const path = `${keys.layers(name)}/${folder}/link`;
    const target = await readLink(store, path, options);
    const found = target === 'absent' ? formerly(name, folder) : target;
    if (found === 'damaged') damaged.push(path);
    else if (found !== undefined) targets.push(found);
  }
  return { targets, damaged };
}

/** Content of the signatures that the first versions stored beside a manifest. */
export async function signatureTargets(store: Store, name: RepositoryName, digest: Digest, options: Cancellable) {
  const root = `${keys.revision(name, digest)}/signatures`;
  const targets: Digest[] = [];
  for (const algorithm of (await algorithmsIn(store, root, options)).known) {
    for await (const page of digestsIn(store, root, algorithm, options)) targets.push(...page);
  }
  return targets;
}

export interface TagTargets {
  readonly digests: ReadonlySet<Digest>;
  /** Tags whose link is damaged: everything that they ever pointed to counts. */
  readonly damaged: readonly string[];
  readonly names: readonly string[];
}

/** What a repository's tags point to now. */
export async function tagTargets(store: Store, name: RepositoryName, options: Cancellable): Promise<TagTargets> {
  const digests = new Set<Digest>();
  const damaged: string[] = [];
  const names: string[] = [];
  for await (const page of pages(store, keys.tags(name), options)) {
    const folders = page.filter(({ isDirectory }) => isDirectory).map((entry) => entry.name);
    names.push(...folders);
    await eachLimited(folders, async (tag) => {
      const target = await readLink(store, keys.tagCurrent(name, tag), options);
      if (target === 'absent') return;
      if (target !== 'damaged') {
        digests.add(target);
        return;
      }
      damaged.push(tag);
      const history = keys.tagHistory(name, tag);
      for (const algorithm of (await algorithmsIn(store, history, options)).known) {
        for await (const past of digestsIn(store, history, algorithm, options)) {
          for (const digest of past) digests.add(digest);
        }
      }
    });
  }
  return { digests, damaged, names };
}

/** Every link below `_layers/`, by the folder that holds it, at whatever depth: `sha256/HEX`, `tarsum/v1/sha256/HASH`. */
export async function* layerFolders(
  store: Store,
  name: RepositoryName,
  options: Cancellable,
): AsyncGenerator<readonly LayerFolder[]> {
  const root = keys.layers(name);
  async function* below(folder: string, depth: number): AsyncGenerator<readonly LayerFolder[]> {
    const isLeaf = depth > 0 && (await store.stat(`${root}/${folder}/link`, options)) !== undefined;
    if (isLeaf) yield [{ folder, digest: undefined }];
    if (isLeaf || depth === deepest) return;
    for await (const page of pages(store, `${root}/${folder}`, options)) {
      for (const entry of page) if (entry.isDirectory) yield* below(`${folder}/${entry.name}`, depth + 1);
    }
  }
  const { known, unknown } = await algorithmsIn(store, root, options);
  for (const algorithm of known) {
    for await (const page of digestsIn(store, root, algorithm, options)) {
      yield page.map((digest) => ({ folder: digest.replace(':', '/'), digest }));
    }
  }
  for (const folder of unknown) yield* below(folder, 0);
}

export interface LayerFolder {
  /** Below `_layers/`. */
  readonly folder: string;
  /** The digest that the folder is called by, if it is one that names content. */
  readonly digest: Digest | undefined;
}

/** As deep as any version ever filed a link: `tarsum/VERSION/ALG/HASH`, and one to spare. */
const deepest = 4;
