/** Pushes over kept connections: a POST and a PUT for each blob, then the manifest, as most clients do. */
import { createHash, randomFillSync } from 'node:crypto';
import { Pool } from 'undici';

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';

export const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Random content that costs little to make: a shared block, different in its first bytes. */
export function randomBlob(size: number): Buffer {
  const blob = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at += block.length) block.copy(blob, at);
  randomFillSync(blob, 0, Math.min(32, size));
  return blob;
}
const block = randomFillSync(Buffer.allocUnsafe(1024 * 1024));

export interface Image {
  readonly blobs: readonly { readonly digest: string; readonly bytes: Buffer }[];
  readonly manifest: Buffer;
}

/** One layer of `size` bytes and a small configuration. */
export function randomImage(size: number): Image {
  const layer = randomBlob(size);
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', layer: digestOf(layer) }));
  const blobs = [config, layer].map((bytes) => ({ digest: digestOf(bytes), bytes }));
  const [first, second] = blobs.map(({ digest, bytes }) => ({ digest, size: bytes.length }));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...first },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...second }],
    }),
  );
  return { blobs, manifest };
}

export interface Client {
  pushBlob(name: string, digest: string, bytes: Buffer): Promise<void>;
  pushManifest(name: string, reference: string, manifest: Buffer): Promise<void>;
  pushImage(name: string, tag: string, image: Image): Promise<void>;
  close(): Promise<void>;
}

export function createClient(url: string, connections: number): Client {
  const pool = new Pool(url, { connections, pipelining: 1 });

  async function send(method: 'POST' | 'PUT', path: string, expected: number, body?: Buffer, type?: string) {
    const headers = { 'content-type': type ?? 'application/octet-stream', 'content-length': String(body?.length ?? 0) };
    const answer = await pool.request({ method, path, body: body ?? null, headers });
    const text = await answer.body.text();
    if (answer.statusCode !== expected)
      throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 200)}`);
    return answer.headers;
  }

  async function pushBlob(name: string, digest: string, bytes: Buffer): Promise<void> {
    const opened = await send('POST', `/v2/${name}/blobs/uploads/`, 202);
    const location = new URL(String(opened['location']), url);
    location.searchParams.set('digest', digest);
    await send('PUT', location.pathname + location.search, 201, bytes);
  }

  async function pushManifest(name: string, reference: string, manifest: Buffer): Promise<void> {
    await send('PUT', `/v2/${name}/manifests/${reference}`, 201, manifest, manifestType);
  }

  return {
    pushBlob,
    pushManifest,
    async pushImage(name, tag, { blobs, manifest }) {
      for (const { digest, bytes } of blobs) await pushBlob(name, digest, bytes);
      await pushManifest(name, tag, manifest);
    },
    close: () => pool.close(),
  };
}
