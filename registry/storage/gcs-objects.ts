/** Operations on the objects of one bucket, each one call of the JSON API. */
import { type Answer, type Calls, type Scope, TRANSFER } from './gcs-calls.ts';
import { createGcsMedia, type GcsMedia } from './gcs-media.ts';
import type { Fold, FoldRequest } from './object-list.ts';
import type { Entry } from './store.ts';

const TYPE = 'application/octet-stream';
/** What the service lists at once, at most. */
const PAGE = 1000;

export interface Attributes {
  readonly name: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly generation: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
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

export interface GcsObjects extends GcsMedia {
  attributes(name: string, scope: Scope): Promise<Attributes | undefined>;
  /** Writes a whole object; its generation. */
  insert(name: string, content: Buffer, scope: Scope): Promise<string>;
  /** Only over this generation (`'0'`: only if absent), else `undefined`. */
  replace(name: string, content: Buffer, scope: Scope, generation: string): Promise<string | undefined>;
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

  async function attributes(name: string, scope: Scope): Promise<Attributes | undefined> {
    const answer = await calls.run({ ...scope, url: `${urlOf(name)}?fields=${FIELDS}`, answers: [404] });
    return answer.status === 404 ? undefined : attributesOf(JSON.parse(answer.text) as Resource);
  }

  const isThere = async (name: string, scope: Scope) => (await attributes(name, scope)) !== undefined;
  const media = createGcsMedia({ calls, urlOf, isThere });

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

  /** A refusal because of a condition is an answer only to who set one: a bucket's policies refuse with the same status. */
  function write(name: string, body: Buffer, scope: Scope, condition: Condition): Promise<Answer> {
    const query = new URLSearchParams({ uploadType: 'media', name, fields: 'generation', ...condition });
    const answers = condition.ifGenerationMatch === undefined ? [] : [412];
    const url = `/upload${root}?${query}`;
    const headers = { 'content-type': TYPE };
    return calls.run({ ...scope, method: 'POST', url, headers, body, deadline: TRANSFER, answers });
  }

  return {
    ...media,
    attributes,

    insert: async (name, content, scope) => generationIn(await write(name, content, scope, {})),

    async replace(name, content, scope, generation) {
      const answer = await write(name, content, scope, { ifGenerationMatch: generation });
      if (answer.status !== 412) return generationIn(answer);
      if (answer.tries === 1) return undefined;
      // An earlier try may have been ours.
      const found = await media.read(name, scope);
      return found?.bytes.equals(content) ? found.generation : undefined;
    },

    async beginResumable(name, scope) {
      const url = `/upload${root}?${new URLSearchParams({ uploadType: 'resumable', name })}`;
      const headers = { 'x-upload-content-type': TYPE };
      const { headers: answered } = await calls.run({ ...scope, method: 'POST', url, headers, body: '' });
      return String(answered['location']);
    },

    async remove(name, scope, generation) {
      const query = generation === undefined ? '' : `?generation=${generation}`;
      const answers = generation === undefined ? [404] : [404, 412];
      const answer = await calls.run({ ...scope, method: 'DELETE', url: `${urlOf(name)}${query}`, answers });
      if (answer.status < 300) return true;
      // An earlier try may have been ours, unless something is there.
      return answer.tries > 1 && (generation === undefined || (await attributes(name, scope)) === undefined);
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
        answers: [404],
      });
      return answer.status === 404 ? undefined : { name, generation: generationIn(answer) };
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

interface Condition {
  readonly ifGenerationMatch?: string;
}

interface Rewritten {
  readonly done: boolean;
  readonly rewriteToken?: string;
  readonly resource?: { readonly generation?: string };
}

const generationIn = ({ text }: Answer): string => (JSON.parse(text) as { readonly generation: string }).generation;

function attributesOf(resource: Resource): Attributes {
  const { name, size, updated, generation = '', contentType = '', metadata = {} } = resource;
  return { name, size: Number(size ?? 0), modified: Date.parse(updated ?? '') || 0, generation, contentType, metadata };
}
