/** Operations on the objects of one bucket, each one call of the JSON API. */
import { Readable } from 'node:stream';
import { type Answer, type Calls, type Streamed, TRANSFER } from './gcs-calls.ts';
import { DRIVER } from './gcs-errors.ts';
import type { Fold, FoldRequest } from './object-list.ts';
import { type ByteRange, type Entry, StoreError } from './store.ts';

/** What Distribution's unfinished uploads are marked with; to it as to us such an object is not there. */
export const SESSION_TYPE = 'application/x-docker-upload-session';
const TYPE = 'application/octet-stream';
/** What the service lists at once, at most. */
const PAGE = 1000;
/** How often a stream goes on after its connection broke without a byte in between. */
const BREAKS = 5;

export interface Attributes {
  readonly name: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly generation: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What is called, for errors, and until when. */
export interface Scope {
  readonly path: string;
  readonly signal: AbortSignal | undefined;
}

export interface Content {
  readonly bytes: Buffer;
  readonly generation: string;
}

export interface Part {
  readonly name: string;
  readonly generation: string;
}

export interface FlatRequest extends Scope {
  readonly prefix: string;
  /** Only keys from this one on. */
  readonly from?: string | undefined;
  readonly limit?: number | undefined;
  readonly token?: string | undefined;
  /** Leaves out what lies deeper. */
  readonly folded?: boolean;
}

export interface GcsObjects {
  attributes(name: string, scope: Scope): Promise<Attributes | undefined>;
  /** The whole object. `raw`: also what is marked as an unfinished upload. */
  read(name: string, scope: Scope, raw?: boolean): Promise<Content | undefined>;
  /** A checked range; `undefined` if absent. `generation`: of this version only. */
  open(name: string, range: ByteRange, scope: Scope, generation?: string): Promise<Readable | undefined>;
  /** Writes a whole object; its generation. With a generation, only over that one (`'0'`: only if absent), else `undefined`. */
  insert(name: string, content: Buffer, scope: Scope, over?: string): Promise<string | undefined>;
  /** Begins an object whose bytes come in chunks: the address for them. */
  beginResumable(name: string, scope: Scope): Promise<string>;
  /** `false` if nothing was there, or, with a generation, another one. */
  remove(name: string, scope: Scope, generation?: string): Promise<boolean>;
  /** Joins up to 32 objects on the service's side. `undefined` if one of them is gone. */
  compose(name: string, parts: readonly Part[], scope: Scope): Promise<Part | undefined>;
  /** Copies on the service's side. `undefined` if the source is absent. */
  copy(source: string, target: string, scope: Scope, generation?: string): Promise<Part | undefined>;
  flat(request: FlatRequest): Promise<{ readonly found: readonly Attributes[]; readonly next: string | undefined }>;
  fold(request: FoldRequest & Scope): Promise<Fold>;
}

interface Resource {
  readonly name: string;
  readonly size?: string;
  readonly updated?: string;
  readonly generation?: string;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

interface Listing {
  readonly items?: readonly Resource[];
  readonly prefixes?: readonly string[];
  readonly nextPageToken?: string;
}

const FIELDS = 'name,size,updated,generation,contentType,metadata';

export function createGcsObjects(calls: Calls, bucket: string): GcsObjects {
  const root = `/storage/v1/b/${encodeURIComponent(bucket)}/o`;
  const urlOf = (name: string): string => `${root}/${encodeURIComponent(name)}`;

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

  async function attributes(name: string, scope: Scope): Promise<Attributes | undefined> {
    const answer = await calls.run({ ...scope, url: `${urlOf(name)}?fields=${FIELDS}`, answers: [404] });
    return answer.status === 404 ? undefined : attributesOf(JSON.parse(answer.text) as Resource);
  }

  async function list(request: FlatRequest): Promise<Listing> {
    const { path, signal, prefix, from, limit, token, folded } = request;
    const query = new URLSearchParams({
      prefix,
      maxResults: String(Math.max(1, Math.min(limit ?? PAGE, PAGE))),
      fields: `items(${FIELDS}),prefixes,nextPageToken`,
      ...(folded && { delimiter: '/' }),
      ...(from !== undefined && { startOffset: from }),
      ...(token !== undefined && { pageToken: token }),
    });
    return JSON.parse((await calls.run({ path, signal, url: `${root}?${query}` })).text) as Listing;
  }

  return {
    attributes,

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
        return (await attributes(name, scope)) === undefined ? undefined : empty();
      }
      const answer = await media(name, start, end, scope, generation);
      if (answer === undefined) return undefined;
      // It begins at the end, or behind it.
      if (answer.status === 416) return empty();
      const again = (at: number, until: number) => media(name, at, until, scope, generationOf(answer));
      return Readable.from(chunksOf(answer as Streamed, start, again, scope), { objectMode: false });
    },

    async insert(name, content, scope, over) {
      const query = new URLSearchParams({
        uploadType: 'media',
        name,
        fields: 'generation',
        ...(over !== undefined && { ifGenerationMatch: over }),
      });
      const answer = await calls.run({
        ...scope,
        method: 'POST',
        url: `/upload${root}?${query}`,
        headers: { 'content-type': TYPE },
        body: content,
        deadline: TRANSFER,
        answers: [412],
      });
      if (answer.status !== 412) return (JSON.parse(answer.text) as { generation: string }).generation;
      if (answer.tries === 1) return undefined;
      // An earlier try may have been ours.
      const found = await media(name, 0, undefined, scope);
      const bytes =
        found && found.status === 200 ? Buffer.from(await (found as Streamed).body.arrayBuffer()) : undefined;
      return found && bytes?.equals(content) ? generationOf(found) : undefined;
    },

    async beginResumable(name, scope) {
      const url = `/upload${root}?${new URLSearchParams({ uploadType: 'resumable', name })}`;
      const headers = { 'x-upload-content-type': TYPE };
      const { headers: answered } = await calls.run({ ...scope, method: 'POST', url, headers, body: '' });
      return String(answered['location']);
    },

    async remove(name, scope, generation) {
      const query = generation === undefined ? '' : `?generation=${generation}`;
      const answer = await calls.run({
        ...scope,
        method: 'DELETE',
        url: `${urlOf(name)}${query}`,
        answers: [404, 412],
      });
      return answer.status < 300 || answer.tries > 1;
    },

    async compose(name, parts, scope) {
      const sourceObjects = parts.map((part) => ({ name: part.name, generation: part.generation }));
      const answer = await calls.run({
        ...scope,
        method: 'POST',
        url: `${urlOf(name)}/compose?fields=generation`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ sourceObjects, destination: { contentType: TYPE } }),
        deadline: TRANSFER,
        answers: [404, 412],
      });
      if (answer.status >= 300) return undefined;
      return { name, generation: (JSON.parse(answer.text) as { generation: string }).generation };
    },

    async copy(source, target, scope, generation) {
      const at = `${urlOf(source)}/rewriteTo/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(target)}`;
      for (let token: string | undefined; ; ) {
        const query = new URLSearchParams({
          ...(generation !== undefined && { sourceGeneration: generation }),
          ...(token !== undefined && { rewriteToken: token }),
        });
        // The attributes are named, so that those of an unfinished upload do not come along.
        const answer = await calls.run({
          ...scope,
          method: 'POST',
          url: `${at}?${query}`,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ contentType: TYPE }),
          deadline: TRANSFER,
          answers: [404],
        });
        if (answer.status === 404) return undefined;
        const { done, rewriteToken, resource } = JSON.parse(answer.text) as Rewritten;
        if (done) return { name: target, generation: resource?.generation ?? '' };
        token = rewriteToken;
      }
    },

    async flat(request) {
      const { items = [], nextPageToken } = await list(request);
      return { found: items.map(attributesOf), next: nextPageToken };
    },

    async fold(request) {
      const { prefix } = request;
      const { items = [], prefixes = [], nextPageToken } = await list({ ...request, folded: true });
      const objects = items.map(({ name }): [string, Entry] => [
        name,
        { name: name.slice(prefix.length), isDirectory: false },
      ]);
      const folders = prefixes.map((name): [string, Entry] => [
        name,
        { name: name.slice(prefix.length, -1), isDirectory: true },
      ]);
      // The service mixes both in the order of names, and hands them over apart.
      const entries = [...objects, ...folders].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
      return { entries, next: nextPageToken };
    },
  };
}

interface Rewritten {
  readonly done: boolean;
  readonly rewriteToken?: string;
  readonly resource?: { readonly generation?: string };
}

function attributesOf(resource: Resource): Attributes {
  const { name, size, updated, generation = '', contentType = '', metadata = {} } = resource;
  return { name, size: Number(size ?? 0), modified: Date.parse(updated ?? '') || 0, generation, contentType, metadata };
}

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
