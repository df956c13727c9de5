/** The rows of the table: what is asked, over how many connections, and what is expected against the better peer. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createClient, digestOf, randomImage } from './client.ts';
import type { Row } from './compare.ts';
import { headLoad } from './head.ts';
import type { Content } from './seed.ts';

/** What the figures are held against, and what serves the same content as plain files. */
const peers = ['docker-registry', 'distribution'];
const registries = ['berth', ...peers];

const execute = promisify(execFile);

export interface Get {
  readonly path: string;
  readonly method?: 'GET' | 'HEAD';
  readonly accept?: string;
}

export function get(name: string, connections: number, expected: number, asked: Get, wrk: string): Row {
  return {
    name,
    connections,
    expected,
    takes: [...registries, 'nginx'],
    peers,
    async run({ url, name: server }, seconds) {
      const accept = `Accept: ${asked.accept ?? '*/*'}`;
      if (asked.method === 'HEAD') {
        const units = await headLoad(`${url}${asked.path}`, [accept], connections, seconds);
        return { rate: units / seconds, units };
      }
      const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-H', accept, `${url}${asked.path}`];
      const { stdout } = await execute(wrk, args);
      const [, units = '0'] = /(\d+) requests in/.exec(stdout) ?? [];
      const [, rate = '0'] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? [];
      if (/Non-2xx/.test(stdout) || Number(units) === 0) throw new Error(`${server}, ${name}: ${stdout}`);
      return { rate: Number(rate), units: Number(units) };
    },
  };
}

let repository = 0;

export function push(name: string, size: number, expected: number): Row {
  const connections = 4;
  return {
    name,
    connections,
    expected,
    takes: registries,
    peers,
    async run({ url }, seconds) {
      const client = createClient(url, connections);
      const begin = performance.now();
      const end = begin + seconds * 1000;
      let units = 0;
      const worker = async (): Promise<void> => {
        while (performance.now() < end) {
          await client.pushImage(`push/r${repository++}`, 'latest', randomImage(size));
          units++;
        }
      };
      await Promise.all(Array.from({ length: connections }, worker));
      const rate = units / ((performance.now() - begin) / 1000);
      await client.close();
      return { rate, units };
    },
  };
}

export function rows({ blobs, image }: Content, wrk: string): readonly Row[] {
  const blob = (size: keyof Content['blobs']): string => `/v2/bench/pull/blobs/${digestOf(blobs[size])}`;
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const byTag = { path: '/v2/bench/pull/manifests/latest', accept };
  const byDigest = { path: `/v2/bench/pull/manifests/${digestOf(image.manifest)}`, accept };
  const head = { method: 'HEAD' } as const;
  const both = (name: string, expected: number, asked: Get, many = 16): readonly Row[] => [
    get(name, 1, 1, asked, wrk),
    get(name, many, expected, asked, wrk),
  ];
  return [
    ...both('manifest GET by tag', 3, byTag),
    ...both('manifest GET by digest', 3, byDigest),
    ...both('manifest HEAD by tag', 3, { ...byTag, ...head }),
    ...both('manifest HEAD by digest', 3, { ...byDigest, ...head }),
    ...both('blob HEAD', 3, { path: blob('1M'), ...head }),
    ...both('blob GET 1 kB', 8, { path: blob('1k') }),
    ...both('blob GET 10 kB', 8, { path: blob('10k') }),
    ...both('blob GET 1 MiB', 2, { path: blob('1M') }, 4),
    get('blob GET 100 MiB', 1, 1, { path: blob('100M') }, wrk),
    ...both('tags list of 1000', 5, { path: '/v2/bench/tags/tags/list' }),
    ...both('catalog 1000 of 2000', 10, { path: '/v2/_catalog?n=1000' }, 4),
    push('push 4 KiB image', 4096, 1),
    push('push 1 MiB image', 1 << 20, 1.2),
    push('push 16 MiB image', 16 << 20, 1),
  ];
}
