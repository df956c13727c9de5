import assert from 'node:assert/strict';
import { expectBytes, expectContent, expectStatus, locationOf } from '../expect.ts';
import { layer } from '../images.ts';
import type { Family } from '../suite.ts';

/** For a registry that sends clients to its storage for blobs (clause G3). */
export const redirect: Family = (clause) => {
  clause('[G3] HEAD of a blob is answered here, with digest and length', async (t) => {
    const repository = t.repository();
    const blob = layer();
    await repository.pushBlob(blob);
    const answer = await repository.send('HEAD', `blobs/${blob.descriptor.digest}`, { redirects: false });
    expectContent(answer, blob.bytes, blob.descriptor.digest);
  });

  clause('[G3] GET of a blob is redirected, and its target gives the bytes without credentials', async (t) => {
    const repository = t.repository();
    const blob = layer();
    await repository.pushBlob(blob);
    const answer = await repository.send('GET', `blobs/${blob.descriptor.digest}`, { redirects: false });
    expectStatus(answer, 307);
    const target = locationOf(answer);
    assert.notEqual(target, answer.request.url);
    const content = await t.client.send({ method: 'GET', url: target, authenticate: false });
    expectStatus(content, 200);
    expectBytes(content, blob.bytes);
  });

  clause('[G3] a missing blob is 404 here, never a redirect', async (t) => {
    const answer = await t.repository().send('GET', `blobs/${layer().descriptor.digest}`, { redirects: false });
    expectStatus(answer, 404);
  });
};
