/**
 * A resumable upload: bytes go to their place one chunk after the other and are seen by nobody until the last one says how
 * many they are. An upload that is never finished leaves nothing; the service forgets it after a week.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, type Calls, type Scope, TRANSFER } from './gcs-calls.ts';
import { storeFailure } from './gcs-errors.ts';
import { GRAIN } from './parts.ts';
import { StoreError } from './store.ts';

export interface Resumable {
  /** Sends the next bytes; only the last ones may be other than a multiple of 256 KiB, and wait for `finish`. */
  send(bytes: Buffer, signal: AbortSignal): Promise<void>;
  /** Makes the object, which replaces what is there. */
  finish(signal: AbortSignal): Promise<void>;
  /** Gives it up. Never fails. */
  cancel(): Promise<void>;
}

/** Tries for a chunk after the first that bring no byte forward, and milliseconds before them. */
const RETRIES = 5;
const PAUSE = 200;
/** Milliseconds for giving up. */
const PATIENCE = 10_000;

/** `begin`: asks the service for the upload's address. */
export function createResumable(calls: Calls, path: string, begin: (scope: Scope) => Promise<string>): Resumable {
  let url: string | undefined;
  /** Bytes that the service has. */
  let offset = 0;
  let tail: Buffer = Buffer.alloc(0);

  const put = (range: string, body: Buffer, signal: AbortSignal, once: boolean): Promise<Answer> =>
    calls.run({
      path,
      signal,
      once,
      method: 'PUT',
      url: url ?? '',
      headers: { 'content-range': `bytes ${range}`, 'content-type': 'application/octet-stream' },
      body,
      deadline: TRANSFER,
      answers: [308],
    });

  /** `true` when the object is made. */
  function take({ status, headers }: Answer): boolean {
    if (status !== 308) return true;
    const last = /^bytes=0-(\d+)$/.exec(String(headers['range'] ?? ''))?.[1];
    offset = last === undefined ? 0 : Number(last) + 1;
    return false;
  }

  /** One try for the bytes that the service does not have yet. `true` when the object is made. */
  async function attempt(
    rest: Buffer,
    total: number | undefined,
    signal: AbortSignal,
    isLast: boolean,
  ): Promise<boolean> {
    const window = rest.length === 0 ? '*' : `${offset}-${offset + rest.length - 1}`;
    try {
      return take(await put(`${window}/${total ?? '*'}`, rest, signal, true));
    } catch (error) {
      if (signal.aborted || isLast) throw error;
      // How much of it has arrived only the service knows.
      return take(await put(`*/${total ?? '*'}`, Buffer.alloc(0), signal, false));
    }
  }

  /** Sends `bytes`, which begin at the service's offset, until it has them; with a total, until the object is made. */
  async function push(bytes: Buffer, total: number | undefined, signal: AbortSignal): Promise<void> {
    const start = offset;
    const end = start + bytes.length;
    for (let tries = 1; ; tries++) {
      const before = offset;
      if (await attempt(bytes.subarray(offset - start), total, signal, tries > RETRIES)) return;
      if (offset < before || offset > end) throw storeFailure(path, 'the service lost bytes of the upload');
      if (total === undefined && offset === end) return;
      if (offset > before) tries = 0;
      if (tries > RETRIES) throw storeFailure(path, 'the service takes no more bytes of the upload');
      if (tries > 0) await delay(PAUSE * 2 ** tries, undefined, { signal });
    }
  }

  return {
    async send(bytes, signal) {
      url ??= await begin({ path, signal });
      const even = bytes.length - (bytes.length % GRAIN);
      if (even > 0) await push(bytes.subarray(0, even), undefined, signal);
      // A copy, so that the large buffer is free.
      tail = Buffer.from(bytes.subarray(even));
    },

    async finish(signal) {
      if (url === undefined) throw new StoreError('failed', 'gcs', path);
      await push(tail, offset + tail.length, signal);
      url = undefined;
    },

    async cancel() {
      if (url === undefined) return;
      const call = { path, method: 'DELETE' as const, url, once: true, answers: [404, 410, 499] };
      url = undefined;
      await calls.run({ ...call, signal: AbortSignal.timeout(PATIENCE) }).catch(() => {});
    },
  };
}
