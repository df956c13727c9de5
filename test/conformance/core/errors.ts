import assert from 'node:assert/strict';
import { errorCodes, expectHeader, expectStatus, jsonBody, named } from '../expect.ts';
import { type Answer, digestOf } from '../http.ts';
import { content, image, layer, types } from '../images.ts';
import { octets } from '../repository.ts';
import type { Family, Trial } from '../suite.ts';

/**
 * Error bodies (clauses G5, G6). That every JSON body of a 4xx has the shape and a known code is checked for each answer of
 * each test; here is the code that belongs to each case, and that errors come as JSON at all.
 */
export const errors: Family = (clause) => {
  const nowhere = digestOf(Buffer.from('nowhere'));

  const cases: Record<string, { codes: readonly string[]; ask(t: Trial): Promise<Answer> }> = {
    'an unknown blob': { codes: ['BLOB_UNKNOWN'], ask: async (t) => (await used(t)).get(`blobs/${nowhere}`) },
    'an unknown tag': { codes: ['MANIFEST_UNKNOWN'], ask: async (t) => (await used(t)).get('manifests/nowhere') },
    'an unknown manifest': {
      codes: ['MANIFEST_UNKNOWN'],
      ask: async (t) => (await used(t)).get(`manifests/${nowhere}`),
    },
    'an unknown repository': { codes: ['NAME_UNKNOWN'], ask: (t) => t.repository().get('tags/list') },
    'an unknown upload': {
      codes: ['BLOB_UPLOAD_UNKNOWN'],
      ask: async (t) => (await used(t)).get('blobs/uploads/018f0000-0000-7000-8000-000000000000'),
    },
    'a blob by a malformed digest': {
      codes: ['DIGEST_INVALID'],
      ask: async (t) => (await used(t)).get('blobs/sha256:bad'),
    },
    'a manifest that is no JSON': {
      codes: ['MANIFEST_INVALID'],
      ask: async (t) => (await used(t)).putManifest('bad', content(Buffer.from('{'), types.image)),
    },
    'bytes that do not have their digest': {
      codes: ['DIGEST_INVALID'],
      ask: async (t) => {
        const repository = t.repository();
        return repository.close(await repository.open(), nowhere, Buffer.from('elsewhere'));
      },
    },
    'a chunk whose length is not its span': {
      codes: ['SIZE_INVALID'],
      ask: async (t) => {
        const repository = t.repository();
        const headers = { ...octets, 'content-range': '0-9' };
        return repository.send('PATCH', await repository.open(), { body: Buffer.from('abc'), headers });
      },
    },
  };

  async function used(t: Trial) {
    const repository = t.repository();
    await repository.push(image(), 'latest');
    return repository;
  }

  for (const [what, { codes, ask }] of Object.entries(cases)) {
    clause(`[G6] the error of ${what} is ${codes.join(' or ')}`, async (t) => {
      const answer = await ask(t);
      if (!t.options.strict && answer.status < 400) return;
      assert.ok(answer.status >= 400 && answer.status < 500, `${named(answer)} answered ${answer.status}`);
      expectHeader(answer, 'content-type', t.options.strict ? 'application/json' : /^application\/json(;|$)/);
      assert.ok(codes.includes(errorCodes(answer)[0] ?? ''), `the first code is ${errorCodes(answer)[0]}`);
    });
  }

  clause('[G5] message is a text where there is one, and Content-Length fits', async (t) => {
    const answer = await (await used(t)).get(`blobs/${nowhere}`);
    const { errors: list } = jsonBody(answer) as { errors: { message?: unknown }[] };
    for (const { message } of list) assert.ok(message === undefined || typeof message === 'string');
    const length = answer.header('content-length');
    if (length !== undefined) assert.equal(Number(length), answer.body.length);
  });

  clause("[G5] a query that cannot be decoded is the client's fault", async (t) => {
    const repository = await used(t);
    for (const path of [
      'tags/list?last=%E0%A4%A',
      'manifests/latest?ns=%',
      `blobs/${nowhere}?%zz=1`,
      'manifests/%zz',
    ]) {
      const answer = await repository.get(path);
      assert.ok(answer.status < 500, `${named(answer)} answered ${answer.status}`);
    }
  });

  clause('[G2] a header line of 64 KiB and a path of 64 KiB are refused, and the server goes on', async (t) => {
    const repository = await used(t);
    const long = 'x'.repeat(65_536);
    for (const [path, headers] of [
      ['manifests/latest', { accept: types.image, 'x-long': long }],
      [`manifests/${long}`, { accept: types.image }],
    ] as const) {
      const answer = await t.client.send({ method: 'GET', url: repository.url(path), headers });
      expectStatus(answer, 200, 400, 404, 414, 431);
    }
    expectStatus(await repository.get('manifests/latest'), 200);
  });

  clause('[G5] a refused body is read or the connection closed, so that the next request is understood', async (t) => {
    const repository = await used(t);
    const blob = layer(2 << 20);
    for (let round = 0; round < 4; round++) {
      const refused = await repository.close(await repository.open(), 'sha256:bad', blob.bytes);
      expectStatus(refused, 400);
      expectStatus(await repository.get('manifests/latest'), 200);
    }
  });
};
