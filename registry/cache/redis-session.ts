/**
 * One connection to Redis, kept up in the background, that nobody ever waits for: a command is answered within `patience` or
 * has failed, and then all others fail at once until an answer comes after all. A connection that broke, or on which none
 * came for `hopeless`, is dropped whole and made anew after a while, longer each time until one has lasted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { Dial, RedisLink } from './redis-link.ts';

/** Milliseconds; a store is asked as quickly. */
export const patience = 50;
/** Milliseconds of silence after which a connection counts as dead; less may be a busy machine. */
const hopeless = 250;
/** Milliseconds for which a connection has to last before trying again starts from the shortest delay. */
const stable = 5_000;
const shortest = 100;
const longest = 30_000;
/** Milliseconds between two warnings. */
const quiet = 60_000;

export interface RedisSession {
  /** The value of the reply; `undefined`: there was none in time, or the server refused. */
  run(key: string | undefined, command: readonly string[]): Promise<{ readonly value: unknown } | undefined>;
  readonly isUp: boolean;
  /** Waits for a connection for so many milliseconds at most; resolves with whether there is one. */
  comesUp(wait: number): Promise<boolean>;
  /** Ends the connection; resolves when nothing is under way any more. */
  close(): Promise<void>;
}

export interface RedisSessionOptions {
  readonly dial: Dial;
  /** Milliseconds for connecting, logging in and a first PING. */
  readonly dialTimeout: number;
  /** Commands under way at once; further ones fail, since a queue would only grow. */
  readonly most: number;
  readonly log: Logger;
  readonly clock: () => number;
  readonly random: () => number;
  /** Called with each new connection, before anything else uses it. */
  readonly onUp: () => void;
}

export function createRedisSession(options: RedisSessionOptions): RedisSession {
  const { dial, dialTimeout, most, log, clock, random, onUp } = options;
  const closing = new AbortController();
  let current: Standing | undefined;
  let standing = Promise.withResolvers<void>();
  let underWay = 0;
  let toldOfOutage = Number.NEGATIVE_INFINITY;
  let toldOfRefusal = Number.NEGATIVE_INFINITY;
  let isOutageTold = false;

  function tellOutage(reason: Error): void {
    if (clock() - toldOfOutage < quiet) return;
    toldOfOutage = clock();
    isOutageTold = true;
    log.warn({ reason: reasonOf(reason) }, 'redis: no use of the cache for now, the storage is asked instead');
  }

  function tellRefusal(refusal: string, command: string | undefined): void {
    if (clock() - toldOfRefusal < quiet) return;
    toldOfRefusal = clock();
    log.warn({ command, reason: refusal }, 'redis: the server refuses a command, the storage is asked instead');
  }

  /** A command is late: nothing further is sent until it, or another, is answered. */
  function suspect(used: Standing): void {
    used.silence ??= setTimeout(() => afterReading(() => used.silence && used.drop(new Error(tooSlow))), hopeless);
    used.silence.unref();
  }

  function heard(used: Standing): void {
    clearTimeout(used.silence);
    used.silence = undefined;
  }

  /** One connection's whole life. Resolves with the milliseconds that it stood. */
  async function live(): Promise<number> {
    const { promise: lost, resolve: drop } = Promise.withResolvers<Error>();
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(dialTimeout)]);
    const link = await dial(drop, signal);
    const since = clock();
    try {
      if ((await within(link.send(undefined, ['PING']))) === undefined) throw new Error(tooSlow);
      current = { link, since, drop, silence: undefined };
      standing.resolve();
      if (isOutageTold) log.info({}, 'redis: the cache is in use again');
      isOutageTold = false;
      onUp();
      const leave = (): void => drop(new Error('closed'));
      closing.signal.addEventListener('abort', leave, { once: true });
      const reason = await lost;
      closing.signal.removeEventListener('abort', leave);
      if (!closing.signal.aborted) tellOutage(reason);
      return clock() - since;
    } finally {
      if (current !== undefined) heard(current);
      current = undefined;
      standing = Promise.withResolvers<void>();
      link.destroy();
    }
  }

  async function keepUp(): Promise<void> {
    let delay = shortest;
    while (!closing.signal.aborted) {
      const lasted = await live().catch((error: Error) => {
        if (!closing.signal.aborted) tellOutage(error);
        return 0;
      });
      delay = lasted >= stable ? shortest : Math.min(delay * 2, longest);
      await sleep(delay * (0.75 + random() / 2), undefined, { signal: closing.signal, ref: false }).catch(
        () => undefined,
      );
    }
  }

  const ended = keepUp();
  return {
    get isUp() {
      return current !== undefined && current.silence === undefined;
    },
    async comesUp(wait) {
      if (current !== undefined || wait === 0) return current !== undefined;
      const enough = new AbortController();
      const { signal } = enough;
      await Promise.race([standing.promise, sleep(wait, undefined, { signal }).catch(() => undefined)]);
      enough.abort();
      return current !== undefined;
    },
    async run(key, command) {
      const used = current;
      if (used === undefined || used.silence !== undefined || underWay >= most) return undefined;
      underWay++;
      try {
        const sent = used.link.send(key, command).finally(() => heard(used));
        const reply = await within(sent);
        if (reply === undefined) suspect(used);
        if (reply === undefined || 'value' in reply) return reply;
        tellRefusal(reply.refusal, command[0]);
        // What was the master is a replica now; its name leads elsewhere.
        if (reply.refusal.startsWith('READONLY')) used.drop(new Error(reply.refusal));
        return undefined;
      } catch (error) {
        // A cluster goes on with its other nodes, but has to be asked in time who took over.
        if (!used.link.hasSeveralNodes || clock() - used.since >= stable) used.drop(error as Error);
        return undefined;
      } finally {
        underWay--;
      }
    },
    async close() {
      closing.abort();
      await ended;
    },
  };
}

interface Standing {
  readonly link: RedisLink;
  readonly since: number;
  drop(reason: Error): void;
  /** Runs while an answer is late. */
  silence: NodeJS.Timeout | undefined;
}

const tooSlow = 'it does not answer in time';

/** Its outcome, or `undefined` when `patience` is over and this process was not itself what held it up. */
async function within<T>(work: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const giveUp = (): void => resolve(undefined);
  const timer = setTimeout(() => afterReading(giveUp), patience);
  timer.unref();
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** When what has arrived in the meantime was read. */
const afterReading = (work: () => void): void => void setImmediate(() => setImmediate(work));

/** Where several addresses were tried, the sentence is in each attempt's own error. */
function reasonOf(error: Error & { readonly errors?: readonly Error[]; readonly code?: string }): string {
  return error.message || error.errors?.map(({ message }) => message).join('; ') || (error.code ?? error.name);
}
