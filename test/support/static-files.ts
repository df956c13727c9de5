import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import type { Cleanup } from './registry-process.ts';

/** Stands for a CDN in front of a store: GET of files below a folder, with ranges, and nothing else. */
export interface StaticFiles {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Paths with their query, in the order in which they were asked for. */
  readonly asked: readonly string[];
  /** How many requests carried credentials, which none should. */
  readonly withCredentials: () => number;
}

/** @param prefix the part of a path that stands before the folder's own */
export async function startStaticFiles(t: Cleanup, root: string, prefix = ''): Promise<StaticFiles> {
  const asked: string[] = [];
  let withCredentials = 0;

  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    asked.push(request.url ?? '');
    if (request.headers.authorization !== undefined) withCredentials++;
    const path = new URL(request.url ?? '/', 'http://none').pathname;
    const file = join(root, path.slice(prefix.length));
    const stats = path.startsWith(prefix) && !path.includes('..') ? await stat(file).catch(() => undefined) : undefined;
    if (request.method !== 'GET' || !stats?.isFile()) {
      response.writeHead(request.method === 'GET' ? 404 : 405).end();
      return;
    }
    const span = spanOf(request.headers.range, stats.size);
    if (span === 'beyond') {
      response.writeHead(416, { 'content-range': `bytes */${stats.size}` }).end();
      return;
    }
    const { first, last } = span ?? { first: 0, last: stats.size - 1 };
    const partial = span && { 'content-range': `bytes ${first}-${last}/${stats.size}` };
    response.writeHead(span ? 206 : 200, { 'content-length': last - first + 1, ...partial });
    if (stats.size === 0) response.end();
    else pipeline(createReadStream(file, { start: first, end: last }), response, () => undefined);
  }

  const server = http.createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked, withCredentials: () => withCredentials };
}

/** A single range, as stores understand it (RFC 9110 section 14); `undefined`: the whole. */
function spanOf(header: string | undefined, size: number) {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if ((from ?? '') === '' && (to ?? '') === '') return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (first >= size) return 'beyond';
  return first > last ? undefined : { first, last };
}
