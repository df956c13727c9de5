/** Listings of a bucket: folded at slashes for directories, flat for everything below one. */
import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { ObjectKeys } from './object-keys.ts';
import { type FoldCall, listFolded } from './object-list.ts';
import type { Calls } from './s3-calls.ts';
import type { Cancellable, ListOptions, Page, Stat, WalkOptions, WalkPage } from './store.ts';

/** The most that S3 lists at once. */
const MOST = 1000;

export interface Listing {
  readonly key: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

export interface Listings {
  list(path: string, options: ListOptions | undefined): Promise<Page | undefined>;
  walk(path: string, options: WalkOptions | undefined): Promise<WalkPage>;
  /** One flat page of the keys that begin so. `after`: only those behind this one. */
  keys(prefix: string, options: KeysOptions): Promise<{ readonly found: readonly Listing[]; readonly more: boolean }>;
  /** The objects directly in a folder, given with its slash, and whether anything lies deeper; at most one page. */
  folder(prefix: string, options: Cancellable): Promise<readonly Listing[]>;
}

export interface KeysOptions extends Cancellable {
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

interface Request extends KeysOptions {
  readonly prefix: string;
  readonly folded?: boolean;
  readonly token?: string | undefined;
}

export function createListings(calls: Calls, keys: ObjectKeys): Listings {
  function request({ prefix, folded, after, token, limit, signal }: Request): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command({
      Bucket: calls.bucket,
      Prefix: prefix,
      ...(folded && { Delimiter: '/' }),
      ...(token !== undefined ? { ContinuationToken: token } : after !== undefined && { StartAfter: after }),
      MaxKeys: Math.min(MOST, Math.max(1, limit ?? MOST)),
    });
    return calls.run((http) => calls.client.send(command, http), { path: keys.path(prefix), signal });
  }

  const fold: FoldCall = async ({ prefix, from, limit, token, signal }) => {
    const answer = await request({ prefix, after: from, limit, token, signal, folded: true });
    const objects = (answer.Contents ?? []).map(({ Key = '' }) => ({
      name: Key.slice(prefix.length),
      isDirectory: false,
    }));
    const folders = (answer.CommonPrefixes ?? []).map(({ Prefix = '' }) => ({
      name: Prefix.slice(prefix.length, -1),
      isDirectory: true,
    }));
    const position = ({ name, isDirectory }: { name: string; isDirectory: boolean }) =>
      isDirectory ? `${name}/` : name;
    const entries = [...objects, ...folders].sort((a, b) => (position(a) < position(b) ? -1 : 1));
    return { entries, next: answer.IsTruncated === true ? answer.NextContinuationToken : undefined };
  };

  async function flat(prefix: string, options: KeysOptions) {
    const answer = await request({ prefix, ...options });
    const found = (answer.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
      key: Key,
      size: Size,
      modified: LastModified?.getTime() ?? 0,
    }));
    return { found, more: answer.IsTruncated === true };
  }

  return {
    async list(path, options) {
      const page = await listFolded(fold, keys.below(path), options);
      return page ?? (path === '/' ? { entries: [], more: false, version: undefined } : undefined);
    },

    async walk(path, options) {
      const { after, limit, signal } = options ?? {};
      const prefix = keys.below(path);
      const base = keys.below('/');
      const { found, more } = await flat(prefix, { after: after && base + after.slice(1), limit, signal });
      const objects = found.filter(({ key }) => !key.endsWith('/')).map((listing) => statOf(keys, listing));
      return { objects, more };
    },

    keys: flat,

    async folder(prefix, options) {
      const answer = await request({ prefix, folded: true, ...options });
      return (answer.Contents ?? [])
        .map(({ Key = '', Size = 0, LastModified }) => ({
          key: Key,
          size: Size,
          modified: LastModified?.getTime() ?? 0,
        }))
        .filter(({ key }) => key !== prefix);
    },
  };
}

function statOf(keys: ObjectKeys, { key, size, modified }: Listing): Stat {
  return { path: keys.path(key), size, modified, isDirectory: false };
}
