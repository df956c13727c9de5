/** A look at the bucket before anything is served: what is wrong for good is an error, what may pass a warning. */
import type { GcsConfig } from '../config/types.ts';
import { withDeadline } from './deadline.ts';
import { createGcsClient } from './gcs-client.ts';
import { failureSentence, type Place, type Refusal, refusalSentence } from './gcs-errors.ts';
import { connectionFault, createConnections } from './object-http.ts';
import { baseOf } from './object-keys.ts';

/** Milliseconds for the whole look: the registry starts without an answer as well. */
const PATIENCE = 15_000;
/** Statuses that may be others the next time. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** Throws a sentence for people, or resolves with a warning. Lists one name, which the registry has to be allowed anyway. */
export async function checkGcsBucket(config: GcsConfig, userAgent: string): Promise<string | undefined> {
  const connections = createConnections(false);
  const client = createGcsClient(config, Date.now);
  const place: Place = { bucket: config.bucket, url: client.url };
  const query = new URLSearchParams({ prefix: baseOf(config.rootdirectory), maxResults: '1', fields: 'items(name)' });
  const { origin, pathname, search } = new URL(
    `${client.url}/storage/v1/b/${encodeURIComponent(config.bucket)}/o?${query}`,
  );
  const passing = (sentence: string): string => `storage.gcs: ${sentence}; it is tried again with each request`;

  async function ask(signal: AbortSignal): Promise<Refusal> {
    const headers = { ...(await client.headers()), 'user-agent': userAgent };
    const { statusCode: status, body } = await connections.request({
      origin,
      path: pathname + search,
      method: 'GET',
      headers,
      signal,
    });
    return { status, text: await body.text() };
  }

  try {
    const answer = await withDeadline(undefined, PATIENCE, ask).catch((error: unknown) => {
      const sentence = failureSentence(place, error);
      if (connectionFault(error, client.url) !== undefined) return passing(sentence);
      throw new Error(`storage.gcs: ${sentence}`, { cause: error });
    });
    if (typeof answer === 'string') return answer;
    if (answer.status < 300) return undefined;
    const sentence = refusalSentence(place, answer);
    if (PASSING.has(answer.status)) return passing(sentence);
    throw new Error(`storage.gcs: ${sentence}`);
  } finally {
    await connections.destroy();
  }
}
