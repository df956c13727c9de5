import { once } from 'node:events';
import { createServer } from 'node:net';
import { OperatorError } from '../error.ts';

/**
 * A port of 127.0.0.1 that was free a moment ago.
 *
 * @param wanted 0 for any
 * @throws OperatorError `usage` if it is in use or may not be taken
 */
export async function freePort(wanted: number): Promise<number> {
  const server = createServer();
  try {
    server.listen(wanted, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    throw new OperatorError('usage', refusal(wanted, error as NodeJS.ErrnoException));
  }
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : wanted;
}

function refusal(port: number, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') {
    return `port ${port} of 127.0.0.1 is in use: end the program that holds it, or choose another with --port (0: any free one)`;
  }
  if (code === 'EACCES') return `port ${port} may not be taken by this user: choose one above 1023 with --port`;
  return `cannot listen on port ${port} of 127.0.0.1: ${message}`;
}
