/** Sends the requests of an exchange as they are written: no client library puts anything right on the way. */
import http from 'node:http';
import type { Exchange, Headers, Step } from './exchange.ts';

export interface Reply {
  readonly status: number;
  /** Lower-case names; several lines of one name are joined by `; also `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Milliseconds for one request. */
const patience = 20_000;

/** One reply for each step; a connection that broke is a reply with status 0. */
export async function converse(agent: http.Agent, port: number, { steps }: Exchange): Promise<readonly Reply[]> {
  const replies: Reply[] = [];
  const locations: URL[] = [];
  const base = `http://127.0.0.1:${port}`;
  const pathAndQuery = (url: URL | undefined): string =>
    url === undefined ? '/no-location' : url.pathname + url.search;
  for (const { target, ...step } of steps) {
    const filled = target
      .replaceAll('{L0}', pathAndQuery(locations[0]))
      .replaceAll('{L}', pathAndQuery(locations.at(-1)))
      .replaceAll('{P}', locations.at(-1)?.pathname ?? '/no-location');
    const reply = await send(agent, port, { ...step, target: filled });
    const location = reply.headers.get('location');
    if (location !== undefined && URL.canParse(location, base)) locations.push(new URL(location, base));
    replies.push(reply);
  }
  return replies;
}

function send(agent: http.Agent, port: number, { method, target, headers, body, chunked }: Step): Promise<Reply> {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const lines = linesOf({ Host: `127.0.0.1:${port}`, ...headers });
  const named = new Set(lines.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase()));
  if (chunked === true) lines.push('Transfer-Encoding', 'chunked');
  else if (
    !named.has('content-length') &&
    (bytes !== undefined || !['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method))
  ) {
    lines.push('Content-Length', String(bytes?.length ?? 0));
  }
  return new Promise((resolve) => {
    const broken = (error: Error): void => resolve({ status: 0, headers: new Map(), body: Buffer.from(error.message) });
    const request = http.request({ agent, host: '127.0.0.1', port, method, path: target, headers: lines });
    request.setTimeout(patience, () => request.destroy(new Error('no answer')));
    request.on('error', broken);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', broken);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: new Map(
            Object.entries(response.headersDistinct).map(([name, values]) => [name, (values ?? []).join('; also ')]),
          ),
          body: Buffer.concat(chunks),
        }),
      );
    });
    request.end(bytes);
  });
}

const linesOf = (headers: Headers): string[] =>
  Object.entries(headers).flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value]));
