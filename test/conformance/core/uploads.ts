import assert from 'node:assert/strict';
import { type Way, type WayName, ways } from '../blob-push.ts';
import { expectContent, expectError, expectHeader, expectStatus, locationOf } from '../expect.ts';
import { appendQuery, digestOf, rewriteQuery } from '../http.ts';
import { type Content, content, emptyObject, layer, types } from '../images.ts';
import { declineIf, expectAbsent, expectPullable, octets } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Pushing a blob in each way and with each algorithm (clauses B1 to B5, B7, B10, B14). */
export const uploads: Family = (clause) => {
  const all = Object.entries(ways) as [WayName, Way][];

  for (const algorithm of ['sha256', 'sha512']) {
    for (const [name, way] of all) {
      clause(`[B3] ${algorithm} blob by ${name}: 201, Location and digest, then readable`, async (t) => {
        const repository = t.repository();
        const blob = layer(3067, algorithm);
        const answer = await way(repository, blob);
        if (name === 'a single POST' && answer.request.method !== 'POST') {
          declineIf({ ...answer, status: 202 }, 202, 'POST with a digest');
        }
        await expectPullable(repository, answer, blob);
        expectHeader(answer, 'docker-content-digest', blob.descriptor.digest);
        expectContent(await repository.head(`blobs/${blob.descriptor.digest}`), blob.bytes, blob.descriptor.digest);
      });

      clause(`[B1] ${algorithm} blob by ${name} with a wrong digest: 400, and nothing is left`, async (t) => {
        const repository = t.repository();
        const blob = layer(3067, algorithm);
        const wrong: Content = { bytes: Buffer.concat([blob.bytes, Buffer.from('  ')]), descriptor: blob.descriptor };
        expectError(await way(repository, wrong), [400], 'DIGEST_INVALID');
        await expectAbsent(repository, `blobs/${blob.descriptor.digest}`);
        await expectAbsent(repository, `blobs/${digestOf(wrong.bytes, algorithm)}`);
      });
    }

    for (const name of ['a single POST', 'POST and PUT'] as const) {
      clause(`[B3] zero-byte ${algorithm} blob by ${name} in chunked transfer encoding: 201`, async (t) => {
        const repository = t.repository();
        const blob = content(Buffer.alloc(0), types.tarLayer, algorithm);
        await expectPullable(repository, await ways[name](repository, blob), blob);
      });

      clause(`[B3] the ${algorithm} blob {} by ${name}: 201`, async (t) => {
        const repository = t.repository();
        await expectPullable(repository, await ways[name](repository, emptyObject(algorithm)), emptyObject(algorithm));
      });
    }

    clause(`[B5] POST with digest-algorithm=${algorithm}, then each digest: a hint binds nobody`, async (t) => {
      const repository = t.repository();
      for (const used of ['sha256', 'sha512']) {
        const blob = layer(1024, used);
        const location = await repository.open({ 'digest-algorithm': algorithm });
        const answer = await repository.close(location, blob.descriptor.digest, blob.bytes);
        await expectPullable(repository, answer, blob);
        expectHeader(answer, 'docker-content-digest', blob.descriptor.digest);
      }
    });

    clause(`[B5] a ${algorithm} blob of 5 MiB without any hint, in PATCHes of 1 MiB`, async (t) => {
      const repository = t.repository();
      const blob = layer(5 << 20, algorithm);
      let location = await repository.open();
      for (let offset = 0; offset < blob.bytes.length; offset += 1 << 20) {
        const answer = await repository.patch(location, offset, blob.bytes.subarray(offset, offset + (1 << 20)));
        expectStatus(answer, 202);
        location = rewriteQuery(locationOf(answer));
      }
      await expectPullable(repository, await repository.close(location, blob.descriptor.digest), blob);
    });
  }

  clause('[B5] POST with an unknown digest-algorithm: 400, or 202', async (t) => {
    const answer = await t.repository().send('POST', 'blobs/uploads/?digest-algorithm=whirlpool');
    expectStatus(answer, ...t.accepted(400, 202));
  });

  clause('[N5] a blob with a sha384 digest: stored under it, or refused as unsupported', async (t) => {
    const repository = t.repository();
    const blob = layer(1024, 'sha384');
    const answer = await repository.close(await repository.open(), blob.descriptor.digest, blob.bytes);
    declineIf(answer, 400, 'sha384');
    expectStatus(answer, 201);
    const got = await repository.get(`blobs/${blob.descriptor.digest}`);
    const shown = got.header('docker-content-digest') ?? '';
    expectContent(got, blob.bytes, digestOf(blob.bytes, shown.split(':')[0] === 'sha256' ? 'sha256' : 'sha384'));
  });

  clause('[B2] POST opens an upload: 202, Location with an identifier below the repository, Range', async (t) => {
    const repository = t.repository();
    const answer = await repository.send('POST', 'blobs/uploads/');
    expectStatus(answer, 202);
    const { pathname } = new URL(locationOf(answer));
    if (!t.options.strict) return;
    const below = `/v2/${repository.name}/blobs/uploads/`;
    assert.ok(pathname.includes(below), `Location ${pathname} is not below ${below}`);
    expectHeader(answer, 'range', '0-0');
    expectHeader(answer, 'content-length', '0');
    const id = pathname.slice(pathname.indexOf(below) + below.length);
    assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expectHeader(answer, 'docker-upload-uuid', id);
  });

  clause('[B2] two POSTs open two uploads', async (t) => {
    const repository = t.repository();
    const [one, other] = [await repository.open(), await repository.open()];
    assert.notEqual(new URL(one).pathname, new URL(other).pathname);
  });

  clause('[B2] Location works as it was given, with its query rewritten, and from any header Host names', async (t) => {
    const repository = t.repository();
    const spellings: readonly ((url: string) => string)[] = [
      (url) => url,
      rewriteQuery,
      (url) => appendQuery(url, { zz: '1' }),
    ];
    for (const spelling of spellings) {
      const opened = await repository.send('POST', 'blobs/uploads/');
      expectStatus(opened, 202);
      const blob = layer();
      const answer = await repository.close(spelling(locationOf(opened)), blob.descriptor.digest, blob.bytes);
      await expectPullable(repository, answer, blob);
    }
  });

  clause('[B3] PUT without a digest: 400, and the upload lives', async (t) => {
    const repository = t.repository();
    const blob = layer();
    const location = await repository.open();
    expectError(await repository.send('PUT', location, { body: blob.bytes, headers: octets }), [400], 'DIGEST_INVALID');
    if (!t.options.strict) return;
    await expectPullable(repository, await repository.close(location, blob.descriptor.digest, blob.bytes), blob);
  });

  for (const [kind, digest] of [
    ['a malformed digest', 'sha256:baddigeststring'],
    ['a digest in capitals', `sha256:${'A'.repeat(64)}`],
    ['an unsupported algorithm', `md5:${'0'.repeat(32)}`],
    ['no algorithm', '0'.repeat(64)],
  ] as const) {
    clause(`[B1] PUT and single POST with ${kind}: 400`, async (t) => {
      const repository = t.repository();
      const body = Buffer.from('content');
      const put = await repository.close(await repository.open(), digest, body);
      expectError(put, [400], 'DIGEST_INVALID');
      const path = appendQuery('blobs/uploads/', { digest });
      const post = await repository.send('POST', path, { body, headers: octets });
      expectStatus(post, ...t.accepted(400, 202));
    });
  }

  clause('[B3] a blob that is already there is pushed again: 201', async (t) => {
    const repository = t.repository();
    const blob = layer();
    for (const way of Object.values(ways) as Way[]) await expectPullable(repository, await way(repository, blob), blob);
  });

  clause('[B3] a wrong push of a digest that exists: 400, and what exists stays', async (t) => {
    const repository = t.repository();
    const blob = layer();
    await repository.pushBlob(blob);
    const answer = await repository.close(await repository.open(), blob.descriptor.digest, Buffer.from('wrong'));
    expectStatus(answer, 400);
    expectContent(await repository.get(`blobs/${blob.descriptor.digest}`), blob.bytes, blob.descriptor.digest);
  });

  clause('[B3] PUT, PATCH, GET and DELETE of an unknown upload: 404', async (t) => {
    const repository = t.repository();
    await repository.pushBlob(layer());
    const blob = layer();
    for (const id of ['018f0000-0000-7000-8000-000000000000', 'nonsense']) {
      const location = repository.url(`blobs/uploads/${id}`);
      const { digest } = blob.descriptor;
      for (const answer of [
        await repository.close(location, digest, blob.bytes),
        await repository.patch(location, 0, blob.bytes),
        await repository.get(location),
        await repository.delete(location),
      ]) {
        expectError(answer, [404], 'BLOB_UPLOAD_UNKNOWN', ...(t.options.strict ? [] : ['BLOB_UPLOAD_INVALID']));
      }
    }
  });

  clause('[B3] an upload of another repository is unknown: 404', async (t) => {
    const [owner, other] = [t.repository(), t.repository()];
    const blob = layer();
    const location = await owner.open();
    const foreign = location.replace(owner.name, other.name);
    assert.notEqual(foreign, location);
    expectError(
      await other.close(foreign, blob.descriptor.digest, blob.bytes),
      [404],
      'BLOB_UPLOAD_UNKNOWN',
      'BLOB_UPLOAD_INVALID',
    );
    expectStatus(await other.get(foreign), 404);
    await expectAbsent(other, `blobs/${blob.descriptor.digest}`);
    await expectPullable(owner, await owner.close(location, blob.descriptor.digest, blob.bytes), blob);
  });

  clause('[B4] a single POST whose body is wrong leaves nothing', async (t) => {
    const repository = t.repository();
    const blob = layer();
    const path = appendQuery('blobs/uploads/', { digest: blob.descriptor.digest });
    const answer = await repository.send('POST', path, { body: Buffer.from('wrong'), headers: octets });
    expectStatus(answer, ...t.accepted(400, 202));
    await expectAbsent(repository, `blobs/${blob.descriptor.digest}`);
    await expectAbsent(repository, `blobs/${digestOf(Buffer.from('wrong'))}`);
  });
};
