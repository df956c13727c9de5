/** Bytes of the objects of one bucket: of one version each, over as many connections as it takes. */
import { Readable } from 'node:stream';
import type { Answer, Calls, Scope, Streamed } from './gcs-calls.ts';
import { DRIVER } from './gcs-errors.ts';
import { type ByteRange, StoreError } from './store.ts';

/** What Distribution's unfinished uploads are marked with; to it as to us such an object is not there. */
export const SESSION_TYPE = 'application/x-docker-upload-session';
/** How often a stream goes on after its connection broke without a byte in between. */
const BREAKS = 5;

export interface Content {
  readonly bytes: Buffer;
  readonly generation: string;
}

export interface GcsMedia {
  /** The whole object. `raw`: also what is marked as an unfinished upload. */
  read(name: string, scope: Scope, raw?: boolean): Promise<Content | undefined>;
  /** A checked range; `undefined` if absent. `generation`: of this version only. */
  open(name: string, range: ByteRange, scope: Scope, generation?: string): Promise<Readable | undefined>;
}

export interface MediaParts {
  readonly calls: Calls;
  /** An object's address. */
  readonly urlOf: (name: string) => string;
  readonly isThere: (name: string, scope: Scope) => Promise<boolean>;
}

export function createGcsMedia({ calls, urlOf, isThere }: MediaParts): GcsMedia {
  async function media(
    name: string,
    start: number,
    end: number | undefined,
    scope: Scope,
    generation?: string,
    raw = false,
  ): Promise<Answer | Streamed | undefined> {
    const whole = start === 0 && end === undefined;
    const range = whole ? {} : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` };
    const query = generation === undefined ? '' : `&generation=${generation}`;
    const answers = [404, 416];
    const answer = await calls.stream({ ...scope, url: `${urlOf(name)}?alt=media${query}`, headers: range, answers });
    if (answer.status === 404) return undefined;
    if (!raw && answer.headers['content-type'] === SESSION_TYPE) {
      // Without a listener, what the body says of its end would be nobody's.
      answer.body?.on('error', () => {}).destroy();
      return undefined;
    }
    return answer;
  }

  return {
    async read(name, scope, raw) {
      const answer = await media(name, 0, undefined, scope, undefined, raw);
      if (answer === undefined) return undefined;
      const generation = generationOf(answer);
      const again = (at: number, end: number) => media(name, at, end, scope, generation, raw);
      const chunks = await Readable.from(chunksOf(answer as Streamed, 0, again, scope)).toArray();
      return { bytes: Buffer.concat(chunks), generation };
    },

    async open(name, { start, end }, scope, generation) {
      const empty = (): Readable => Readable.from([], { objectMode: false });
      if (end !== undefined && end <= start) {
        return (await isThere(name, scope)) ? empty() : undefined;
      }
      const answer = await media(name, start, end, scope, generation);
      if (answer === undefined) return undefined;
      // It begins at the end, or behind it.
      if (answer.status === 416) return empty();
      const again = (at: number, until: number) => media(name, at, until, scope, generationOf(answer));
      return Readable.from(chunksOf(answer as Streamed, start, again, scope), { objectMode: false });
    },
  };
}

/** Of the version that an answer is about. */
const generationOf = ({ headers }: Pick<Answer, 'headers'>): string => String(headers['x-goog-generation'] ?? '');

/** An object's bytes, of one version, over as many connections as it takes. */
async function* chunksOf(
  first: Streamed,
  start: number,
  again: (at: number, end: number) => Promise<Answer | Streamed | undefined>,
  { path, signal }: Scope,
): AsyncGenerator<Buffer> {
  const length = Number(first.headers['content-length']);
  const end = start + length;
  let answer = first;
  let at = start;
  for (let breaks = 0; ; ) {
    let broken: unknown = new Error('fewer bytes came than were announced');
    try {
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        at += chunk.length;
        breaks = 0;
        yield chunk;
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      broken = error;
    }
    if (at >= end || Number.isNaN(length)) return;
    if (++breaks > BREAKS) throw new StoreError('failed', DRIVER, path, broken);
    const next = await again(at, end);
    if (next === undefined || next.status !== 206) {
      throw new StoreError('failed', DRIVER, path, new Error('the object changed while it was read'));
    }
    answer = next as Streamed;
  }
}
