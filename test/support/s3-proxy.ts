/** A proxy between the S3 driver and the real server: it counts the calls, keeps their heads, and does what stores do on bad days. */
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/** The calls by S3's names for them. */
export type Operation =
  | 'ListObjectsV2'
  | 'ListMultipartUploads'
  | 'ListParts'
  | 'GetObject'
  | 'HeadObject'
  | 'PutObject'
  | 'CopyObject'
  | 'UploadPart'
  | 'UploadPartCopy'
  | 'CreateMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'DeleteObject'
  | 'DeleteObjects'
  | 'Other';

export interface SeenCall {
  readonly operation: Operation;
  /** `/bucket/key`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Of this operation, from 0. */
  readonly count: number;
  /** What came of a small body: of deletions. */
  body: string;
}

/** What happens to a call instead of passing. */
export type Fault =
  /** An answer of the server's own, such as 503 SlowDown; without a code it has no body. */
  | { readonly status: number; readonly code: string }
  /** The server never hears of it. */
  | 'refuse'
  /** The server does it, and its answer is lost. */
  | 'lose'
  /** Nothing comes back, and the connection stays. */
  | 'hang'
  /** The answer's body ends with the connection after so many bytes. */
  | { readonly tearAfter: number }
  /** The answer announces more or fewer bytes than there are. */
  | { readonly announce: (length: number) => number }
  /** The answer's body stays away after so many bytes. */
  | { readonly fallSilentAfter: number }
  /** Milliseconds before it passes. */
  | { readonly delay: number };

export interface S3Proxy {
  readonly endpoint: string;
  readonly calls: SeenCall[];
  /** Decides for each call; `undefined`: it passes. */
  fault: (call: SeenCall) => Fault | undefined;
  /** How many calls of each operation came since the last time it was asked. */
  counted(): Partial<Record<Operation, number>>;
}

interface Cleanup {
  after(work: () => Promise<void>): void;
}

/** Starts a proxy in front of the server; it stops when the test ends. */
export async function startS3Proxy(t: Cleanup, { port }: { readonly port: number }): Promise<S3Proxy> {
  const agent = new http.Agent({ keepAlive: true });
  const calls: SeenCall[] = [];
  let asked = 0;
  const proxy = http.createServer((incoming, outgoing) => {
    const call = seen(incoming, calls);
    calls.push(call);
    const fault = handle.fault(call);
    if (typeof fault === 'object' && 'status' in fault) return refuse(incoming, outgoing, fault);
    if (fault === 'refuse') return void incoming.socket.destroy();
    if (fault === 'hang') return void incoming.resume();
    const pass = (): void => {
      if (call.operation === 'DeleteObjects') {
        incoming.on('data', (chunk: Buffer) => {
          call.body += chunk;
        });
      }
      forward(incoming, outgoing, { agent, port, fault });
    };
    if (typeof fault === 'object' && 'delay' in fault) setTimeout(pass, fault.delay);
    else pass();
  });
  proxy.requestTimeout = 0;
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    agent.destroy();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const handle: S3Proxy = {
    endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    calls,
    fault: () => undefined,
    counted() {
      const counts: Partial<Record<Operation, number>> = {};
      for (const { operation } of calls.slice(asked)) counts[operation] = (counts[operation] ?? 0) + 1;
      asked = calls.length;
      return counts;
    },
  };
  return handle;
}

function seen(incoming: IncomingMessage, before: readonly SeenCall[]): SeenCall {
  const { pathname: path, searchParams: query } = new URL(incoming.url ?? '/', 'http://proxy');
  const { headers } = incoming;
  const operation = operationOf(incoming.method ?? '', query, headers);
  const count = before.filter((call) => call.operation === operation).length;
  return { operation, path, query, headers, count, body: '' };
}

function operationOf(method: string, query: URLSearchParams, headers: IncomingHttpHeaders): Operation {
  const part = query.has('uploadId');
  const copies = headers['x-amz-copy-source'] !== undefined;
  switch (method) {
    case 'GET':
      if (query.has('list-type')) return 'ListObjectsV2';
      if (query.has('uploads')) return 'ListMultipartUploads';
      return part ? 'ListParts' : 'GetObject';
    case 'HEAD':
      return 'HeadObject';
    case 'PUT':
      if (part) return copies ? 'UploadPartCopy' : 'UploadPart';
      return copies ? 'CopyObject' : 'PutObject';
    case 'POST':
      if (query.has('delete')) return 'DeleteObjects';
      if (query.has('uploads')) return 'CreateMultipartUpload';
      return part ? 'CompleteMultipartUpload' : 'Other';
    case 'DELETE':
      return part ? 'AbortMultipartUpload' : 'DeleteObject';
    default:
      return 'Other';
  }
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, fault: { status: number; code: string }): void {
  incoming.resume();
  incoming.once('end', () => {
    const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>as the test wants it</Message></Error>`;
    const isBare = incoming.method === 'HEAD' || fault.code === '';
    outgoing.writeHead(fault.status, { 'content-type': 'application/xml' }).end(isBare ? '' : body);
  });
}

interface Way {
  readonly agent: http.Agent;
  readonly port: number;
  readonly fault: Fault | undefined;
}

/** Header lines pass as they are, `Host` too: it is signed. */
function forward(incoming: IncomingMessage, outgoing: ServerResponse, { agent, port, fault }: Way): void {
  const onward = http.request({
    agent,
    host: '127.0.0.1',
    port,
    method: incoming.method,
    path: incoming.url,
    headers: incoming.rawHeaders,
  });
  onward.on('response', (answer) => {
    if (fault === 'lose') {
      answer.resume();
      answer.once('end', () => outgoing.destroy());
    } else respond(answer, outgoing, fault);
  });
  onward.on('error', () => outgoing.destroy());
  incoming.on('error', () => onward.destroy());
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) onward.destroy();
  });
  incoming.pipe(onward);
}

function respond(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): void {
  const lines = [...answer.rawHeaders];
  const lies = typeof fault === 'object' && 'announce' in fault ? fault.announce : undefined;
  if (lies !== undefined) {
    for (let at = 0; at < lines.length; at += 2) {
      if (lines[at]?.toLowerCase() === 'content-length') lines[at + 1] = String(lies(Number(lines[at + 1])));
    }
    outgoing.strictContentLength = false;
  }
  outgoing.writeHead(answer.statusCode ?? 502, answer.statusMessage, lines);
  const cut = cutOf(fault);
  if (cut === undefined && lies === undefined) {
    pipeline(answer, outgoing, () => undefined);
    return;
  }
  let passed = 0;
  answer.on('data', (chunk: Buffer) => {
    const rest = (cut?.after ?? Number.POSITIVE_INFINITY) - passed;
    if (rest > 0) outgoing.socket?.writable && outgoing.write(chunk.subarray(0, rest));
    passed += chunk.length;
    if (passed < (cut?.after ?? Number.POSITIVE_INFINITY)) return;
    answer.removeAllListeners('data');
    answer.resume();
    // What was written goes out first.
    if (cut?.tears === true) outgoing.write('', () => setTimeout(() => outgoing.socket?.destroySoon(), 5));
  });
  answer.on('end', () => {
    if (cut === undefined) outgoing.write('', () => setTimeout(() => outgoing.socket?.destroySoon(), 5));
  });
}

function cutOf(fault: Fault | undefined): { readonly after: number; readonly tears: boolean } | undefined {
  if (typeof fault !== 'object') return undefined;
  if ('tearAfter' in fault) return { after: fault.tearAfter, tears: true };
  return 'fallSilentAfter' in fault ? { after: fault.fallSilentAfter, tears: false } : undefined;
}
