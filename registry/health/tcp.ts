/** The check of something that listens: a connection is made and closed again. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { TcpCheckConfig } from '../config/types.ts';
import type { Check } from './checks.ts';

/** Where the configuration says nothing. */
const DEADLINE = 10_000;

export function tcpCheck({ addr, timeout, interval, threshold }: TcpCheckConfig): Check {
  const colon = addr.lastIndexOf(':');
  const host = addr.slice(0, Math.max(0, colon)).replace(/^\[(.*)\]$/, '$1');
  const port = Number(addr.slice(colon + 1));
  return {
    name: addr,
    interval,
    threshold,
    deadline: timeout ?? DEADLINE,
    async probe({ signal }) {
      // Without a host the machine itself is meant, as in Go.
      const socket = connect({ host: host || 'localhost', port });
      try {
        await once(socket, 'connect', { signal });
      } catch (error) {
        throw new Error(`${addr}: connection failed: ${reasonOf(error as NodeJS.ErrnoException)}`, { cause: error });
      } finally {
        socket.on('error', () => {}).destroy();
      }
    },
  };
}

/** Several addresses that all refused come as one error without a message of its own. */
const reasonOf = (error: NodeJS.ErrnoException): string => error.message || error.code || 'no connection';
