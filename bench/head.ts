/** Load of HEAD requests over raw sockets: wrk waits for the bodies that answers to HEAD announce and do not have. */
import { connect } from 'node:net';

/** Resolves with the number of answers, all of which were 200. */
export function headLoad(url: string, lines: readonly string[], connections: number, seconds: number): Promise<number> {
  const { hostname, port, pathname, host } = new URL(url);
  const request = Buffer.from(
    `HEAD ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`,
  );
  const end = performance.now() + seconds * 1000;
  let units = 0;

  const worker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let head = '';
      socket.once('connect', () => socket.write(request));
      socket.once('error', reject);
      socket.on('data', (chunk) => {
        head += chunk.toString('latin1');
        if (!head.endsWith('\r\n\r\n')) return;
        if (!head.startsWith('HTTP/1.1 200')) {
          socket.destroy();
          reject(new Error(`HEAD ${url}: ${head.slice(0, 100)}`));
          return;
        }
        head = '';
        units++;
        if (performance.now() < end) socket.write(request);
        else socket.end(() => resolve());
      });
    });

  return Promise.all(Array.from({ length: connections }, worker)).then(() => units);
}
