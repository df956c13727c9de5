/**
 * Links that a run took away, and those of them that turn out to be needed: a manifest that was pushed meanwhile names them.
 * Small, as many as they may be: a name and a folder are kept as one digest.
 */
import { algorithmOf, canonical, type Digest, digestBytes } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import { createDigestSet } from './digests.ts';

/** A link to be written again, as soon as its content is known to be there. */
export interface WantedLink {
  readonly kind: 'layer' | 'manifest';
  readonly path: string;
  readonly target: Digest;
}

export interface Taken {
  manifest(name: RepositoryName, digest: Digest): void;
  /** `folder`: below `_layers/`. */
  layer(name: RepositoryName, folder: string, target: Digest): void;
  /** What a link stood for that was taken from `folder`, which is wanted from now on; not told of canonical digests. */
  formerly(name: RepositoryName, folder: string): Digest | undefined;
  /** The digest is pointed to: whichever of its links were taken are wanted. */
  want(name: RepositoryName, digest: Digest): void;
  /** What is wanted of a repository since this was last asked. */
  wanted(name: RepositoryName): readonly WantedLink[];
}

const folderOf = (digest: Digest): string => digest.replace(':', '/');

export function createTaken(seed: number): Taken {
  const links = createDigestSet(seed);
  /** Links to other content than their folder is called by, and the place of each one's target in `contents`. */
  const aliases = createDigestSet(seed);
  const places: number[] = [];
  const contents = createDigestSet(seed);
  const wanted = new Map<RepositoryName, WantedLink[]>();

  const keyOf = (kind: WantedLink['kind'], name: RepositoryName, folder: string): Digest =>
    digestBytes('sha256', Buffer.from(`${kind} ${name} ${folder}`));

  function wantLink(name: RepositoryName, found: WantedLink): void {
    const before = wanted.get(name);
    if (before === undefined) wanted.set(name, [found]);
    else before.push(found);
  }

  const layerPath = (name: RepositoryName, folder: string): string => `${keys.layers(name)}/${folder}/link`;

  function formerly(name: RepositoryName, folder: string): Digest | undefined {
    if (aliases.size === 0) return undefined;
    const place = places[aliases.indexOf(keyOf('layer', name, folder))];
    if (place === undefined) return undefined;
    const target = contents.at(place);
    wantLink(name, { kind: 'layer', path: layerPath(name, folder), target });
    return target;
  }

  return {
    formerly,
    manifest: (name, digest) => void links.add(keyOf('manifest', name, folderOf(digest))),
    layer(name, folder, target) {
      const key = keyOf('layer', name, folder);
      if (folder === folderOf(target)) links.add(key);
      else if (aliases.add(key)) {
        contents.add(target);
        places.push(contents.indexOf(target));
      }
    },
    want(name, digest) {
      if (links.size === 0) return;
      const folder = folderOf(digest);
      if (links.has(keyOf('manifest', name, folder))) {
        wantLink(name, { kind: 'manifest', path: keys.revisionLink(name, digest), target: digest });
      }
      if (algorithmOf(digest) === canonical && links.has(keyOf('layer', name, folder))) {
        wantLink(name, { kind: 'layer', path: layerPath(name, folder), target: digest });
      }
    },
    wanted(name) {
      const found = wanted.get(name) ?? [];
      wanted.delete(name);
      return found;
    },
  };
}
