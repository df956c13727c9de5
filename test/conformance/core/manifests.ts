import assert from 'node:assert/strict';
import {
  expectContent,
  expectError,
  expectHeader,
  expectNoHeader,
  expectStatus,
  locationOf,
  tagsOf,
} from '../expect.ts';
import { digestOf } from '../http.ts';
import { content, image, index, type Manifest, types } from '../images.ts';
import { declineIf, expectAbsent, expectPullable, type Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Pushing manifests that are right (clauses M1, M2, M4, M7, M8). */
export const manifests: Family = (clause) => {
  async function pushBelow(repository: Repository, manifest: Manifest): Promise<void> {
    for (const child of manifest.children) await repository.push(child);
    for (const blob of manifest.blobs) await repository.pushBlob(blob);
  }

  for (const algorithm of ['sha256', 'sha512']) {
    clause(
      `[M1] PUT of a manifest by ${algorithm} digest in chunked transfer encoding: 201, then pulled from Location`,
      async (t) => {
        const repository = t.repository();
        const pushed = image({ algorithm });
        await pushBelow(repository, pushed);
        const answer = await repository.putManifest(pushed.descriptor.digest, pushed);
        expectHeader(answer, 'docker-content-digest', pushed.descriptor.digest);
        await expectPullable(repository, answer, pushed);
        expectContent(
          await repository.head(`manifests/${pushed.descriptor.digest}`),
          pushed.bytes,
          pushed.descriptor.digest,
        );
        expectNoHeader(answer, 'oci-subject');
        expectNoHeader(answer, 'oci-tag');
      },
    );
  }

  clause('[M1] PUT of a manifest by tag with Content-Length: 201, digest, Location', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await pushBelow(repository, pushed);
    const headers = { 'content-type': types.image };
    const answer = await repository.send('PUT', 'manifests/latest', { body: pushed.bytes, headers });
    expectHeader(answer, 'docker-content-digest', pushed.descriptor.digest);
    await expectPullable(repository, answer, pushed);
    if (t.options.strict) {
      assert.ok(locationOf(answer).endsWith(`/v2/${repository.name}/manifests/${pushed.descriptor.digest}`));
    }
  });

  clause('[M1] the same manifest pushed twice, and a tag moved: 201 each time', async (t) => {
    const repository = t.repository();
    const [first, second] = [image(), image()];
    await repository.push(first, 'latest');
    await repository.push(first, 'latest');
    await repository.push(second, 'latest');
    expectContent(await repository.get('manifests/latest'), second.bytes, second.descriptor.digest);
    expectContent(await repository.get(`manifests/${first.descriptor.digest}`), first.bytes, first.descriptor.digest);
    assert.deepEqual(tagsOf(await repository.get('tags/list'), repository.name), ['latest']);
  });

  clause('[M1] a tag moves back to an earlier manifest', async (t) => {
    const repository = t.repository();
    const [first, second] = [image(), index([])];
    for (const manifest of [first, second, first]) await repository.push(manifest, 'latest');
    expectContent(await repository.get('manifests/latest'), first.bytes, first.descriptor.digest);
  });

  for (const algorithm of ['sha256', 'sha512']) {
    clause(`[M1] PUT by a ${algorithm} digest that is not the body's: 400, and nothing is stored`, async (t) => {
      const repository = t.repository();
      const pushed = image({ algorithm });
      await pushBelow(repository, pushed);
      const bytes = Buffer.concat([pushed.bytes, Buffer.from('  ')]);
      const answer = await repository.putManifest(pushed.descriptor.digest, { ...pushed, bytes });
      expectError(answer, [400], 'DIGEST_INVALID');
      await expectAbsent(repository, `manifests/${pushed.descriptor.digest}`);
      await expectAbsent(repository, `manifests/${digestOf(bytes, algorithm)}`);
    });
  }

  for (const [kind, digest] of [
    ['a malformed digest', 'sha256:baddigeststring'],
    ['a digest in capitals', `sha256:${'A'.repeat(64)}`],
    ['an unsupported algorithm', `md5:${'0'.repeat(32)}`],
  ] as const) {
    clause(`[B1] PUT of a manifest by ${kind}: 400, and nothing is stored`, async (t) => {
      const repository = t.repository();
      const pushed = image();
      await pushBelow(repository, pushed);
      expectError(await repository.putManifest(digest, pushed), [400], 'DIGEST_INVALID');
      await expectAbsent(repository, `manifests/${pushed.descriptor.digest}`);
    });
  }

  clause('[M2] parameters on Content-Type are ignored: the bare type comes back', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await pushBelow(repository, pushed);
    for (const suffix of ['; charset=utf-8', ';q=1', ' ; a=b; c="d"']) {
      const answer = await repository.putManifest('latest', pushed, { 'content-type': `${types.image}${suffix}` });
      expectStatus(answer, 201);
      expectHeader(await repository.get('manifests/latest'), 'content-type', types.image);
    }
  });

  clause('[M7] a manifest of 3.91 MB by digest and by tag, and back', async (t) => {
    const repository = t.repository();
    const annotations = Object.fromEntries(
      Array.from({ length: 390 }, (_, at) => [`org.example.a${at}`, 'x'.repeat(10_000)]),
    );
    const pushed = image({ annotations });
    await repository.push(pushed, 'large');
    for (const reference of ['large', pushed.descriptor.digest]) {
      expectContent(await repository.get(`manifests/${reference}`), pushed.bytes, pushed.descriptor.digest);
    }
  });

  for (const framing of ['length', 'chunked'] as const) {
    clause(`[M7] a manifest of exactly 4 MiB works, one byte more may be 413 (${framing})`, async (t) => {
      const repository = t.repository();
      const limit = 4 * 1024 * 1024;
      const bare = image();
      await pushBelow(repository, bare);
      const sized = (size: number) => {
        const bytes = Buffer.concat([bare.bytes, Buffer.alloc(size - bare.bytes.length, ' ')]);
        return content(bytes, types.image);
      };
      const put = (body: Buffer) =>
        repository.send('PUT', 'manifests/limit', { body, framing, headers: { 'content-type': types.image } });
      const largest = sized(limit);
      await expectPullable(repository, await put(largest.bytes), largest);
      const more = await put(sized(limit + 1).bytes);
      expectStatus(more, ...t.accepted(413, 201));
      if (t.options.strict) expectError(more, [413], 'MANIFEST_INVALID');
    });
  }

  clause('[M7] a limit exists: a manifest of 32 MiB is 413', async (t) => {
    const repository = t.repository();
    const bytes = Buffer.alloc(32 << 20, ' ');
    const answer = await repository.send('PUT', 'manifests/huge', {
      body: bytes,
      headers: { 'content-type': types.image },
    });
    expectStatus(answer, 413);
    expectStatus(await repository.get('manifests/huge'), 404);
  });

  clause('[M4] a manifest whose subject does not exist: 201 and OCI-Subject', async (t) => {
    const repository = t.repository();
    const { descriptor } = image();
    const pushed = image({ subject: descriptor });
    await pushBelow(repository, pushed);
    const answer = await repository.putManifest('latest', pushed);
    expectStatus(answer, 201);
    expectHeader(answer, 'oci-subject', descriptor.digest);
  });

  for (const algorithm of ['sha256', 'sha512']) {
    for (const [what, make] of [
      ['an image', (subject: Manifest) => image({ algorithm, subject: subject.descriptor })],
      ['an index', (subject: Manifest) => index([], { algorithm, subject: subject.descriptor })],
    ] as const) {
      clause(`[M8] OCI-Subject on the push of ${what} with a ${algorithm} subject, by digest and by tag`, async (t) => {
        const repository = t.repository();
        const subject = image({ algorithm });
        await repository.push(subject);
        const pushed = make(subject);
        await pushBelow(repository, pushed);
        for (const reference of [pushed.descriptor.digest, 'referrer']) {
          const answer = await repository.putManifest(reference, pushed);
          expectStatus(answer, 201);
          expectHeader(answer, 'oci-subject', subject.descriptor.digest);
        }
      });
    }
  }

  clause('[M8] a manifest without subject has no OCI-Subject', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await pushBelow(repository, pushed);
    expectNoHeader(await repository.putManifest('latest', pushed), 'oci-subject');
  });

  clause('[N5] a sha384 manifest: stored under that digest, or refused as unsupported', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await pushBelow(repository, pushed);
    const strong = content(pushed.bytes, types.image, 'sha384');
    const answer = await repository.putManifest(strong.descriptor.digest, strong);
    if (!t.options.strict) declineIf(answer, 400, 'sha384 manifests');
    expectStatus(answer, 201, 400);
    if (answer.status === 400) await expectAbsent(repository, `manifests/${strong.descriptor.digest}`);
    else expectStatus(await repository.get(`manifests/${strong.descriptor.digest}`), 200);
  });
};
