/** Calls to the JSON API: bounded in number and time, tried again when that can help, their faults in sentences. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { withDeadline } from './deadline.ts';
import type { GcsClient } from './gcs-client.ts';
import { failureSentence, isBucketMissing, type Place, refusalSentence, storeFailure } from './gcs-errors.ts';
import { connectionCode } from './object-http.ts';
import type { Semaphore } from './semaphore.ts';
import { StoreError } from './store.ts';

/** Milliseconds that a call may take with all its tries; one that moves bytes has more. */
const DEADLINE = 60_000;
export const TRANSFER = 5 * 60_000;
/** Tries after the first, as Distribution has it, and milliseconds before them: doubled each time, up to the longest. */
const RETRIES = 5;
const PAUSE = 100;
const LONGEST_PAUSE = 10_000;

/** What is called, for errors, and until when. */
export interface Scope {
  readonly path: string;
  readonly signal: AbortSignal | undefined;
}

export interface Call extends Scope {
  readonly method?: Dispatcher.HttpMethod;
  /** Behind the service's address; or a whole URL that the service gave. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly deadline?: number;
  /** Statuses beside 2xx that are answers; all others are failures. */
  readonly answers?: readonly number[];
  /** Fails with the first failure: what is sent next depends on what came of it. */
  readonly once?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** How often it was tried: an earlier try may have done the work, and only its answer was lost. */
  readonly tries: number;
  readonly text: string;
}

/** An answer whose body is not read yet. */
export interface Streamed extends Omit<Answer, 'text'> {
  readonly body: Dispatcher.ResponseData['body'];
}

export interface Calls {
  run(call: Call): Promise<Answer>;
  stream(call: Call): Promise<Streamed>;
}

export interface CallParts {
  readonly connections: Dispatcher;
  readonly client: GcsClient;
  readonly place: Place;
  readonly userAgent: string;
  readonly slots: Semaphore;
  /** From 0 to 1, exclusive. */
  readonly random: () => number;
}

const AGAIN = new Set([408, 429, 500, 502, 503, 504]);
const BROKEN =
  /^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|UND_ERR_(SOCKET|.*TIMEOUT|CONNECT))/;

export function createGcsCalls({ connections, client, place, userAgent, slots, random }: CallParts): Calls {
  async function send(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const url = new URL(call.url.startsWith('/') ? client.url + call.url : call.url);
    return await connections.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: call.method ?? 'GET',
      headers: { ...(await client.headers()), 'user-agent': userAgent, ...call.headers },
      body: call.body ?? null,
      signal,
    });
  }

  /** An answer, or milliseconds to wait before the next try. */
  async function attempt(call: Call, streams: boolean, tries: number, signal: AbortSignal) {
    const isLast = tries > RETRIES || call.once === true;
    const pause = Math.min(PAUSE * 2 ** (tries - 1), LONGEST_PAUSE) * (0.5 + random() / 2);
    try {
      const { statusCode: status, headers, body } = await send(call, signal);
      const isGood = status >= 200 && status < 300;
      if (isGood && streams) return { status, headers, tries, body };
      const text = await body.text();
      const isAnswer = isGood || (call.answers?.includes(status) === true && !isBucketMissing({ status, text }));
      if (isAnswer) return { status, headers, tries, text };
      if (!AGAIN.has(status) || isLast) throw storeFailure(call.path, refusalSentence(place, { status, text }));
      return Math.max(pause, Math.min(LONGEST_PAUSE, 1000 * (Number(headers['retry-after']) || 0)));
    } catch (error) {
      if (signal.aborted || isLast || !BROKEN.test(connectionCode(error) ?? '')) throw error;
      return pause;
    }
  }

  async function untilAnswered(call: Call, streams: boolean, signal: AbortSignal): Promise<Answer | Streamed> {
    for (let tries = 1; ; tries++) {
      const answer = await attempt(call, streams, tries, signal);
      if (typeof answer !== 'number') return answer;
      await delay(answer, undefined, { signal });
    }
  }

  async function bounded(call: Call, streams: boolean): Promise<Answer | Streamed> {
    try {
      const work = (signal: AbortSignal) => slots.run(() => untilAnswered(call, streams, signal), signal);
      return await withDeadline(call.signal, call.deadline ?? DEADLINE, work);
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      if (error instanceof StoreError) throw error;
      throw storeFailure(call.path, failureSentence(place, error), error);
    }
  }

  return {
    run: async (call) => (await bounded(call, false)) as Answer,
    stream: async (call) => (await bounded(call, true)) as Streamed,
  };
}
