import assert from 'node:assert/strict';
import { expectBytes, expectContent, expectError, expectHeader, expectNoHeader, expectStatus } from '../expect.ts';
import { digestOf } from '../http.ts';
import { content, image, index, layer, types } from '../images.ts';
import { accept, expectAbsent } from '../repository.ts';
import type { Family } from '../suite.ts';

/** GET and HEAD of manifests and blobs (clauses P1 to P5, P7). */
export const pull: Family = (clause) => {
  const nowhere = (algorithm = 'sha256') => digestOf(Buffer.from(`nowhere ${Math.random()}`), algorithm);

  clause('[P1] GET of a manifest by tag and by digest gives the pushed bytes, type, length and digest', async (t) => {
    const repository = t.repository();
    const pushed = image({ indent: '\t' });
    await repository.push(pushed, 'tabs');
    for (const reference of ['tabs', pushed.descriptor.digest]) {
      const answer = await repository.get(`manifests/${reference}`);
      expectContent(answer, pushed.bytes, pushed.descriptor.digest);
      expectHeader(answer, 'content-type', types.image);
    }
  });

  clause('[P1] GET of an index by tag and by digest gives the index, never a child', async (t) => {
    const repository = t.repository();
    const pushed = index([image(), image()]);
    await repository.push(pushed, 'multi');
    for (const reference of ['multi', pushed.descriptor.digest]) {
      const answer = await repository.get(`manifests/${reference}`);
      expectContent(answer, pushed.bytes, pushed.descriptor.digest);
      expectHeader(answer, 'content-type', types.index);
    }
  });

  clause('[P1] a manifest and a blob are never compressed nor chunked, whatever the client offers', async (t) => {
    const repository = t.repository();
    const text = content(Buffer.from('very compressible '.repeat(4000)), types.tarLayer);
    const pushed = image({ layers: [text], annotations: { long: 'x'.repeat(20_000) } });
    await repository.push(pushed, 'text');
    for (const path of ['manifests/text', `blobs/${text.descriptor.digest}`]) {
      const answer = await repository.get(path, { ...accept, 'accept-encoding': 'gzip, deflate, br, zstd' });
      expectContent(answer, path.startsWith('blobs') ? text.bytes : pushed.bytes, digestOf(answer.body));
      expectNoHeader(answer, 'transfer-encoding');
    }
  });

  clause('[P3] GET of an unknown digest, tag or repository: 404', async (t) => {
    const repository = t.repository();
    await repository.push(image(), 'known');
    expectStatus(await repository.get('manifests/unknown'), 404);
    expectStatus(await repository.get(`manifests/${nowhere()}`), 404);
    expectStatus(await repository.get(`manifests/${nowhere('sha512')}`), 404);
    for (const reference of ['latest', nowhere()]) {
      expectStatus(await t.repository().get(`manifests/${reference}`), 404);
    }
  });

  clause('[P3] the codes of what is missing: MANIFEST_UNKNOWN, BLOB_UNKNOWN, NAME_UNKNOWN', async (t) => {
    const repository = t.repository();
    await repository.push(image(), 'known');
    expectError(await repository.get('manifests/unknown'), [404], 'MANIFEST_UNKNOWN');
    expectError(await repository.get(`manifests/${nowhere()}`), [404], 'MANIFEST_UNKNOWN');
    expectError(await repository.get(`blobs/${nowhere()}`), [404], 'BLOB_UNKNOWN');
    expectError(await t.repository().get('manifests/latest'), [404], 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN');
    expectError(await t.repository().get(`blobs/${nowhere()}`), [404], 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
  });

  clause('[B1] GET and HEAD of a manifest by a malformed digest: 404 or 400', async (t) => {
    const repository = t.repository();
    await repository.push(image(), 'known');
    for (const digest of [
      'sha256:baddigeststring',
      'sha256:totallywrong',
      'sha256:',
      'md5:d41d8cd98f00b204e9800998ecf8427e',
    ]) {
      expectStatus(await repository.get(`manifests/${digest}`), ...t.accepted(404, 400));
      expectStatus(await repository.head(`manifests/${digest}`), ...t.accepted(404, 400));
    }
  });

  clause('[P7] HEAD of a manifest by tag and by digest: type, length and digest without a body', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'latest');
    for (const reference of ['latest', pushed.descriptor.digest]) {
      const answer = await repository.head(`manifests/${reference}`);
      expectContent(answer, pushed.bytes, pushed.descriptor.digest);
      expectHeader(answer, 'content-type', types.image);
    }
  });

  clause('[P7] HEAD of a missing manifest and of a missing blob: 404 without a body', async (t) => {
    const repository = t.repository();
    await repository.push(image(), 'known');
    for (const path of [
      'manifests/unknown',
      `manifests/${nowhere()}`,
      `blobs/${nowhere()}`,
      `blobs/${nowhere('sha512')}`,
    ]) {
      const answer = await repository.head(path);
      expectStatus(answer, 404);
      assert.equal(answer.body.length, 0);
    }
  });

  clause('[P2] the digest of a tag pushed with sha512 is that sha512', async (t) => {
    const repository = t.repository();
    const pushed = image({ algorithm: 'sha512' });
    for (const blob of pushed.blobs) await repository.pushBlob(blob);
    const put = await repository.send('PUT', `manifests/${pushed.descriptor.digest}?tag=strong`, {
      body: pushed.bytes,
      headers: { 'content-type': types.image },
    });
    expectStatus(put, 201);
    if (put.header('oci-tag') === undefined) return;
    expectContent(await repository.head('manifests/strong'), pushed.bytes, pushed.descriptor.digest);
    expectContent(await repository.get('manifests/strong'), pushed.bytes, pushed.descriptor.digest);
  });

  for (const algorithm of ['sha256', 'sha512']) {
    clause(`[P4] GET and HEAD of a ${algorithm} blob: bytes, length and digest`, async (t) => {
      const repository = t.repository();
      const blob = layer(70_000, algorithm);
      await repository.pushBlob(blob);
      const path = `blobs/${blob.descriptor.digest}`;
      const got = await repository.get(path);
      expectContent(got, blob.bytes, blob.descriptor.digest);
      expectContent(await repository.head(path), blob.bytes, blob.descriptor.digest);
      if (t.options.strict) expectHeader(got, 'content-type', 'application/octet-stream');
    });

    clause(`[P5] GET of a missing ${algorithm} blob: 404`, async (t) => {
      const repository = t.repository();
      await repository.push(image(), 'known');
      await expectAbsent(repository, `blobs/${nowhere(algorithm)}`);
      await expectAbsent(t.repository(), `blobs/${nowhere(algorithm)}`);
    });

    clause(`[P4] GET and HEAD of the zero-byte ${algorithm} blob`, async (t) => {
      const repository = t.repository();
      const blob = content(Buffer.alloc(0), types.tarLayer, algorithm);
      await repository.pushBlob(blob);
      const path = `blobs/${blob.descriptor.digest}`;
      expectContent(await repository.get(path), blob.bytes, blob.descriptor.digest);
      expectContent(await repository.head(path), blob.bytes, blob.descriptor.digest);
    });
  }

  clause('[P5] a blob of another repository is not visible: GET, HEAD, DELETE 404', async (t) => {
    const [owner, other] = [t.repository(), t.repository()];
    const blob = layer();
    await owner.pushBlob(blob);
    await other.push(image(), 'latest');
    await expectAbsent(other, `blobs/${blob.descriptor.digest}`);
    if (!t.options.deleteDisabled) expectStatus(await other.delete(`blobs/${blob.descriptor.digest}`), 404);
    expectBytes(await owner.get(`blobs/${blob.descriptor.digest}`), blob.bytes);
  });

  clause('[P3] a manifest of another repository is not visible', async (t) => {
    const [owner, other] = [t.repository(), t.repository()];
    const pushed = image();
    await owner.push(pushed);
    await other.push(image(), 'latest');
    await expectAbsent(other, `manifests/${pushed.descriptor.digest}`);
  });

  clause('[B1] GET of a blob by a malformed digest: 400 or 404', async (t) => {
    const repository = t.repository();
    await repository.push(image(), 'known');
    for (const digest of ['sha256:short', 'sha256:', `sha256:${'G'.repeat(64)}`, `md5:${'0'.repeat(32)}`, 'latest']) {
      const answer = await repository.get(`blobs/${digest}`);
      expectStatus(answer, ...t.accepted(400, 404));
      if (t.options.strict) expectError(answer, [400], 'DIGEST_INVALID');
    }
  });
};
