/** The SDK's requests over our connections, so that deadlines, bounds and certificates are the same for every bucket. */
import type { Readable } from 'node:stream';
import { type HttpOperationResponse, type IHttpClient, RestError, type WebResource } from '@azure/storage-blob';
import type { Dispatcher } from 'undici';
import { connectionCode } from './object-http.ts';

export function createAzureTransport(connections: Dispatcher): IHttpClient {
  return {
    async sendRequest(request) {
      const { origin, pathname, search } = new URL(request.url);
      const options: Dispatcher.RequestOptions = {
        origin,
        path: pathname + search,
        method: request.method as Dispatcher.HttpMethod,
        headers: request.headers.rawHeaders(),
        body: bodyOf(request.body),
        signal: signalOf(request) ?? null,
      };
      const answer = await connections.request(options).catch((error: unknown) => {
        throw asRestError(error, request);
      });
      // Of the headers' many methods the SDK calls this one alone.
      const response = { request, status: answer.statusCode, headers: headersOf(answer.headers) };
      const streams = request.streamResponseStatusCodes;
      if (request.method !== 'HEAD' && (streams?.has(answer.statusCode) || streams?.has(Number.POSITIVE_INFINITY))) {
        // The SDK takes its listeners off before it gives a body up, which then has something to say of that.
        answer.body.on('error', () => {});
        return { ...response, readableStreamBody: answer.body } as unknown as HttpOperationResponse;
      }
      const bodyAsText = await answer.body.text().catch((error: unknown) => {
        throw asRestError(error, request);
      });
      return { ...response, bodyAsText } as unknown as HttpOperationResponse;
    },
  };
}

const signalOf = ({ abortSignal }: WebResource): AbortSignal | undefined =>
  abortSignal instanceof AbortSignal ? abortSignal : undefined;

/** Bytes and texts are all that our calls send. */
function bodyOf(body: unknown): Buffer | Uint8Array | string | Readable | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'function') return body() as Readable;
  return body as Buffer | Uint8Array | string;
}

type Names = Record<string, string>;

function headersOf(raw: Readonly<Record<string, string | string[] | undefined>>): { toJson(): Names } {
  const names: Names = {};
  for (const [name, value] of Object.entries(raw)) {
    if (value !== undefined) names[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return { toJson: () => names };
}

/** The codes that the SDK's retries know. */
const KNOWN: Readonly<Record<string, string>> = {
  UND_ERR_SOCKET: 'ECONNRESET',
  UND_ERR_HEADERS_TIMEOUT: 'ETIMEDOUT',
  UND_ERR_BODY_TIMEOUT: 'ETIMEDOUT',
  UND_ERR_CONNECT_TIMEOUT: 'ETIMEDOUT',
};

/** What the caller's signal threw stays as it is; the SDK tries nothing again but its own errors. */
function asRestError(error: unknown, request: WebResource): unknown {
  const code = connectionCode(error);
  if (signalOf(request)?.aborted || !(error instanceof Error) || code === undefined) return error;
  return new RestError(error.message, { code: KNOWN[code] ?? code });
}
