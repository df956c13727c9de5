import type { Client, Request } from './client.ts';
import { Declined, expectContent, expectHeader, expectStatus, locationOf } from './expect.ts';
import { type Answer, appendQuery, rewriteQuery } from './http.ts';
import type { Content, Manifest } from './images.ts';
import { types } from './images.ts';

/** A part of a request, without its method and URL. */
export type With = Omit<Request, 'method' | 'url'>;

/** A repository of the registry under test, and the steps that most tests are made of. */
export interface Repository {
  readonly name: string;
  /** The absolute URL of `/v2/<name>/<path>`; the path is taken as it stands. */
  url(path: string): string;
  /** @param path below the repository, or an absolute URL such as a `Location` */
  send(method: string, path: string, request?: With): Promise<Answer>;
  get(path: string, headers?: Request['headers']): Promise<Answer>;
  head(path: string, headers?: Request['headers']): Promise<Answer>;
  delete(path: string): Promise<Answer>;
  /** Opens an upload (clause B2) and gives the `Location` of it, as a client rewrites it. */
  open(query?: Readonly<Record<string, string>>): Promise<string>;
  /** Closes an upload with the rest of the blob, which may be nothing. */
  close(location: string, digest: string, rest?: Buffer, headers?: Request['headers']): Promise<Answer>;
  /** A chunk at this offset; its `Content-Range` is made from offset and length. */
  patch(location: string, offset: number, chunk: Buffer): Promise<Answer>;
  /** PUT of a manifest in chunked transfer encoding; the type is the manifest's own unless given. */
  putManifest(reference: string, manifest: Content, headers?: Request['headers']): Promise<Answer>;
  /** Pushes a blob by POST and PUT, and fails if that fails. */
  pushBlob(blob: Content): Promise<void>;
  /** Pushes a manifest after everything below it, by digest and then by each tag. */
  push(manifest: Manifest, ...tags: readonly string[]): Promise<void>;
}

export const octets = { 'content-type': 'application/octet-stream' };

/** What a client sends that understands OCI manifests only: two header lines and no wildcard. */
export const accept = { accept: [types.index, types.image] };

export function createRepository(client: Client, base: string, name: string): Repository {
  const url = (path: string) => (/^https?:\/\//.test(path) ? path : `${base}/v2/${name}/${path}`);
  const send = (method: string, path: string, request: With = {}) =>
    client.send({ method, url: url(path), ...request });

  const repository: Repository = {
    name,
    url,
    send,
    get: (path, headers = path.startsWith('manifests/') ? accept : {}) => send('GET', path, { headers }),
    head: (path, headers = path.startsWith('manifests/') ? accept : {}) => send('HEAD', path, { headers }),
    delete: (path) => send('DELETE', path),
    async open(query = {}) {
      const path = Object.keys(query).length === 0 ? 'blobs/uploads/' : appendQuery('blobs/uploads/', query);
      const answer = await send('POST', path);
      expectStatus(answer, 202);
      return rewriteQuery(locationOf(answer));
    },
    close: (location, digest, rest = Buffer.alloc(0), headers = {}) =>
      send('PUT', appendQuery(location, { digest }), { body: rest, headers: { ...octets, ...headers } }),
    patch: (location, offset, chunk) =>
      send('PATCH', location, {
        body: chunk,
        headers: { ...octets, 'content-range': `${offset}-${offset + chunk.length - 1}` },
      }),
    putManifest: (reference, manifest, headers = { 'content-type': manifest.descriptor.mediaType }) =>
      send('PUT', `manifests/${reference}`, { body: manifest.bytes, framing: 'chunked', headers }),
    async pushBlob(blob) {
      const location = await repository.open();
      const answer = await repository.close(location, blob.descriptor.digest, blob.bytes);
      expectStatus(answer, 201);
    },
    async push(manifest, ...tags) {
      for (const child of manifest.children) await repository.push(child);
      for (const blob of manifest.blobs) await repository.pushBlob(blob);
      for (const reference of [manifest.descriptor.digest, ...tags]) {
        expectStatus(await repository.putManifest(reference, manifest), 201);
      }
    },
  };
  return repository;
}

/** The `Location` of a 201 leads to the pushed bytes (clauses B3, M1). */
export async function expectPullable(repository: Repository, pushed: Answer, pushedContent: Content): Promise<void> {
  expectStatus(pushed, 201);
  const manifest = /\/manifests\//.test(pushed.request.url);
  const answer = await repository.get(locationOf(pushed), manifest ? accept : {});
  expectContent(answer, pushedContent.bytes, pushedContent.descriptor.digest);
  if (manifest) expectHeader(answer, 'content-type', pushedContent.descriptor.mediaType);
}

/** Nothing is readable under the digest (the "no leftovers" of a refused push). */
export async function expectAbsent(repository: Repository, path: string): Promise<void> {
  expectStatus(await repository.head(path), 404);
  expectStatus(await repository.get(path), 404);
}

/** Ends the test as skipped when the answer is one that the specification knows as "not supported". */
export function declineIf(answer: Answer, status: number | readonly number[], feature: string): void {
  if ([status].flat().includes(answer.status))
    throw new Declined(`${feature}: answered ${answer.status}, not supported`);
}

/** What DELETE answers where it is not supported: 405, and for manifests and tags also 400. */
export const refusesDelete = (path: string): readonly number[] => (path.startsWith('blobs/') ? [405] : [400, 405]);
