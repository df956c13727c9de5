/** Pushes and pulls a one-layer image over plain HTTP, the way any client does. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const timeout = 30_000;

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function request(url: string, init: RequestInit, expected: number): Promise<Response> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeout) });
  if (response.status !== expected) {
    throw new Error(
      `${init.method ?? 'GET'} ${url} answered ${response.status}: ${(await response.text()).slice(0, 300)}`,
    );
  }
  return response;
}

async function pushBlob(base: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const opened = await request(`${base}/blobs/uploads/`, { method: 'POST' }, 202);
  const location = new URL(opened.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digestOf(bytes));
  const headers = { 'content-type': 'application/octet-stream' };
  await request(location.href, { method: 'PUT', body: bytes, headers }, 201);
  return digestOf(bytes);
}

/** Resolves with the manifest's digest. */
export async function push(registry: string, name: string, tag: string): Promise<string> {
  const base = `${registry}/v2/${name}`;
  const content = new Uint8Array(tarOf('hello.txt', 'Hello from Berth.\n'));
  const layer = new Uint8Array(gzipSync(content));
  const config = new TextEncoder().encode(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(content)] },
    }),
  );
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: await pushBlob(base, config),
      size: config.length,
    },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: await pushBlob(base, layer),
        size: layer.length,
      },
    ],
  });
  const init = { method: 'PUT', body: manifest, headers: { 'content-type': manifestType } };
  const response = await request(`${base}/manifests/${tag}`, init, 201);
  return response.headers.get('docker-content-digest') ?? '';
}

/** Resolves with the bytes that were read; throws if any of them differs from its digest. */
export async function pull(registry: string, name: string, tag: string): Promise<number> {
  const base = `${registry}/v2/${name}`;
  const response = await request(`${base}/manifests/${tag}`, { headers: { accept: manifestType } }, 200);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (digestOf(bytes) !== response.headers.get('docker-content-digest'))
    throw new Error('the manifest came back changed');
  const manifest = JSON.parse(new TextDecoder().decode(bytes)) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  let total = bytes.length;
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    const blob = new Uint8Array(await (await request(`${base}/blobs/${digest}`, {}, 200)).arrayBuffer());
    if (digestOf(blob) !== digest) throw new Error(`${digest} came back changed`);
    total += blob.length;
  }
  return total;
}

/** A tar archive of one file (POSIX ustar: a header of 512 bytes, padded content, two empty blocks). */
function tarOf(name: string, content: string): Buffer {
  const header = Buffer.alloc(512);
  const field = (text: string, at: number): number => header.write(text, at, 'latin1');
  field(name, 0);
  field('0000644\0', 100);
  field('0000000\0', 108);
  field('0000000\0', 116);
  field(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  field('00000000000\0', 136);
  field('        0', 148);
  field('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  field(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, Buffer.from(content.padEnd(512, '\0')), Buffer.alloc(1024)]);
}
