/** Where a request came from, as far as that can be known behind proxies. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * The client's IP address in Distribution's order: the first of `X-Forwarded-For`, `X-Real-Ip`, the connection's. The headers
 * are the client's own word where no proxy sets them: good for choosing a download server, never for access control.
 */
export function clientAddress({ headers, socket }: IncomingMessage): string | undefined {
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',', 1)[0];
  const found = [forwarded, headers['x-real-ip']]
    .map((text) => String(text ?? '').trim())
    .find((text) => isIP(text) > 0);
  return found ?? socket.remoteAddress;
}
