/** Ending a server without cutting off the requests that it is working on. */
import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface DrainOptions {
  /** Milliseconds in which requests under way may end; 0: none. */
  readonly timeout: number;
  /** Milliseconds between failing readiness and refusing connections, so that load balancers look elsewhere first. */
  readonly notice: number;
}

/** How often idle connections are closed while waiting; Node would keep each for its keep-alive time. */
const sweepMs = 50;

/** The longest time that a timer can be set to; a longer one would be over at once. */
const longest = 2 ** 31 - 1;

/** Resolves with whether every request came to its end. Readiness must fail before this is called. */
export async function drain(server: Server, { timeout, notice }: DrainOptions): Promise<boolean> {
  if (timeout > 0) await delay(Math.min(notice, timeout));
  const { promise: closed, resolve } = Promise.withResolvers<boolean>();
  server.close(() => resolve(true));
  if (timeout === 0) {
    server.closeAllConnections();
    return closed;
  }
  const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
  const limit = setTimeout(() => resolve(false), Math.min(timeout, longest));
  const complete = await closed;
  clearInterval(sweep);
  clearTimeout(limit);
  if (!complete) server.closeAllConnections();
  return complete;
}
