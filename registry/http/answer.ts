/** What a handler returns, and the one place where it is written to the wire. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { RegistryError } from '../oci/error.ts';
import type { ObjectStream } from '../service/services.ts';
import { discardBody } from './body.ts';

export interface Answer {
  readonly status: number;
  /** Lower-case names. `content-length` is added for buffers; a stream's has to be given. */
  readonly headers: Readonly<Record<string, string | number>>;
  /** Left out on HEAD, whose handlers answer as for GET but open no stream. */
  readonly body?: Buffer | ObjectStream | undefined;
  /** What went wrong, for the log. */
  readonly error?: RegistryError | undefined;
}

/** Lines that every answer of a server carries: pairs of name and value. */
export type FixedHeaders = readonly string[];

export interface SentBody {
  readonly bytes: number;
  readonly type: string;
  /** How many of them went out, when the answer was broken off. */
  readonly soFar: () => number;
}

/** What was sent as body, for the log and the meters. */
export const sentBodies = new WeakMap<ServerResponse, SentBody>();

/** Resolves when the answer was handed to the socket; rejects if the client or the source broke off. */
export async function write(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  fixed: FixedHeaders,
): Promise<void> {
  const { status, headers, body } = answer;
  const type = String(headers['content-type'] ?? '');
  const lines: (string | number)[] = [...fixed];
  for (const name in headers) lines.push(spelling(name), headers[name] as string | number);
  if (Buffer.isBuffer(body)) lines.push('Content-Length', body.length);
  else if (body === undefined && headers['content-length'] === undefined && status !== 304 && status !== 204) {
    lines.push('Content-Length', 0);
  }
  if (!request.complete) discardBody(request);
  response.writeHead(status, lines as string[]);
  if (request.method === 'HEAD' || body === undefined) {
    if (body !== undefined && !Buffer.isBuffer(body)) body.destroy();
    if (type !== '') sentBodies.set(response, { bytes: 0, type, soFar: none });
    response.end();
  } else if (Buffer.isBuffer(body)) {
    sentBodies.set(response, { bytes: body.length, type, soFar: none });
    if (body.length <= oneWrite) response.end(asText(body), 'latin1');
    else response.end(body);
  } else {
    const bytes = Number(headers['content-length'] ?? 0);
    const { socket } = request;
    const before = socket.bytesWritten;
    // The head counts as well, for want of a better measure.
    sentBodies.set(response, { bytes, type, soFar: () => Math.min(bytes, socket.bytesWritten - before) });
    await (body.sendTo === undefined ? pipeline(body, response) : body.sendTo(response));
  }
}

/** Of a small body that was broken off, nothing counts: it left in one write or not at all. */
const none = (): number => 0;

/** Names do not depend on case, but scripts that search answers for Distribution's spelling are many. */
const spellings = new Map<string, string>();

function spelling(name: string): string {
  let spelt = spellings.get(name);
  if (spelt === undefined) {
    spelt = name.replace(/(^|-)([a-z])/g, (letter) => letter.toUpperCase()).replace(/^Oci-/, 'OCI-');
    spellings.set(name, spelt);
  }
  return spelt;
}

/** Bytes up to which head and body leave in one write, which Node does for text only. */
const oneWrite = 16 * 1024;
/** Cached bodies come again and again. Each byte is one character of latin1, so nothing is changed by it. */
const texts = new WeakMap<Buffer, string>();

function asText(body: Buffer): string {
  let text = texts.get(body);
  if (text === undefined) {
    text = body.toString('latin1');
    texts.set(body, text);
  }
  return text;
}
