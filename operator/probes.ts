import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';

export interface Probes {
  /** The address that is listened on: `host:port`. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * `/healthz` (the process answers), `/readyz` (503 while `ready` gives a reason) and `/metrics`, by plain HTTP.
 *
 * @param at `port` 0 takes a free one
 * @param ready why the operator is not ready; `undefined` when it is
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function serveProbes(
  at: { host: string | undefined; port: number },
  ready: () => string | undefined,
  metrics: Metrics,
): Promise<Probes> {
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 8192 },
    (request, response) => {
      const answer = (status: number, body: string, type = 'text/plain; charset=utf-8') => {
        response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      request.resume();
      if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'only GET and HEAD\n');
      switch ((request.url ?? '').split('?')[0]) {
        case '/healthz':
          return answer(200, 'ok\n');
        case '/readyz': {
          const reason = ready();
          return reason === undefined ? answer(200, 'ok\n') : answer(503, `${reason}\n`);
        }
        case '/metrics':
          metrics.text().then(
            ({ contentType, body }) => answer(200, body, contentType),
            () => answer(500, 'the metrics cannot be read\n'),
          );
          return;
        default:
          answer(404, 'there are /healthz, /readyz and /metrics\n');
      }
    },
  );
  await listening(server, at);
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `${address.includes(':') ? `[${address}]` : address}:${port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function listening(server: Server, { host, port }: { host: string | undefined; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
