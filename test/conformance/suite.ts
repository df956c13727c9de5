import { randomBytes } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { type Client, createClient, type Request } from './client.ts';
import { Declined, named } from './expect.ts';
import { type Answer, createTransport, NoAnswer } from './http.ts';
import { checkInvariants } from './invariants.ts';
import type { Options } from './options.ts';
import { createRepository, type Repository } from './repository.ts';

/** What a test has at hand. */
export interface Trial {
  readonly options: Options;
  readonly client: Client;
  /** A repository that no other test uses, and that does not exist yet. */
  repository(suffix?: string): Repository;
  /** The same below the second name, for the sources of mounts. */
  source(): Repository;
  /** The base URL, `…/v2/` with a path behind it. */
  url(path: string): string;
  /** The statuses that the specification accepts; when Berth's answers are held, only the decided one. */
  accepted(decided: number, ...others: readonly number[]): readonly number[];
}

export type Clause = (name: string, body: (trial: Trial) => Promise<void>) => void;

/** A file's tests: it is given the function that adds one, and the options, to leave out what does not apply. */
export type Family = (clause: Clause, options: Options) => void;

const limit = 180_000;

/** Registers the families with the test runner, each as a suite whose tests run side by side. */
export function runFamilies(families: Readonly<Record<string, Family>>, options: Options): void {
  const transport = createTransport();
  const tokens = new Map<string, string>();

  for (const [title, family] of Object.entries(families)) {
    describe(title, { concurrency: options.concurrency }, () => {
      family((name, body) => {
        test(name, { timeout: limit }, async (t) => {
          const answers: Answer[] = [];
          const client = recording(createClient(transport, options, tokens), answers);
          try {
            await attempt(t, options, answers, () => body(trialOf(client, options)));
          } finally {
            if (!options.keep && !options.deleteDisabled)
              await cleanUp(createClient(transport, options, tokens), answers);
          }
        });
      }, options);
    });
  }
}

async function attempt(t: TestContext, options: Options, answers: readonly Answer[], body: () => Promise<void>) {
  try {
    await body();
    for (const answer of answers) checkInvariants(answer, options.strict);
  } catch (error) {
    if (error instanceof Declined && !options.strict) t.skip(error.message);
    else throw explained(error, answers);
  }
}

function recording(client: Client, answers: Answer[]): Client {
  return {
    async send(request: Request) {
      const answer = await client.send(request);
      answers.push(answer);
      return answer;
    },
  };
}

function trialOf(client: Client, options: Options): Trial {
  const unique = (prefix: string, suffix: string) => `${prefix}/${randomBytes(6).toString('hex')}${suffix}`;
  return {
    options,
    client,
    repository: (suffix = '') => createRepository(client, options.url, unique(options.repository, suffix)),
    source: () => createRepository(client, options.url, unique(options.repository2, '')),
    url: (path) => `${options.url}/v2/${path}`,
    accepted: (decided, ...others) => (options.strict ? [decided] : [decided, ...others]),
  };
}

/** The message with the exchanges that led to it; bodies and credentials stay out. */
function explained(error: unknown, answers: readonly Answer[]): Error {
  const cause = error instanceof Error ? error : new Error(String(error));
  const shown = ['location', 'range', 'content-type', 'content-length', 'docker-content-digest', 'link'];
  const trail = answers.slice(-8).map((answer) => {
    const sent = answer.request.headers?.['content-range'];
    const headers = shown.flatMap((name) => {
      const value = answer.header(name);
      return value === undefined ? [] : `${name}: ${value}`;
    });
    const range = sent === undefined ? '' : ` (Content-Range ${String(sent)})`;
    return `  ${named(answer)}${range}\n    -> ${[answer.status, ...headers].join('; ')}`;
  });
  const message = trail.length === 0 ? cause.message : `${cause.message}\nlast exchanges:\n${trail.join('\n')}`;
  const failure = cause instanceof NoAnswer ? new NoAnswer(message) : new Error(message);
  failure.name = cause.name;
  const frames = cause.stack?.split('\n').filter((line) => /^ {4}at .*\/conformance\/(core|groups)\//.test(line)) ?? [];
  failure.stack = [message, ...frames.slice(0, 3)].join('\n');
  return failure;
}

/** Best effort: a registry that cannot delete keeps what was pushed, and the tests of deleting tell of it. */
async function cleanUp(client: Client, answers: readonly Answer[]): Promise<void> {
  const pushed = answers.filter(({ status, request }) => status === 201 && request.method !== 'GET');
  const locations = pushed.map((answer) => new URL(answer.header('location') ?? '', answer.request.url).href);
  for (const url of new Set(locations.reverse())) {
    try {
      if (/\/(manifests|blobs)\/[^/?]+$/.test(url)) await client.send({ method: 'DELETE', url, redirects: false });
    } catch {
      return;
    }
  }
}
