/** What GCS answers, in the contract's words, with a sentence that names the bucket and the remedy. */
import { connectionFault } from './object-http.ts';
import { StoreError } from './store.ts';

export const DRIVER = 'gcs';

export interface Place {
  readonly bucket: string;
  /** The service's address. */
  readonly url: string;
}

/** An answer that nobody asked for. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

interface ErrorBody {
  readonly error?: { readonly message?: unknown; readonly errors?: readonly { readonly reason?: unknown }[] } | string;
  readonly error_description?: unknown;
}

/** The service's own words, in one line; it answers in JSON, in XML, or in plain text. */
function wordsOf({ text }: Refusal): string {
  try {
    const { error } = JSON.parse(text) as ErrorBody;
    const message = typeof error === 'object' ? error.message : error;
    if (typeof message === 'string') return firstLine(message);
  } catch {
    // Not JSON.
  }
  return firstLine(/<(?:Message|Details)>([^<]*)/.exec(text)?.[1] ?? text);
}

const firstLine = (text: string): string => (text.trim().split('\n')[0] ?? '').slice(0, 300);

/** A 404 that is about the bucket and not about an object. */
export const isBucketMissing = (refusal: Refusal): boolean =>
  refusal.status === 404 && /bucket does not exist|NoSuchBucket/i.test(refusal.text);

/** One line, for a log or a start that fails. */
export function refusalSentence({ bucket, url }: Place, refusal: Refusal): string {
  const at = `bucket "${bucket}" at ${url}`;
  if (isBucketMissing(refusal)) return `there is no ${at}: create it, or correct storage.gcs.bucket`;
  const words = wordsOf(refusal);
  switch (refusal.status) {
    case 401:
      return `${at} does not accept the credentials: check storage.gcs.keyfile or credentials, and the machine's clock (${words})`;
    case 403:
      return /retention|hold/i.test(words)
        ? `${at} does not let objects be replaced or deleted: take the retention policy off (${words})`
        : `${at} denies access: give this service account the role "Storage Object Admin" on it (${words})`;
    case 429:
      return `${at} is asked too often, and was still after several tries`;
    default:
      return `${at} answered ${refusal.status} ${words}`.trim();
  }
}

/** A sentence for what went wrong before there was an answer: signing in, or the connection. */
export function failureSentence({ bucket, url }: Place, error: unknown): string {
  const broken = connectionFault(error, url);
  if (broken !== undefined) return `${broken}: check storage.gcs.endpoint and the network`;
  const message = firstLine(error instanceof Error ? error.message : String(error));
  if (/default credentials/i.test(message)) {
    return `there are no credentials for bucket "${bucket}": write storage.gcs.keyfile, or let the machine have application default credentials`;
  }
  if ((error as { code?: unknown })?.code === 'ENOENT')
    return `the file storage.gcs.keyfile cannot be read: ${message}`;
  if (/invalid_grant|JWT|PEM|private.?key|DECODER/i.test(message)) {
    return `the credentials of storage.gcs are not accepted: check keyfile or credentials, and the machine's clock (${message})`;
  }
  return `bucket "${bucket}" at ${url}: ${message}`;
}

export const storeFailure = (path: string, sentence: string, cause?: unknown): StoreError =>
  new StoreError('failed', DRIVER, path, new Error(sentence, { cause }));
