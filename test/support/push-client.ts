/** A compact client of registries: blobs pushed in every way that the specification knows, manifests, listings. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Agent, type Dispatcher } from 'undici';

export const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const;

const everyType = Object.values(types).join(', ');

export type Algorithm = 'sha256' | 'sha384' | 'sha512';

export const digestOf = (bytes: Uint8Array, algorithm: Algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;

/**
 * `post-put`: POST, then PUT with everything. `post-patch-put`: one PATCH and an empty PUT. `chunks`: several PATCHes with
 * Content-Range, the last bytes with the PUT. `stream`: one PATCH of unknown length. `post`: everything in the POST.
 */
export const ways = ['post-put', 'post-patch-put', 'chunks', 'stream', 'post'] as const;
export type Way = (typeof ways)[number];

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface PushedManifest {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** The server answered, but not what was expected. */
export class UnexpectedStatus extends Error {
  override readonly name = 'UnexpectedStatus';
  readonly reply: Reply;

  constructor(what: string, reply: Reply) {
    super(`${what} answered ${reply.status}: ${reply.body.toString('utf8').slice(0, 500)}`);
    this.reply = reply;
  }
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | Readable | undefined;
}

export interface PushClient {
  readonly url: string;
  /** One request, `path` from `/v2/` on or a whole URL. Any status is an answer; only a broken connection is thrown. */
  send(method: Dispatcher.HttpMethod, path: string, options?: SendOptions): Promise<Reply>;
  /** The same; another status than one of `statuses` is thrown. */
  expect(
    statuses: number | readonly number[],
    method: Dispatcher.HttpMethod,
    path: string,
    options?: SendOptions,
  ): Promise<Reply>;
  /** Resolves with the upload's URL. */
  beginUpload(name: string): Promise<string>;
  /** PATCH at an offset; resolves with the URL to go on at. */
  append(location: string, bytes: Buffer, offset?: number): Promise<string>;
  finishUpload(location: string, digest: string, bytes?: Buffer): Promise<Reply>;
  /** Resolves with the digest. */
  pushBlob(name: string, bytes: Buffer, way?: Way, algorithm?: Algorithm): Promise<string>;
  pushManifest(name: string, reference: string, manifest: object, mediaType?: string): Promise<PushedManifest>;
  /** An image of these layers, under a tag, or by digest without one. */
  pushImage(name: string, tag: string | undefined, layers: readonly Buffer[], way?: Way): Promise<PushedManifest>;
  /** Throws unless the bytes are those of the digest. */
  pullBlob(name: string, digest: string): Promise<Buffer>;
  pullManifest(name: string, reference: string): Promise<PushedManifest>;
  tags(name: string): Promise<readonly string[]>;
  catalog(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * `connections`: how many at once. Requests have a deadline of their own, two minutes without a byte. `replicas`: further
 * servers of the same content; each request goes to the next of all, whatever host a Location names.
 */
export function createPushClient(
  url: string,
  { connections = 16, replicas = [] }: { connections?: number; replicas?: readonly string[] } = {},
): PushClient {
  const origins = [url, ...replicas];
  let turn = 0;
  const agent = new Agent({ connections, headersTimeout: 120_000, bodyTimeout: 120_000, pipelining: 1 });

  async function send(method: Dispatcher.HttpMethod, path: string, options: SendOptions = {}): Promise<Reply> {
    const target = new URL(path, url);
    const response = await agent.request({
      origin: replicas.length === 0 ? target.origin : (origins[turn++ % origins.length] ?? url),
      path: target.pathname + target.search,
      method,
      headers: { ...options.headers },
      body: options.body ?? null,
    });
    const body = Buffer.from(await response.body.arrayBuffer());
    const headers = Object.fromEntries(
      Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
    );
    return { status: response.statusCode, headers, body };
  }

  const client: PushClient = {
    url,
    send,
    async expect(statuses, method, path, options) {
      const reply = await send(method, path, options);
      if (![statuses].flat().includes(reply.status)) throw new UnexpectedStatus(`${method} ${path}`, reply);
      return reply;
    },
    beginUpload: async (name) => locationOf(await client.expect(202, 'POST', `/v2/${name}/blobs/uploads/`)),
    async append(location, bytes, offset) {
      const range = offset === undefined ? {} : { 'content-range': `${offset}-${offset + bytes.length - 1}` };
      return locationOf(await client.expect(202, 'PATCH', location, { headers: { ...octets, ...range }, body: bytes }));
    },
    finishUpload: (location, digest, bytes) =>
      client.expect(201, 'PUT', withQuery(location, 'digest', digest), {
        headers: octets,
        body: bytes ?? Buffer.alloc(0),
      }),
    async pushBlob(name, bytes, way = 'post-put', algorithm = 'sha256') {
      const digest = digestOf(bytes, algorithm);
      await pushes[way](client, name, bytes, digest);
      return digest;
    },
    async pushManifest(name, reference, manifest, mediaType = types.manifest) {
      const bytes = Buffer.from(JSON.stringify(manifest));
      const algorithm = reference.startsWith('sha512:') ? 'sha512' : 'sha256';
      const headers = { 'content-type': mediaType };
      await client.expect(201, 'PUT', `/v2/${name}/manifests/${reference}`, { headers, body: bytes });
      return { digest: digestOf(bytes, algorithm), bytes, mediaType };
    },
    async pushImage(name, tag, layers, way) {
      const config = Buffer.from(
        JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
        }),
      );
      const descriptors = await Promise.all(
        [config, ...layers].map(async (bytes) => ({
          digest: await client.pushBlob(name, bytes, way),
          size: bytes.length,
        })),
      );
      const manifest = imageManifest(descriptors[0] as { digest: string; size: number }, descriptors.slice(1));
      return client.pushManifest(name, tag ?? digestOf(Buffer.from(JSON.stringify(manifest))), manifest);
    },
    async pullBlob(name, digest) {
      const { body } = await client.expect(200, 'GET', `/v2/${name}/blobs/${digest}`);
      if (digestOf(body, digest.split(':')[0] as Algorithm) !== digest) {
        throw new Error(`${name}: blob ${digest} came back with other bytes (${body.length})`);
      }
      return body;
    },
    async pullManifest(name, reference) {
      const accept = { accept: everyType };
      const { body, headers } = await client.expect(200, 'GET', `/v2/${name}/manifests/${reference}`, {
        headers: accept,
      });
      const digest = headers['docker-content-digest'] ?? '';
      if (digestOf(body, digest.split(':')[0] as Algorithm) !== digest) {
        throw new Error(`${name}: manifest ${reference} came back with bytes that are not ${digest}`);
      }
      return { digest, bytes: body, mediaType: headers['content-type'] ?? '' };
    },
    async tags(name) {
      const { body } = await client.expect(200, 'GET', `/v2/${name}/tags/list`);
      return (JSON.parse(body.toString()) as { tags: string[] | null }).tags ?? [];
    },
    async catalog() {
      const { body } = await client.expect(200, 'GET', '/v2/_catalog?n=1000');
      return (JSON.parse(body.toString()) as { repositories: string[] | null }).repositories ?? [];
    },
    close: () => agent.destroy(),
  };
  return client;
}

/** An OCI image manifest; layers and config as far as a registry looks at them. */
export function imageManifest(
  config: { readonly digest: string; readonly size: number },
  layers: readonly { readonly digest: string; readonly size: number }[],
  more: object = {},
): object {
  return {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: layers.map((layer) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer })),
    ...more,
  };
}

const octets = { 'content-type': 'application/octet-stream' };

const locationOf = (reply: Reply): string => reply.headers['location'] ?? '';

export const withQuery = (location: string, key: string, value: string): string =>
  `${location}${location.includes('?') ? '&' : '?'}${key}=${encodeURIComponent(value)}`;

type Push = (client: PushClient, name: string, bytes: Buffer, digest: string) => Promise<unknown>;

const pushes: Readonly<Record<Way, Push>> = {
  async 'post-put'(client, name, bytes, digest) {
    await client.finishUpload(await client.beginUpload(name), digest, bytes);
  },
  async 'post-patch-put'(client, name, bytes, digest) {
    const location = await client.beginUpload(name);
    await client.finishUpload(bytes.length === 0 ? location : await client.append(location, bytes), digest);
  },
  async chunks(client, name, bytes, digest) {
    let location = await client.beginUpload(name);
    const step = Math.max(1, Math.ceil(bytes.length / 4));
    let offset = 0;
    for (; offset + step < bytes.length; offset += step) {
      location = await client.append(location, bytes.subarray(offset, offset + step), offset);
    }
    await client.finishUpload(location, digest, bytes.subarray(offset));
  },
  async stream(client, name, bytes, digest) {
    const location = await client.beginUpload(name);
    const body = Readable.from(piecesOf(bytes, 50_000), { objectMode: false });
    const reply = await client.expect(202, 'PATCH', location, { headers: octets, body });
    await client.finishUpload(locationOf(reply), digest);
  },
  async post(client, name, bytes, digest) {
    const target = `/v2/${name}/blobs/uploads/?digest=${encodeURIComponent(digest)}`;
    const reply = await client.expect([201, 202], 'POST', target, { headers: octets, body: bytes });
    // A registry may treat it as an ordinary POST ("Single POST").
    if (reply.status === 202) await client.finishUpload(locationOf(reply), digest, bytes);
  },
};

function* piecesOf(bytes: Buffer, size: number): Generator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}
