/** What of an answer is compared, with everything taken out that differs between any two runs. */
import { createHash } from 'node:crypto';
import type { Reply } from './send.ts';

/**
 * Field name to value: `status`, `header NAME`, `body`, and of errors in the JSON envelope `codes`, `messages`, `details`.
 * A difference may also be one of `form`: a line of text or a page on one side, the envelope or nothing on the other.
 */
export type Observation = ReadonlyMap<string, string>;

export interface Difference {
  /** `AREA: EXCHANGE`, with `, request N` where it has several. */
  readonly at: string;
  readonly field: string;
  readonly theirs: string;
  readonly ours: string;
}

export const absent = '(absent)';

/** Of the connection, not of the answer. */
const unrelated: ReadonlySet<string> = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);

/** What comes with the form of a body. Fixed headers are added to envelopes, but not to Go's pages. */
const ofForm = ['body', 'codes', 'messages', 'details', 'header content-type', 'header content-length'];
const fixed = ['header x-content-type-options', 'header x-twice'];

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** `port` is that of the server, which stands in URLs. */
export function observe(method: string, reply: Reply, port: number): Observation {
  const text = (value: string): string => normal(value, port);
  const fields = new Map<string, string>();
  for (const [name, value] of reply.headers) {
    if (!unrelated.has(name)) fields.set(`header ${name}`, text(value));
  }
  const type = fields.get('header content-type') ?? '';
  const isMultipart = type.startsWith('multipart/byteranges');
  if (isMultipart) fields.set('header content-type', 'multipart/byteranges; boundary=RANDOM');
  // Boundaries have a length of their own, and errors' texts are compared as such.
  if (isMultipart || (method === 'HEAD' && reply.status >= 300)) fields.delete('header content-length');
  const errors = errorsOf(reply);
  if (errors === undefined) fields.set('body', bodyText(reply, text));
  else {
    // Its length follows from what is compared.
    fields.delete('header content-length');
    fields.set('codes', errors.map(({ code }) => code).join(' '));
    fields.set('messages', errors.map(({ message }) => message).join(' | '));
    fields.set('details', text(errors.map(({ detail }) => JSON.stringify(detail) ?? absent).join(' | ')));
  }
  fields.set('status', `${reply.status}`);
  return fields;
}

/** Where the status differs the answers are of two kinds, and nothing else of them is compared. */
export function differences(at: string, theirs: Observation, ours: Observation): readonly Difference[] {
  const kind = (fields: Observation): string => [fields.get('status'), fields.get('codes')].filter(Boolean).join(' ');
  if (theirs.get('status') !== ours.get('status')) {
    return [{ at, field: 'status', theirs: kind(theirs), ours: kind(ours) }];
  }
  const form = differenceOfForm(at, theirs, ours);
  const skipped = form === undefined ? [] : [...ofForm, ...fixed];
  const fields = [...new Set([...theirs.keys(), ...ours.keys()])].filter((field) => !skipped.includes(field)).sort();
  const found = fields.flatMap((field) => {
    const [one, other] = [theirs.get(field) ?? absent, ours.get(field) ?? absent];
    return one === other ? [] : [{ at, field, theirs: one, ours: other }];
  });
  return form === undefined ? found : [form, ...found];
}

function differenceOfForm(at: string, theirs: Observation, ours: Observation): Difference | undefined {
  const isMoved = theirs.get('status')?.startsWith('3') === true;
  if (theirs.has('codes') === ours.has('codes') && !isMoved) return undefined;
  const shape = (fields: Observation): string => fields.get('codes') ?? fields.get('body') ?? absent;
  const [one, other] = [shape(theirs), shape(ours)];
  const types = [theirs, ours].map((fields) => fields.get('header content-type'));
  if (one === other && types[0] === types[1]) return undefined;
  return { at, field: 'form', theirs: one, ours: other };
}

function normal(text: string, port: number): string {
  return text
    .replaceAll(`127.0.0.1:${port}`, 'HOST')
    .replace(/_state=([^&;>\s]+)/g, (_, token: string) => `_state=${stateOf(token)}`)
    .replace(uuid, 'UUID')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');
}

/** An HMAC of 32 bytes, then JSON: its shape is compared, not its time. */
function stateOf(token: string): string {
  try {
    const bytes = Buffer.from(decodeURIComponent(token), 'base64url');
    const state = JSON.parse(bytes.subarray(32).toString()) as Record<string, unknown>;
    return `(${Object.keys(state).join(',')} of ${String(state['Name'])} at ${String(state['Offset'])})`;
  } catch {
    return 'unreadable';
  }
}

interface WireError {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
}

function errorsOf({ headers, body }: Reply): readonly WireError[] | undefined {
  if (!(headers.get('content-type') ?? '').startsWith('application/json')) return undefined;
  try {
    const { errors } = JSON.parse(body.toString()) as { errors?: readonly WireError[] };
    return Array.isArray(errors) ? errors : undefined;
  } catch {
    return undefined;
  }
}

/** Text as it is, since a line's end counts too; anything large or binary by its hash. */
function bodyText({ headers, body }: Reply, text: (value: string) => string): string {
  if ((headers.get('content-type') ?? '').startsWith('multipart/byteranges')) return partsOf(body);
  const isText = body.length < 2000 && !body.includes(0);
  return isText
    ? JSON.stringify(text(body.toString()))
    : `${body.length} bytes, ${createHash('sha256').update(body).digest('hex').slice(0, 16)}`;
}

/** Without the boundary, which is random. */
function partsOf(body: Buffer): string {
  const boundary = /^(?:\r\n)?--([^\r\n]+)/.exec(body.toString('latin1'))?.[1] ?? '';
  const parts = body.toString('latin1').split(`--${boundary}`).slice(1, -1);
  return parts.map((part) => part.trim().split('\r\n').sort().join(' / ')).join(' || ');
}
