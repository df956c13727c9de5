/**
 * Every path in the store is made here. The tree is Distribution's; what is ours beside it is marked with *, and is ignored by
 * Distribution's walks and garbage collection. `_referrers` and `places` can be deleted at any time and are made again from
 * the rest; the others speak of what is going on just now, and can go when no server and no maintenance runs.
 *
 *     /docker/registry/v2/
 *       blobs/ALG/HH/HEX/data                                bytes of layers, configurations and manifests
 *       repositories/NAME/
 *         _layers/ALG/HEX/link                               membership of a blob; a non-canonical one links to sha256
 *         _manifests/revisions/ALG/HEX/link                  membership of a manifest
 *         _manifests/revisions/ALG/HEX/signatures/ALG/HEX/link  a signature of schema 1, up to version 2.4
 *         _manifests/tags/TAG/current/link                   what the tag points to
 *         _manifests/tags/TAG/index/ALG/HEX/link             everything the tag ever pointed to
 *         _uploads/UUID/{startedat,data}                     an unfinished upload
 *         _uploads/UUID/begun                              * its date, in a bucket, where nobody else can go on with it
 *         _uploads/UUID/progress                           * its size and SHA-256 so far
 *         _untagging/TAG.UUID                              * somebody is deleting the tag just now
 *         _referrers/ALG/HEX/ALG.HEX                       * descriptor of a manifest whose subject is ALG:HEX
 *         _referrers/scanned                               * revisions that were looked at for a subject
 *       _berth/places/ALG/HH/HEX                           * repositories that have a blob, for mounts without `from`
 *       _berth/leases/NAME                                 * who does the store's maintenance just now
 *       _berth/pushers/UUID                                * a registry process that accepts pushes
 *       _berth/going/NUMBER                                * what a garbage collection is just deleting
 */
import { algorithmOf, type Digest, encodedOf, parseDigest } from '../oci/digest.ts';
import type { RepositoryName, Tag } from '../oci/name.ts';

const root = '/docker/registry/v2';
export const repositoriesRoot = `${root}/repositories`;

const split = (digest: Digest): string => `${algorithmOf(digest)}/${encodedOf(digest)}`;
const sharded = (digest: Digest): string =>
  `${algorithmOf(digest)}/${encodedOf(digest).slice(0, 2)}/${encodedOf(digest)}`;

export const blobsRoot = `${root}/blobs`;
export const placesRoot = `${root}/_berth/places`;

export const blob = (digest: Digest): string => `${blobsRoot}/${sharded(digest)}`;
export const blobData = (digest: Digest): string => `${blob(digest)}/data`;
export const places = (digest: Digest): string => `${placesRoot}/${sharded(digest)}`;
const leasesRoot = `${root}/_berth/leases`;
export const lease = (name: string): string => `${leasesRoot}/${name}`;

export const pushersRoot = `${root}/_berth/pushers`;
export const pusher = (id: string): string => `${pushersRoot}/${id}`;

export const goingRoot = `${root}/_berth/going`;
export const going = (number: string): string => `${goingRoot}/${number}`;

/** Folders that whoever writes to the store has to be able to write, if they are there. */
export const writtenRoots: readonly string[] = [
  ...[root, blobsRoot, repositoriesRoot, `${root}/_berth`, placesRoot],
  ...[leasesRoot, pushersRoot, goingRoot],
];

export const repository = (name: RepositoryName): string => `${repositoriesRoot}/${name}`;
export const manifests = (name: RepositoryName): string => `${repository(name)}/_manifests`;

export const layers = (name: RepositoryName): string => `${repository(name)}/_layers`;
export const layer = (name: RepositoryName, digest: Digest): string => `${layers(name)}/${split(digest)}`;
export const layerLink = (name: RepositoryName, digest: Digest): string => `${layer(name, digest)}/link`;

export const revisionsRoot = (name: RepositoryName): string => `${manifests(name)}/revisions`;
export const revisions = (name: RepositoryName, algorithm: string): string => `${revisionsRoot(name)}/${algorithm}`;
export const revision = (name: RepositoryName, digest: Digest): string =>
  `${manifests(name)}/revisions/${split(digest)}`;
export const revisionLink = (name: RepositoryName, digest: Digest): string => `${revision(name, digest)}/link`;

/** Of schema 1, under SHA-256 alone. */
export const signatures = (name: RepositoryName, digest: Digest): string =>
  `${revision(name, digest)}/signatures/sha256`;
export const signatureLink = (name: RepositoryName, digest: Digest, signature: Digest): string =>
  `${signatures(name, digest)}/${encodedOf(signature)}/link`;

export const tags = (name: RepositoryName): string => `${manifests(name)}/tags`;
export const tag = (name: RepositoryName, tagName: Tag | string): string => `${tags(name)}/${tagName}`;
export const tagCurrent = (name: RepositoryName, tagName: Tag | string): string => `${tag(name, tagName)}/current/link`;
export const tagHistory = (name: RepositoryName, tagName: Tag | string): string => `${tag(name, tagName)}/index`;
export const tagIndex = (name: RepositoryName, tagName: Tag | string, digest: Digest): string =>
  `${tagHistory(name, tagName)}/${split(digest)}/link`;

export const untagging = (name: RepositoryName): string => `${repository(name)}/_untagging`;

export const uploads = (name: RepositoryName): string => `${repository(name)}/_uploads`;
export const upload = (name: RepositoryName, id: string): string => `${uploads(name)}/${id}`;
export const uploadData = (name: RepositoryName, id: string): string => `${upload(name, id)}/data`;
export const uploadStartedAt = (name: RepositoryName, id: string): string => `${upload(name, id)}/startedat`;
/** The same date where only Berth can go on: Distribution takes an upload without `startedat` for none. */
export const uploadBegun = (name: RepositoryName, id: string): string => `${upload(name, id)}/begun`;
export const uploadProgress = (name: RepositoryName, id: string): string => `${upload(name, id)}/progress`;

export const referrersRoot = (name: RepositoryName): string => `${repository(name)}/_referrers`;
export const referrers = (name: RepositoryName, subject: Digest): string => `${referrersRoot(name)}/${split(subject)}`;
export const referrer = (name: RepositoryName, subject: Digest, digest: Digest): string =>
  `${referrers(name, subject)}/${algorithmOf(digest)}.${encodedOf(digest)}`;
export const referrersScanned = (name: RepositoryName): string => `${referrersRoot(name)}/scanned`;

/** The digest whose entry in `_referrers/ALG/HEX/` is called so. */
export const referrerDigest = (entry: string): Digest | undefined => parseDigest(entry.replace('.', ':'));
