import assert from 'node:assert/strict';
import { expectBytes, expectContent, expectHeader, expectNoHeader, expectStatus, locationOf } from '../expect.ts';
import { type Answer, digestOf } from '../http.ts';
import { type Content, image, layer } from '../images.ts';
import type { Family, Trial } from '../suite.ts';

/** For a registry that sends clients to its storage for blobs (clause G3). */
export const redirect: Family = (clause) => {
  const stay = { redirects: false } as const;

  /** What the 307 leads to, asked as a client does that keeps its credentials to itself. */
  const follow = (t: Trial, answer: Answer, headers: Record<string, string> = {}): Promise<Answer> =>
    t.client.send({ method: 'GET', url: locationOf(answer), headers, authenticate: false });

  async function pushed(t: Trial, blob: Content) {
    const repository = t.repository();
    await repository.pushBlob(blob);
    return repository;
  }

  clause('[G3] HEAD of a blob is answered here, with digest and length', async (t) => {
    const blob = layer();
    const repository = await pushed(t, blob);
    const answer = await repository.send('HEAD', `blobs/${blob.descriptor.digest}`, stay);
    expectContent(answer, blob.bytes, blob.descriptor.digest);
  });

  for (const algorithm of ['sha256', 'sha512']) {
    clause(
      `[G3] GET of a ${algorithm} blob: 307 with its digest, and the bytes behind it have that digest`,
      async (t) => {
        const blob = layer(4096, algorithm);
        const repository = await pushed(t, blob);
        const answer = await repository.send('GET', `blobs/${blob.descriptor.digest}`, stay);
        expectStatus(answer, 307);
        if (t.options.strict) {
          expectHeader(answer, 'docker-content-digest', blob.descriptor.digest);
          expectHeader(answer, 'etag', `"${blob.descriptor.digest}"`);
        }
        assert.notEqual(locationOf(answer), answer.request.url);
        const content = await follow(t, answer);
        expectStatus(content, 200);
        expectNoHeader(content, 'content-encoding');
        expectBytes(content, blob.bytes);
        assert.equal(digestOf(content.body, algorithm), blob.descriptor.digest);
      },
    );
  }

  clause('[G3] a redirect is not to be kept for longer than its URL may be good', async (t) => {
    const blob = layer();
    const repository = await pushed(t, blob);
    const answer = await repository.send('GET', `blobs/${blob.descriptor.digest}`, stay);
    expectStatus(answer, 307);
    const age = /max-age=(\d+)/.exec(answer.header('cache-control') ?? '')?.[1] ?? '0';
    assert.ok(Number(age) <= 1200, `Cache-Control is "${answer.header('cache-control')}"`);
  });

  clause('[P6] a range is for the storage to honour: 307 here, 206 there', async (t) => {
    const blob = layer(2048);
    const repository = await pushed(t, blob);
    const range = { range: 'bytes=500-1499' };
    const answer = await repository.send('GET', `blobs/${blob.descriptor.digest}`, { ...stay, headers: range });
    expectStatus(answer, 307);
    const content = await follow(t, answer, range);
    expectStatus(content, 206);
    expectBytes(content, blob.bytes.subarray(500, 1500));
  });

  clause('[G2] If-None-Match is answered here: 304', async (t) => {
    const blob = layer();
    const { digest } = blob.descriptor;
    const repository = await pushed(t, blob);
    const headers = { 'if-none-match': `"${digest}"` };
    expectStatus(await repository.send('GET', `blobs/${digest}`, { ...stay, headers }), 304);
  });

  clause(
    '[G3] a missing blob, one of another repository, and a deleted one are 404 here, never a redirect',
    async (t) => {
      const blob = layer();
      const { digest } = blob.descriptor;
      const repository = await pushed(t, blob);
      expectStatus(await t.repository().send('GET', `blobs/${layer().descriptor.digest}`, stay), 404);
      expectStatus(await t.repository().send('GET', `blobs/${digest}`, stay), 404);
      if (t.options.deleteDisabled) return;
      expectStatus(await repository.delete(`blobs/${digest}`), 202);
      for (const method of ['GET', 'HEAD']) {
        expectStatus(await repository.send(method, `blobs/${digest}`, stay), 404);
      }
    },
  );

  clause('[G3] manifests are served here, by tag and by digest', async (t) => {
    const repository = t.repository();
    const manifest = image();
    await repository.push(manifest, 'latest');
    for (const reference of ['latest', manifest.descriptor.digest]) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await repository.send(method, `manifests/${reference}`, stay);
        expectContent(answer, manifest.bytes, manifest.descriptor.digest);
      }
    }
  });
};
