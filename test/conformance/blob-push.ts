import { expectHeader, expectStatus, locationOf } from './expect.ts';
import { type Answer, appendQuery, rewriteQuery } from './http.ts';
import type { Content } from './images.ts';
import { octets, type Repository } from './repository.ts';

/**
 * The ways in which clients push a blob, each with the framing that clients use for it. A way fails by itself when a step
 * before the last goes wrong; the answer to the last step is for the test to judge.
 */
export type Way = (repository: Repository, blob: Content) => Promise<Answer>;

/** An empty body of unknown length, as Go's client sends it. */
function framing(blob: Content): 'chunked' | 'length' {
  return blob.bytes.length === 0 ? 'chunked' : 'length';
}

async function single({ send, close }: Repository, { bytes, descriptor }: Content): Promise<Answer> {
  const path = appendQuery('blobs/uploads/', { digest: descriptor.digest });
  const answer = await send('POST', path, {
    body: bytes,
    framing: bytes.length === 0 ? 'chunked' : 'length',
    headers: octets,
  });
  return answer.status === 202 ? close(rewriteQuery(locationOf(answer)), descriptor.digest, bytes) : answer;
}

async function monolithic({ send, open }: Repository, blob: Content): Promise<Answer> {
  const location = appendQuery(await open(), { digest: blob.descriptor.digest });
  return send('PUT', location, { body: blob.bytes, framing: framing(blob), headers: octets });
}

/** The `Location` to go on with: the new one, or the old one if none came. */
export function follow(answer: Answer, location: string): string {
  return answer.header('location') === undefined ? location : rewriteQuery(locationOf(answer));
}

async function patches(repository: Repository, blob: Content, sizes: readonly number[]): Promise<string> {
  let location = await repository.open();
  let offset = 0;
  for (const size of sizes) {
    const answer = await repository.patch(location, offset, blob.bytes.subarray(offset, offset + size));
    expectStatus(answer, 202);
    offset += size;
    expectHeader(answer, 'range', `0-${offset - 1}`);
    location = follow(answer, location);
  }
  return location;
}

const thirds = ({ bytes }: Content) => Math.max(1, Math.ceil(bytes.length / 3));

export const ways = {
  'a single POST': single,
  'POST and PUT': monolithic,
  'one PATCH and an empty PUT': async (repository, blob) =>
    repository.close(await patches(repository, blob, [blob.bytes.length]), blob.descriptor.digest),
  'three PATCHes and an empty PUT': async (repository, blob) => {
    const third = thirds(blob);
    return repository.close(
      await patches(repository, blob, [third, third, blob.bytes.length - 2 * third]),
      blob.descriptor.digest,
    );
  },
  'two PATCHes and the last chunk in the PUT': async (repository, blob) => {
    const third = thirds(blob);
    const location = await patches(repository, blob, [third, third]);
    const range = { 'content-range': `${2 * third}-${blob.bytes.length - 1}` };
    return repository.close(location, blob.descriptor.digest, blob.bytes.subarray(2 * third), range);
  },
  'a PATCH in chunked transfer encoding': async (repository, blob) => {
    const location = await repository.open();
    const answer = await repository.send('PATCH', location, { body: blob.bytes, framing: 'chunked', headers: octets });
    expectStatus(answer, 202);
    return repository.close(follow(answer, location), blob.descriptor.digest);
  },
} satisfies Record<string, Way>;

export type WayName = keyof typeof ways;

/** The way that comes in turn for the n-th blob; ways that send chunks need bytes to send. */
export function wayInTurn(n: number, blob: Content): Way {
  const names: readonly WayName[] =
    blob.bytes.length < 6 ? ['a single POST', 'POST and PUT'] : (Object.keys(ways) as WayName[]);
  return ways[names[n % names.length] ?? 'POST and PUT'];
}
