/** The rows of the S3 table: large blobs beside the SDK's own transfer, listings of large trees, small requests. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { Pool } from 'undici';
import { createClient, digestOf, manifestType, randomBlob, type randomImage } from './client.ts';
import type { Row } from './compare.ts';
import { get, push } from './rows.ts';
import { repositories, repositoryName, taggedRepository, tagName } from './s3-seed.ts';
import { bucketAccess, type Server } from './servers.ts';

const MIB = 1024 * 1024;
const registries = ['berth', 'distribution'];
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const deadline = { headersTimeout: 600_000, bodyTimeout: 600_000 };

interface Large {
  readonly size: number;
  readonly digest: string;
  /** Its bytes, a mebibyte at a time. */
  readonly source: () => Readable;
}

/** Content that differs from call to call and costs nothing to make again. */
function largeBlob(mebibytes: number): Large {
  const block = randomBlob(MIB);
  const hash = createHash('sha256');
  for (let at = 0; at < mebibytes; at++) hash.update(block);
  const source = () => Readable.from(Array.from({ length: mebibytes }, () => block));
  return { size: mebibytes * MIB, digest: `sha256:${hash.digest('hex')}`, source };
}

async function pushLarge({ url }: Server, { size, digest, source }: Large): Promise<void> {
  const pool = new Pool(url, deadline);
  const opened = await pool.request({ method: 'POST', path: '/v2/bench/large/blobs/uploads/' });
  await opened.body.dump();
  const location = new URL(String(opened.headers['location']), url);
  location.searchParams.set('digest', digest);
  const headers = { 'content-length': String(size), 'content-type': 'application/octet-stream' };
  const path = location.pathname + location.search;
  const answer = await pool.request({ method: 'PUT', path, headers, body: source() });
  const text = await answer.body.text();
  if (answer.statusCode !== 201) throw new Error(`PUT answered ${answer.statusCode} ${text.slice(0, 200)}`);
  await pool.close();
}

async function drain(url: string, size: number): Promise<void> {
  const { origin, pathname, search } = new URL(url);
  const pool = new Pool(origin, deadline);
  const { statusCode, body } = await pool.request({ method: 'GET', path: pathname + search });
  let bytes = 0;
  for await (const chunk of body) bytes += (chunk as Buffer).length;
  await pool.close();
  if (statusCode !== 200 || bytes !== size) throw new Error(`GET ${pathname}: ${statusCode}, ${bytes} bytes`);
}

/** One transfer a time, whatever the seconds; the unit is a GiB. */
async function timed(mebibytes: number, work: () => Promise<void>) {
  const begin = performance.now();
  await work();
  const units = mebibytes / 1024;
  return { rate: units / ((performance.now() - begin) / 1000), units };
}

function largeRows(mebibytes: number, s3: S3Client): readonly Row[] {
  const kept = new Map<string, Large>();
  const key = 'sdk/large';
  const bySdk = async ({ source }: Large): Promise<void> => {
    const upload = new Upload({
      client: s3,
      params: { Bucket: bucketAccess.bucket, Key: key, Body: source() },
      partSize: 10 * MIB,
      queueSize: 4,
    });
    await upload.done();
  };
  const size = `${mebibytes} MiB`;
  return [
    {
      name: `push ${size}, GiB`,
      connections: 1,
      expected: 0.77,
      takes: [...registries, 'sdk'],
      peers: ['sdk'],
      async run(server) {
        const blob = largeBlob(mebibytes);
        kept.set(server.name, blob);
        return await timed(mebibytes, () => (server.name === 'sdk' ? bySdk(blob) : pushLarge(server, blob)));
      },
    },
    {
      name: `pull ${size}, GiB`,
      connections: 1,
      expected: 0.5,
      takes: [...registries, 'sdk'],
      peers: ['sdk'],
      async run(server) {
        const blob = kept.get(server.name);
        if (blob === undefined) throw new Error('a pull needs the push before it');
        const plain = () =>
          getSignedUrl(s3, new GetObjectCommand({ Bucket: bucketAccess.bucket, Key: key }), { expiresIn: 3600 });
        const url = server.name === 'sdk' ? await plain() : `${server.url}/v2/bench/large/blobs/${blob.digest}`;
        return await timed(mebibytes, () => drain(url, blob.size));
      },
    },
  ];
}

const layersPerManifest = 40;

/** Each manifest is a new one; its layers are there, and have to be looked for one by one. */
function manyLayersRow(): Row {
  const layers = Array.from({ length: layersPerManifest }, (_, at) => Buffer.from(`layer ${at}`));
  const descriptors = layers.map((bytes) => ({ mediaType: layerType, digest: digestOf(bytes), size: bytes.length }));
  const repository = 'bench/layers';
  const filled = new Set<string>();
  let pushed = 0;
  return {
    name: `manifest PUT with ${layersPerManifest} layers`,
    connections: 1,
    expected: 1,
    takes: registries,
    peers: ['distribution'],
    async run({ name, url }, seconds) {
      const client = createClient(url, 1);
      for (const bytes of filled.has(name) ? [] : layers) await client.pushBlob(repository, digestOf(bytes), bytes);
      filled.add(name);
      const begin = performance.now();
      let units = 0;
      for (; performance.now() - begin < seconds * 1000; units++) {
        const annotations = { 'org.opencontainers.image.version': String(pushed++) };
        const manifest = {
          schemaVersion: 2,
          mediaType: manifestType,
          config: descriptors[0],
          layers: descriptors,
          annotations,
        };
        await client.pushManifest(repository, 'latest', Buffer.from(JSON.stringify(manifest)));
      }
      const rate = units / ((performance.now() - begin) / 1000);
      await client.close();
      return { rate, units };
    },
  };
}

/** All rows. `image` was pushed to `bench/pull:latest` of both registries. */
export function s3Rows(
  mebibytes: number,
  s3: S3Client,
  image: ReturnType<typeof randomImage>,
  wrk: string,
): readonly Row[] {
  const sides = { takes: registries, peers: ['distribution'] };
  const asked = (name: string, connections: number, path: string): Row => ({
    ...get(name, connections, 1, { path, accept: 'application/vnd.oci.image.manifest.v1+json' }, wrk),
    ...sides,
  });
  const middle = repositoryName(repositories / 2);
  const tagList = `/v2/${taggedRepository}/tags/list`;
  return [
    ...largeRows(mebibytes, s3),
    asked('manifest GET by tag', 16, '/v2/bench/pull/manifests/latest'),
    asked('blob GET, a configuration', 16, `/v2/bench/pull/blobs/${image.blobs[0]?.digest}`),
    asked('catalog, 100 of 10,000', 1, '/v2/_catalog?n=100'),
    asked('catalog, 100 from the middle', 1, `/v2/_catalog?n=100&last=${middle}`),
    asked('tags, 1000 of 1000', 1, tagList),
    asked('tags, 100 from the middle', 1, `${tagList}?n=100&last=${tagName(500)}`),
    manyLayersRow(),
    { ...push('push 4 KiB image', 4096, 1), ...sides },
    { ...push('push 16 MiB image', 16 * MIB, 1), ...sides },
  ];
}
