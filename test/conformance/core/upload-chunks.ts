import assert from 'node:assert/strict';
import { follow } from '../blob-push.ts';
import { expectError, expectHeader, expectStatus, locationOf } from '../expect.ts';
import { appendQuery, rewriteQuery } from '../http.ts';
import { layer } from '../images.ts';
import { expectPullable, octets, type Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Chunks in and out of order (clauses B6 to B10). The blob has 3067 bytes in chunks of 1024, 1024 and 1019. */
export const uploadChunks: Family = (clause) => {
  const [one, two, end] = [1024, 2048, 3067];

  /** The status of a live upload (clause B11), which shows what is stored; `undefined`: any. */
  async function expectStored(repository: Repository, location: string, last: number | undefined): Promise<string> {
    const answer = await repository.get(location);
    expectStatus(answer, 204);
    expectHeader(answer, 'range', last === undefined ? /^0-\d+$/ : `0-${last}`);
    return rewriteQuery(locationOf(answer));
  }

  /** A first chunk, accepted; gives the `Location` to go on with. */
  async function append(repository: Repository, location: string, chunk: Buffer): Promise<string> {
    const answer = await repository.patch(location, 0, chunk);
    expectStatus(answer, 202);
    return follow(answer, location);
  }

  for (const algorithm of ['sha256', 'sha512']) {
    clause(
      `[B8] PATCH that does not begin at the stored size, three rounds (${algorithm}): 416, and the upload goes on`,
      async (t) => {
        const repository = t.repository();
        const { bytes, descriptor } = layer(end, algorithm);
        let location = await repository.open();
        const rounds = [
          { wrong: one, stored: undefined, from: 0, to: one },
          { wrong: two, stored: one - 1, from: one, to: two },
          { wrong: 0, stored: two - 1, from: two, to: end },
        ];
        for (const { wrong, stored, from, to } of rounds) {
          const refused = await repository.patch(
            location,
            wrong,
            bytes.subarray(wrong, wrong === two ? end : wrong + 1024),
          );
          expectStatus(refused, 416);
          location = await expectStored(repository, location, stored);
          const accepted = await repository.patch(location, from, bytes.subarray(from, to));
          expectStatus(accepted, 202);
          expectHeader(accepted, 'range', `0-${to - 1}`);
          location = follow(accepted, location);
        }
        await expectPullable(repository, await repository.close(location, descriptor.digest), { bytes, descriptor });
      },
    );

    clause(
      `[B9] closing PUT with an out-of-order Content-Range (${algorithm}): 416, and the upload goes on`,
      async (t) => {
        const repository = t.repository();
        const { bytes, descriptor } = layer(end, algorithm);
        let location = await repository.open();
        expectStatus(await repository.patch(location, one, bytes.subarray(one, two)), 416);
        location = await expectStored(repository, location, undefined);
        location = await append(repository, location, bytes.subarray(0, one));
        const range = { 'content-range': `${two}-${end - 1}` };
        const refused = await repository.close(location, descriptor.digest, bytes.subarray(two), range);
        expectStatus(refused, 416);
        // The official program asks for the status at the very URL that was refused, digest and all.
        location = await expectStored(repository, appendQuery(location, { digest: descriptor.digest }), one - 1);
        const second = await repository.patch(location, one, bytes.subarray(one, two));
        expectStatus(second, 202);
        location = follow(second, location);
        expectStatus(await repository.patch(location, 0, bytes.subarray(0, one)), 416);
        location = await expectStored(repository, location, two - 1);
        const answer = await repository.close(location, descriptor.digest, bytes.subarray(two), range);
        await expectPullable(repository, answer, { bytes, descriptor });
      },
    );
  }

  clause('[B8] a stored chunk sent again on the old Location: 416', async (t) => {
    const repository = t.repository();
    const { bytes } = layer(end);
    const old = await repository.open();
    expectStatus(await repository.patch(old, 0, bytes.subarray(0, one)), 202);
    expectStatus(await repository.patch(old, 0, bytes.subarray(0, one)), 416);
  });

  clause('[B8] an out-of-order PATCH in chunked transfer encoding: 416', async (t) => {
    const repository = t.repository();
    const { bytes, descriptor } = layer(end);
    const location = await repository.open();
    const refused = await repository.send('PATCH', location, {
      body: bytes.subarray(one, two),
      framing: 'chunked',
      headers: { ...octets, 'content-range': `${one}-${two - 1}` },
    });
    expectStatus(refused, 416);
    const again = await expectStored(repository, location, t.options.strict ? 0 : undefined);
    await expectPullable(repository, await repository.close(again, descriptor.digest, bytes), { bytes, descriptor });
  });

  clause('[B8] a 416 tells where to go on', async (t) => {
    const repository = t.repository();
    const { bytes } = layer(end);
    const location = await append(repository, await repository.open(), bytes.subarray(0, one));
    const refused = await repository.patch(location, two, bytes.subarray(two));
    expectStatus(refused, 416);
    if (!t.options.strict) return;
    expectHeader(refused, 'range', `0-${one - 1}`);
    expectStatus(await repository.patch(rewriteQuery(locationOf(refused)), one, bytes.subarray(one, two)), 202);
  });

  clause('[B8] a refused PATCH of 8 MiB is answered, and does not reset the connection', async (t) => {
    const repository = t.repository();
    const location = await repository.open();
    const large = Buffer.alloc(8 << 20, 7);
    expectStatus(await repository.patch(location, 1, large), 416);
    const malformed = await repository.send('PATCH', location, {
      body: large,
      headers: { ...octets, 'content-range': 'x' },
    });
    expectStatus(malformed, 400, 416);
    await expectStored(repository, location, t.options.strict ? 0 : undefined);
  });

  for (const range of [
    'bytes 0-1',
    '1',
    '5-2',
    '0-1/2',
    '-1',
    'a-b',
    '0-1, 2-3',
    '99999999999999999999-99999999999999999999',
  ]) {
    clause(`[B7] malformed Content-Range "${range}": 400 or 416, never 500`, async (t) => {
      const repository = t.repository();
      const location = await repository.open();
      const answer = await repository.send('PATCH', location, {
        body: Buffer.from('ab'),
        headers: { ...octets, 'content-range': range },
      });
      expectStatus(answer, 400, 416);
      await expectStored(repository, location, t.options.strict ? 0 : undefined);
    });
  }

  clause('[B7] a Content-Range that spans more or less than Content-Length: 400', async (t) => {
    const repository = t.repository();
    const location = await repository.open();
    for (const range of ['0-0', '0-9']) {
      const answer = await repository.send('PATCH', location, {
        body: Buffer.from('abc'),
        headers: { ...octets, 'content-range': range },
      });
      expectStatus(answer, ...t.accepted(400, 416));
      if (t.options.strict) expectError(answer, [400], 'SIZE_INVALID');
    }
  });

  clause('[B7] a Content-Range that spans more than a chunked body brings: 400, and nothing is counted', async (t) => {
    const repository = t.repository();
    const { bytes, descriptor } = layer(64);
    const location = await repository.open();
    const answer = await repository.send('PATCH', location, {
      body: bytes.subarray(0, 10),
      framing: 'chunked',
      headers: { ...octets, 'content-range': '0-19' },
    });
    if (!t.options.strict) return expectStatus(answer, 400, 416, 202);
    expectError(answer, [400], 'SIZE_INVALID');
    const current = follow(await repository.get(location), location);
    const closed = await repository.close(current, descriptor.digest, bytes);
    expectStatus(closed, 201, 400);
  });

  clause('[B7] Location and Range of every 202 lead through the upload', async (t) => {
    const repository = t.repository();
    const { bytes, descriptor } = layer(end);
    let location = await repository.open();
    for (const [from, to] of [
      [0, one],
      [one, two],
      [two, end],
    ] as const) {
      const answer = await repository.patch(location, from, bytes.subarray(from, to));
      expectStatus(answer, 202);
      expectHeader(answer, 'range', `0-${to - 1}`);
      location = rewriteQuery(locationOf(answer));
    }
    await expectPullable(repository, await repository.close(location, descriptor.digest), { bytes, descriptor });
  });

  clause('[B10] the last chunk in the PUT without Content-Range', async (t) => {
    const repository = t.repository();
    const { bytes, descriptor } = layer(end);
    const location = await append(repository, await repository.open(), bytes.subarray(0, one));
    await expectPullable(repository, await repository.close(location, descriptor.digest, bytes.subarray(one)), {
      bytes,
      descriptor,
    });
  });

  clause('[B6] a chunk minimum, where there is one, is an integer, and a short last chunk works', async (t) => {
    const repository = t.repository();
    const opened = await repository.send('POST', 'blobs/uploads/');
    const announced = opened.header('oci-chunk-min-length');
    if (t.options.strict) assert.equal(announced, undefined);
    if (announced !== undefined) assert.match(announced, /^\d+$/);
    const least = Math.max(1024, Number(announced ?? 0));
    const { bytes, descriptor } = layer(least + 1);
    const first = await repository.patch(rewriteQuery(locationOf(opened)), 0, bytes.subarray(0, least));
    expectStatus(first, 202);
    const last = await repository.patch(rewriteQuery(locationOf(first)), least, bytes.subarray(least));
    expectStatus(last, 202);
    const answer = await repository.close(rewriteQuery(locationOf(last)), descriptor.digest);
    await expectPullable(repository, answer, { bytes, descriptor });
  });
};
