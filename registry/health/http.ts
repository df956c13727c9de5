/** The check of something that is asked by HTTP: HEAD, and one status is the right one. Redirects are followed, as Go does. */
import type { HttpCheckConfig } from '../config/types.ts';
import { redactUrl } from '../log/redact.ts';
import type { Check } from './checks.ts';

/** Where the configuration says nothing. */
const DEADLINE = 10_000;

/** Named by the URI without its secrets: the name is shown to whoever asks the debug server. */
export function httpCheck({ uri, statuscode, timeout, interval, threshold, headers }: HttpCheckConfig): Check {
  const name = redactUrl(uri);
  const { url, authorization } = withoutCredentials(uri);
  return {
    name,
    interval,
    threshold,
    deadline: timeout ?? DEADLINE,
    async probe({ signal }) {
      const sent = new Headers(authorization === undefined ? {} : { authorization });
      for (const [header, values] of Object.entries(headers)) {
        sent.delete(header);
        for (const value of values) sent.append(header, value);
      }
      const answer = await fetch(url, { method: 'HEAD', headers: sent, redirect: 'follow', signal }).catch(
        (error: unknown) => {
          throw new Error(`${name}: error while checking: ${reasonOf(error)}`);
        },
      );
      await answer.body?.cancel();
      if (answer.status !== statuscode) {
        throw new Error(`${name}: downstream service returned unexpected status: ${answer.status}`);
      }
    },
  };
}

/** A URL may carry a user and a password, which become a header. */
function withoutCredentials(uri: string): { readonly url: string; readonly authorization: string | undefined } {
  const url = URL.parse(uri);
  if (url === null || (url.username === '' && url.password === '')) return { url: uri, authorization: undefined };
  const credentials = `${decoded(url.username)}:${decoded(url.password)}`;
  url.username = '';
  url.password = '';
  return { url: url.href, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that is only one
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  if (!(cause instanceof Error)) return error instanceof Error ? error.message : String(error);
  return cause.message || (cause as NodeJS.ErrnoException).code || 'no connection';
}
