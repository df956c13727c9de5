/** Connections that behave as no client library would: raw bytes out, whatever comes back in. */
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RawConnection {
  readonly socket: Socket;
  /** Everything that came so far. */
  text(): string;
  /** Status codes of the answers that came so far, in order. */
  statuses(): readonly number[];
  /** Writes, and waits until the system took it; a connection that the server closed swallows it. */
  send(data: string | Buffer): Promise<void>;
  /** Waits until so many answers came, or the connection was closed. */
  answers(count: number): Promise<readonly number[]>;
  /** Waits until the server closes the connection. */
  closed(): Promise<void>;
  /** Whether the connection was reset, so that answers may have been lost. */
  wasReset(): boolean;
  /** Breaks off: RST instead of FIN, as a crash of the client's machine would in the end. */
  tear(): void;
  /** Closes as a client that ends. */
  end(): void;
}

/** Milliseconds; what does not come by then does not come. */
const patience = 20_000;

export async function connect(port: number): Promise<RawConnection> {
  const socket = connectSocket({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let isClosed = false;
  let isReset = false;
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    isReset ||= error.code === 'ECONNRESET';
  });
  socket.on('end', () => {
    isClosed = true;
  });
  socket.on('close', () => {
    isClosed = true;
  });
  await once(socket, 'connect');
  const text = (): string => Buffer.concat(chunks).toString('latin1');
  const statuses = (): readonly number[] =>
    [...text().matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, code]) => Number(code));
  const until = async (what: string, isDone: () => boolean): Promise<void> => {
    for (const end = performance.now() + patience; !isDone(); await sleep(5)) {
      if (performance.now() > end)
        throw new Error(`${what} did not come within ${patience / 1000} s; so far: ${text().slice(0, 300)}`);
    }
  };
  return {
    socket,
    text,
    statuses,
    async send(data) {
      if (socket.destroyed || !socket.writable) return;
      await new Promise<void>((resolve) => {
        socket.once('close', resolve);
        socket.write(data, () => {
          socket.off('close', resolve);
          resolve();
        });
      });
    },
    async answers(count) {
      await until(`answer ${count}`, () => isClosed || statuses().length >= count);
      return statuses();
    },
    closed: () => until('the end of the connection', () => isClosed),
    wasReset: () => isReset,
    tear: () => void socket.resetAndDestroy(),
    end: () => void socket.end(),
  };
}

/** One connection, these bytes, and what came back once `count` answers were there or the server had closed it. */
export async function exchange(
  port: number,
  data: string | Buffer,
  count = 1,
): Promise<{ statuses: readonly number[]; text: string }> {
  const connection = await connect(port);
  try {
    await connection.send(data);
    const statuses = await connection.answers(count);
    return { statuses, text: connection.text() };
  } finally {
    connection.socket.destroy();
  }
}

/** The head of a request: method and target, then header lines. */
export const head = (request: string, ...lines: readonly string[]): string =>
  [`${request} HTTP/1.1`, 'Host: localhost', ...lines, '', ''].join('\r\n');
