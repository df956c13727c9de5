/** The SDK's way to the network: connections for calls, and others for the bodies of objects. */
import http from 'node:http';
import https from 'node:https';
import { NodeHttpHandler } from '@smithy/node-http-handler';

export interface HttpHandlerOptions {
  /** Milliseconds to connect. */
  readonly connect: number;
  /** Milliseconds without a byte after which a connection is ended in any case. */
  readonly silence: number;
  readonly skipverify: boolean;
}

/** Connections for calls to one host: parts, copies and listings of many requests share them. */
const SOCKETS = 256;

/**
 * An object that is being read holds its connection as long as its reader takes. So those have as many as there are
 * readers, and slow ones keep no call waiting.
 */
export function createHandler(options: HttpHandlerOptions) {
  const calls = handler(options, SOCKETS);
  const bodies = handler(options, Number.POSITIVE_INFINITY);
  const handle: NodeHttpHandler['handle'] = (request, http) =>
    (request.query?.['x-id'] === 'GetObject' ? bodies : calls).handle(request, http);
  const updateHttpClientConfig: NodeHttpHandler['updateHttpClientConfig'] = (key, value) => {
    for (const each of [calls, bodies]) each.updateHttpClientConfig(key, value);
  };
  return {
    metadata: calls.metadata,
    handle,
    updateHttpClientConfig,
    httpHandlerConfigs: () => calls.httpHandlerConfigs(),
    destroy() {
      calls.destroy();
      bodies.destroy();
    },
  };
}

function handler({ connect, silence, skipverify }: HttpHandlerOptions, maxSockets: number): NodeHttpHandler {
  return new NodeHttpHandler({
    connectionTimeout: connect,
    throwOnRequestTimeout: true,
    // Each attempt has its own limit; this one only ends what would never end.
    socketTimeout: silence,
    httpAgent: new http.Agent({ keepAlive: true, maxSockets }),
    httpsAgent: new https.Agent({ keepAlive: true, maxSockets, ...(skipverify && { rejectUnauthorized: false }) }),
  });
}
