/** Large trees in a bucket, laid out as plain files below the gateway: pushing them would take an hour. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bucketAccess, type Server } from './servers.ts';

export const repositories = 10_000;
export const tags = 1000;
export const taggedRepository = 'bench/tags';

export const repositoryName = (at: number): string => `catalog/r${String(at).padStart(5, '0')}`;
export const tagName = (at: number): string => `v${String(at).padStart(4, '0')}`;

/** As many repositories with one revision each, and one repository with as many tags, for the registry at `rootdirectory`. */
export async function seedTrees(gateway: Server, rootdirectory: string): Promise<void> {
  const root = join(gateway.folder, bucketAccess.bucket, rootdirectory, 'docker/registry/v2/repositories');
  const hex = createHash('sha256').update('bench').digest('hex');
  const link = async (path: string): Promise<void> => {
    const file = join(root, path, 'link');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `sha256:${hex}`);
  };
  for (let at = 0; at < repositories; at++) await link(`${repositoryName(at)}/_manifests/revisions/sha256/${hex}`);
  for (let at = 0; at < tags; at++) await link(`${taggedRepository}/_manifests/tags/${tagName(at)}/current`);
  await link(`${taggedRepository}/_manifests/revisions/sha256/${hex}`);
}
