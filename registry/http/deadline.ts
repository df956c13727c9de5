/**
 * A storage that hangs must not hang its clients: each request has to be answered within a time in which nobody but us was
 * waited for. A client's own silence is bounded elsewhere, by that of its connection.
 */
import type { IncomingMessage } from 'node:http';
import { fault } from '../oci/error.ts';
import type { Answer } from './answer.ts';

/** Milliseconds until the answer begins. */
export interface DeadlineLimits {
  /** GET, HEAD and OPTIONS. */
  readonly reading: number;
  /** All others, while the whole body is here or no more of it is taken: a large layer may have to be read back or copied. */
  readonly writing: number;
}

export interface Deadlines {
  /** The answer of `work`, or UNAVAILABLE when it is late; then `expire` is called, and what comes afterwards is dropped. */
  run(request: IncomingMessage, expire: () => void, work: () => Promise<Answer> | Answer): Promise<Answer> | Answer;
  close(): void;
}

interface Waiting {
  readonly request: IncomingMessage;
  readonly isReading: boolean;
  readonly limit: number;
  /** Since when we have been waited for; `undefined`: it is the client's turn. */
  since: number | undefined;
  /** Bytes that had come over the connection at the last look. */
  came: number;
  readonly expire: () => void;
}

const reads: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** `clock` gives milliseconds. One timer looks at all that are waiting, since most are answered before it does. */
export function createDeadlines({ reading, writing }: DeadlineLimits, clock: () => number): Deadlines {
  const waiting = new Set<Waiting>();

  function look(): void {
    const now = clock();
    for (const one of waiting) {
      const { bytesRead } = one.request.socket;
      const isOurTurn = one.isReading || one.request.complete || one.request.readableLength > 0;
      if (!isOurTurn || bytesRead !== one.came) one.since = undefined;
      one.came = bytesRead;
      if (isOurTurn) one.since ??= now;
      if (one.since !== undefined && now - one.since >= one.limit) one.expire();
    }
  }
  const timer = setInterval(look, Math.min(1000, reading / 4, writing / 4)).unref();

  return {
    run(request, expire, work) {
      const begun = work();
      if (!(begun instanceof Promise)) return begun;
      const isReading = reads.has(request.method);
      return new Promise((resolve, reject) => {
        let isLate = false;
        const one: Waiting = {
          request,
          isReading,
          limit: isReading ? reading : writing,
          since: undefined,
          came: request.socket.bytesRead,
          expire() {
            isLate = true;
            waiting.delete(one);
            reject(fault('UNAVAILABLE', 'the storage did not answer in time'));
            expire();
          },
        };
        waiting.add(one);
        begun.then(
          (answer) => {
            waiting.delete(one);
            if (isLate && answer.body !== undefined && !Buffer.isBuffer(answer.body)) answer.body.destroy();
            resolve(answer);
          },
          (error: unknown) => {
            waiting.delete(one);
            reject(error);
          },
        );
      });
    },
    close: () => clearInterval(timer),
  };
}
