/** GET requests whose content is taken straight from the connection, see `direct-connection.ts`. Connections are kept. */
import http, { type IncomingMessage } from 'node:http';
import net, { type OnReadOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { createBufferPool } from './buffers.ts';
import { type Connection, type DirectBody, openConnection } from './direct-connection.ts';
import type { AnswerHead } from './direct-head.ts';

export interface DirectRequest {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** With the query, encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface DirectOptions {
  /** Milliseconds for the answer's head. */
  readonly timeout: number;
  /** Ends the request as long as its answer's head has not come, or that of an error as long as it is read. */
  readonly signal: AbortSignal | undefined;
}

export type DirectAnswer =
  | { readonly head: AnswerHead; readonly body: DirectBody }
  /** Anything but content of a known length: errors above all. */
  | { readonly message: IncomingMessage };

export interface DirectClient {
  get(request: DirectRequest, options: DirectOptions): Promise<DirectAnswer>;
  destroy(): void;
}

export interface DirectClientOptions {
  /** Milliseconds to connect. */
  readonly connect: number;
  /** Milliseconds between two bytes that are waited for. */
  readonly silence: number;
  readonly skipverify: boolean;
}

/** What readers hold: so many buffers at once, and a sixteenth of one for each reader more. */
const BUFFER = 1024 * 1024;
const LENT = 64;
/** Connections kept for the next request, and milliseconds for which one is: less than services keep them. */
const IDLE = 64;
const KEEP = 4_000;

interface Idle {
  readonly connection: Connection;
  readonly timer: NodeJS.Timeout;
}

export function createDirectClient({ connect, silence, skipverify }: DirectClientOptions): DirectClient {
  const lend = createBufferPool({ bytes: BUFFER, lent: LENT });
  const idle = new Map<string, Idle[]>();
  const open = new Set<Connection>();
  const sessions = new Map<string, Buffer>();

  function connectionFor(place: string, { secure, host, port }: DirectRequest): Connection {
    const onFree = (): void => keep(place, connection);
    const connection: Connection = openConnection({ connect: secure ? encrypted : clear, lend, silence, onFree });
    open.add(connection);
    connection.socket.once('close', () => {
      open.delete(connection);
      take(place, connection);
    });
    return connection;

    function clear(onread: OnReadOpts): Socket {
      return limited(net.connect({ host, port, onread }), 'connect');
    }

    function encrypted(): tls.TLSSocket {
      const session = sessions.get(place);
      const socket = tls.connect({
        host,
        port,
        servername: net.isIP(host) === 0 ? host : '',
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: !skipverify,
        ...(session && { session }),
      });
      socket.on('session', (fresh) => void sessions.set(place, fresh));
      return limited(socket, 'secureConnect');
    }
  }

  function limited<T extends Socket>(socket: T, event: string): T {
    const late = (): void => void socket.destroy(timedOut(`no connection within ${connect} ms`));
    const timer = setTimeout(late, connect);
    const clear = (): void => clearTimeout(timer);
    socket.once(event, clear).once('close', clear);
    return socket;
  }

  function keep(place: string, connection: Connection): void {
    const kept = idle.get(place) ?? [];
    if (kept.length >= IDLE) return void connection.socket.destroy();
    // It has to be heard when the other side ends it, without keeping the process.
    connection.socket.resume().unref();
    const timer = setTimeout(() => connection.socket.destroy(), KEEP).unref();
    kept.push({ connection, timer });
    idle.set(place, kept);
  }

  /** The connection last used, or that one. */
  function take(place: string, which?: Connection): Connection | undefined {
    const kept = idle.get(place) ?? [];
    const at = which === undefined ? kept.length - 1 : kept.findIndex(({ connection }) => connection === which);
    const [found] = at === -1 ? [] : kept.splice(at, 1);
    clearTimeout(found?.timer);
    found?.connection.socket.ref();
    return found?.connection;
  }

  return {
    async get(request, options) {
      const text = textOf(request);
      const place = `${request.secure} ${request.host} ${request.port}`;
      for (;;) {
        const kept = take(place);
        const connection = kept ?? connectionFor(place, request);
        const before = connection.socket.bytesRead;
        try {
          return await asked(connection, text, options);
        } catch (error) {
          // The service ended it just as it was taken; nothing was answered, and nothing is changed by asking again.
          const isStale = kept !== undefined && connection.socket.bytesRead === before && !isTimeout(error);
          if (!isStale || options.signal?.aborted === true) throw error;
        }
      }
    },
    destroy() {
      for (const { socket } of open) socket.destroy();
    },
  };
}

const timedOut = (words: string): Error => Object.assign(new Error(words), { name: 'TimeoutError', code: 'ETIMEDOUT' });
const isTimeout = (error: unknown): boolean => (error as Error).name === 'TimeoutError';

async function asked(connection: Connection, text: string, { timeout, signal }: DirectOptions): Promise<DirectAnswer> {
  const { socket } = connection;
  signal?.throwIfAborted();
  const leave = (): void => void socket.destroy(Object.assign(new Error('aborted'), { name: 'AbortError' }));
  const stay = (): void => signal?.removeEventListener('abort', leave);
  signal?.addEventListener('abort', leave, { once: true });
  const timer = setTimeout(() => socket.destroy(timedOut(`no answer within ${timeout} ms`)), timeout);
  let isMessage = false;
  try {
    const reply = await connection.request(text);
    if ('head' in reply) return reply;
    isMessage = true;
    return { message: await parsed(reply.whole) };
  } finally {
    clearTimeout(timer);
    if (isMessage) socket.once('close', stay);
    else stay();
  }
}

/** The answer as Node's own parser reads it. */
function parsed(whole: Duplex): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.request({ createConnection: () => whole, headers: { connection: 'close' } }, resolve);
    request.once('error', reject).end();
  });
}

function textOf({ path, headers }: DirectRequest): string {
  const lines = [`GET ${path} HTTP/1.1`];
  for (const name in headers) lines.push(`${name}: ${headers[name]}`);
  if (lines.some((line) => /[\r\n\0]/.test(line))) throw new TypeError('a header of a request has more than one line');
  return `${lines.join('\r\n')}\r\n\r\n`;
}
