/** Listings of a container, and what lies in the folder of an upload. */
import type {
  BlobItem,
  ContainerClient,
  ContainerListBlobHierarchySegmentResponse as Hierarchy,
} from '@azure/storage-blob';
import type { Fold, FoldRequest } from './object-list.ts';
import type { Entry } from './store.ts';

/** What the service gives at once, at most. */
const PAGE = 5000;

export interface Flat {
  readonly blobs: readonly BlobItem[];
  readonly next: string | undefined;
}

export interface FlatRequest {
  readonly prefix: string;
  /** Only names from this one on. */
  readonly from: string | undefined;
  readonly limit: number | undefined;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

export interface AzureListings {
  fold(request: FoldRequest & { readonly signal: AbortSignal }): Promise<Fold>;
  flat(request: FlatRequest): Promise<Flat>;
  /** The blobs of one folder, not those below its folders. */
  folder(prefix: string, signal: AbortSignal): Promise<readonly BlobItem[]>;
}

/** In accounts with a hierarchical namespace folders are blobs too, marked by this. */
export const isFolder = (metadata: Readonly<Record<string, string>> | undefined): boolean =>
  metadata?.['hdi_isfolder'] === 'true';

export function createAzureListings(container: ContainerClient): AzureListings {
  const pageOf = (limit: number | undefined, token: string | undefined) => ({
    maxPageSize: Math.min(limit ?? PAGE, PAGE),
    ...(token === undefined ? {} : { continuationToken: token }),
  });
  const startOf = (from: string | undefined) => (from === undefined ? {} : { startFrom: from });

  async function hierarchy(request: FoldRequest & { readonly signal: AbortSignal }): Promise<Hierarchy | undefined> {
    const { prefix, from, limit, token, signal } = request;
    const options = { prefix, ...startOf(from), abortSignal: signal };
    const pages = container.listBlobsByHierarchy('/', options).byPage(pageOf(limit, token));
    const { value } = await pages.next();
    return value;
  }

  return {
    async fold(request) {
      const page = await hierarchy(request);
      const { blobItems = [], blobPrefixes = [] } = page?.segment ?? {};
      const cut = (name: string): string => name.slice(request.prefix.length);
      const objects = blobItems.map(({ name }): [string, Entry] => [name, { name: cut(name), isDirectory: false }]);
      const folders = blobPrefixes.map(({ name }): [string, Entry] => [
        name,
        { name: cut(name).replace(/\/$/, ''), isDirectory: true },
      ]);
      // The service mixes both in the order of names; the SDK hands them over apart.
      const entries = [...objects, ...folders].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
      return { entries, next: page?.continuationToken || undefined };
    },

    async flat({ prefix, from, limit, token, signal }) {
      const options = { prefix, ...startOf(from), abortSignal: signal, includeMetadata: true };
      const { value } = await container.listBlobsFlat(options).byPage(pageOf(limit, token)).next();
      return { blobs: value?.segment.blobItems ?? [], next: value?.continuationToken || undefined };
    },

    async folder(prefix, signal) {
      const page = await hierarchy({ prefix, from: undefined, limit: undefined, token: undefined, signal });
      return page?.segment.blobItems ?? [];
    },
  };
}
