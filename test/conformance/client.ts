import { readFileSync } from 'node:fs';
import { type Answer, appendQuery, type Outgoing, type Transport } from './http.ts';
import type { Options } from './options.ts';

/** A request as a registry client makes it: challenges are answered and redirects followed, unless it says otherwise. */
export interface Request extends Outgoing {
  /** Default true. */
  readonly redirects?: boolean;
  /** Default true: answers a 401, once, by what its challenge asks for. */
  readonly authenticate?: boolean;
}

export interface Client {
  send(request: Request): Promise<Answer>;
}

/**
 * Answers challenges as the official conformance program does: one `WWW-Authenticate` line with quoted parameters; Basic
 * as it is, Bearer by a GET of the realm with Basic credentials, empty ones when none are configured.
 *
 * @param tokens authorization by host, repository and kind of access; shared by the tests so that each need not ask again
 */
export function createClient(transport: Transport, options: Options, tokens: Map<string, string>): Client {
  async function authorised(request: Request): Promise<Answer> {
    if (request.authenticate === false || request.headers?.['authorization'] !== undefined) {
      return transport.exchange(request);
    }
    const key = accessKey(request);
    const known = tokens.get(key);
    const first = await transport.exchange(known === undefined ? request : withAuthorization(request, known));
    const challenge = first.header('www-authenticate');
    if (first.status !== 401 || challenge === undefined) return first;
    const authorization = await answerChallenge(transport, challenge, options);
    if (authorization === undefined) return first;
    tokens.set(key, authorization);
    return transport.exchange(withAuthorization(request, authorization));
  }

  return {
    async send(request) {
      let next = request;
      let digest: string | undefined;
      for (let hops = 0; ; hops++) {
        const answer = withDigest(await authorised(next), digest);
        const location = answer.header('location');
        if (request.redirects === false || location === undefined || hops === 5) return answer;
        if (!isRedirect(answer.status, next.method)) return answer;
        digest = answer.header('docker-content-digest');
        next = redirected(next, new URL(location, next.url).href);
      }
    },
  };
}

/** Storage knows nothing of digests: what the registry said on the way there counts for the content. */
function withDigest(answer: Answer, digest: string | undefined): Answer {
  if (digest === undefined || answer.header('docker-content-digest') !== undefined) return answer;
  return {
    ...answer,
    header: (name) => (name.toLowerCase() === 'docker-content-digest' ? digest : answer.header(name)),
  };
}

function isRedirect(status: number, method: string): boolean {
  if (method === 'GET' || method === 'HEAD') return [301, 302, 303, 307, 308].includes(status);
  return status === 307 || status === 308;
}

/** Credentials never travel to another host (clause G3). */
function redirected(request: Request, url: string): Request {
  if (new URL(url).host === new URL(request.url).host) return { ...request, url };
  const headers = Object.entries(request.headers ?? {}).filter(([name]) => name.toLowerCase() !== 'authorization');
  return { ...request, url, headers: Object.fromEntries(headers), authenticate: false };
}

function accessKey(request: Request): string {
  const { host, pathname } = new URL(request.url);
  const repository = /\/v2\/(.*)\/(?:blobs|manifests|tags|referrers)\//.exec(pathname)?.[1] ?? '';
  const access = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : request.method;
  return `${host} ${repository} ${access}`;
}

function withAuthorization(request: Request, authorization: string): Request {
  return { ...request, headers: { ...request.headers, authorization } };
}

export function basicAuthorization(options: Options): string {
  const password =
    options.passwordFile === undefined ? '' : readFileSync(options.passwordFile, 'utf8').split(/\r?\n/)[0];
  return `Basic ${Buffer.from(`${options.username}:${password}`).toString('base64')}`;
}

export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The scheme in lower case and the quoted parameters of a `WWW-Authenticate` value. */
export function parseChallenge(value: string): Challenge {
  const scheme = /^\s*([A-Za-z]+)/.exec(value)?.[1]?.toLowerCase() ?? '';
  const parameters = [...value.matchAll(/([a-z_]+)="([^"]*)"/gi)].map((found) => [found[1]?.toLowerCase(), found[2]]);
  return { scheme, parameters: Object.fromEntries(parameters) };
}

async function answerChallenge(transport: Transport, value: string, options: Options): Promise<string | undefined> {
  const { scheme, parameters } = parseChallenge(value);
  if (scheme === 'basic') return options.username === '' ? undefined : basicAuthorization(options);
  const realm = parameters['realm'];
  if (scheme !== 'bearer' || realm === undefined) return undefined;
  const query: Record<string, string> = {};
  for (const name of ['service', 'scope']) {
    if (parameters[name] !== undefined) query[name] = parameters[name];
  }
  const answer = await transport.exchange({
    method: 'GET',
    url: appendQuery(realm, query),
    headers: { authorization: basicAuthorization(options), 'accept-encoding': 'identity' },
  });
  if (answer.status !== 200) return undefined;
  const body = JSON.parse(answer.body.toString()) as { access_token?: string; token?: string };
  const token = body.access_token ?? body.token;
  return token === undefined ? undefined : `Bearer ${token}`;
}
