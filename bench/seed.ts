/** The same content in every registry, and as plain files for nginx. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Client, createClient, digestOf, randomBlob, randomImage } from './client.ts';
import type { Server } from './servers.ts';

export interface Content {
  readonly blobs: Readonly<Record<'1k' | '10k' | '1M' | '100M', Buffer>>;
  readonly image: ReturnType<typeof randomImage>;
}

export const repositories = 2000;
export const tags = 1000;

export function makeContent(): Content {
  return {
    blobs: {
      '1k': randomBlob(1024),
      '10k': randomBlob(10_240),
      '1M': randomBlob(1 << 20),
      '100M': randomBlob(100 << 20),
    },
    image: randomImage(4096),
  };
}

const repositoryName = (at: number): string => `catalog/r${String(at).padStart(4, '0')}`;
const tagName = (at: number): string => `v${String(at).padStart(4, '0')}`;

export async function seed({ url, name }: Server, { blobs, image }: Content): Promise<void> {
  const client = createClient(url, 4);
  for (const bytes of Object.values(blobs)) await client.pushBlob('bench/pull', digestOf(bytes), bytes);
  await client.pushImage('bench/pull', 'latest', image);
  await each(tags, (at) => (at === 0 ? client.pushImage('bench/tags', tagName(0), image) : Promise.resolve()));
  await each(tags, (at) => client.pushManifest('bench/tags', tagName(at), image.manifest));
  await each(repositories, (at) => pushByMount(client, url, repositoryName(at), image));
  await client.close();
  process.stderr.write(`seeded ${name}\n`);
}

async function pushByMount(client: Client, url: string, name: string, image: Content['image']): Promise<void> {
  for (const { digest } of image.blobs) {
    const mount = `${url}/v2/${name}/blobs/uploads/?mount=${digest}&from=bench/pull`;
    const answer = await fetch(mount, { method: 'POST' });
    await answer.arrayBuffer();
    if (answer.status !== 201) throw new Error(`mount answered ${answer.status}`);
  }
  await client.pushManifest(name, 'latest', image.manifest);
}

async function each(count: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) await work(at);
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}

/** The answers' bodies as files: what a web server alone would do with them. */
export async function layOut({ folder }: Server, { blobs, image }: Content): Promise<void> {
  const file = async (path: string, bytes: Buffer | string): Promise<void> => {
    const target = join(folder, 'v2', path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
  };
  for (const bytes of Object.values(blobs)) await file(`bench/pull/blobs/${digestOf(bytes)}`, bytes);
  await file('bench/pull/manifests/latest', image.manifest);
  await file(`bench/pull/manifests/${digestOf(image.manifest)}`, image.manifest);
  const names = Array.from({ length: tags }, (_, at) => tagName(at));
  await file('bench/tags/tags/list', JSON.stringify({ name: 'bench/tags', tags: names }));
  const page = Array.from({ length: 1000 }, (_, at) => repositoryName(at));
  await file('_catalog', JSON.stringify({ repositories: page }));
}
