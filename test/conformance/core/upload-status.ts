import { follow } from '../blob-push.ts';
import { expectError, expectHeader, expectStatus, locationOf } from '../expect.ts';
import { layer } from '../images.ts';
import { expectAbsent, expectPullable, octets, type Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** The status of an upload, its end and what becomes of it (clauses B11, B12, B14). */
export const uploadStatus: Family = (clause) => {
  async function expectGone(repository: Repository, location: string): Promise<void> {
    const blob = layer();
    const answers = [
      await repository.get(location),
      await repository.patch(location, 0, blob.bytes),
      await repository.close(location, blob.descriptor.digest, blob.bytes),
      await repository.delete(location),
    ];
    for (const answer of answers) expectError(answer, [404], 'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID');
    await expectAbsent(repository, `blobs/${blob.descriptor.digest}`);
  }

  clause('[B11] status of a fresh upload, and after a chunk: 204, Location, Range', async (t) => {
    const repository = t.repository();
    const location = await repository.open();
    const fresh = await repository.get(location);
    expectStatus(fresh, 204);
    locationOf(fresh);
    expectHeader(fresh, 'range', t.options.strict ? '0-0' : /^0-\d+$/);
    const patched = await repository.patch(location, 0, layer(1024).bytes);
    const later = await repository.get(follow(patched, location));
    expectStatus(later, 204);
    locationOf(later);
    expectHeader(later, 'range', '0-1023');
  });

  clause('[B11] status on an old Location shows the current Range', async (t) => {
    const repository = t.repository();
    const old = await repository.open();
    expectStatus(await repository.patch(old, 0, layer(1024).bytes), 202);
    const answer = await repository.get(old);
    expectStatus(answer, 204);
    expectHeader(answer, 'range', '0-1023');
    const next = await repository.patch(locationOf(answer), 1024, layer(10).bytes);
    expectStatus(next, 202);
    expectHeader(next, 'range', '0-1033');
  });

  clause('[B11] an upload that was closed is unknown: 404', async (t) => {
    const repository = t.repository();
    const blob = layer();
    const location = await repository.open();
    expectStatus(await repository.close(location, blob.descriptor.digest, blob.bytes), 201);
    await expectGone(repository, location);
  });

  clause('[B11] an upload that was closed with a wrong digest gives nothing to read', async (t) => {
    const repository = t.repository();
    const [blob, other] = [layer(), layer()];
    const location = await repository.open();
    expectStatus(await repository.close(location, blob.descriptor.digest, other.bytes), 400);
    if (t.options.strict) expectStatus(await repository.get(location), 404);
    await expectAbsent(repository, `blobs/${blob.descriptor.digest}`);
    await expectAbsent(repository, `blobs/${other.descriptor.digest}`);
  });

  clause('[B12] DELETE of an upload: 204, and it is unknown afterwards', async (t) => {
    const repository = t.repository();
    const location = await repository.open();
    const patched = await repository.patch(location, 0, layer(1024).bytes);
    expectStatus(patched, 202);
    const current = follow(patched, location);
    expectStatus(await repository.delete(current), 204);
    await expectGone(repository, current);
  });

  clause('[B12] DELETE of a fresh upload with Content-Length 0: 204', async (t) => {
    const repository = t.repository();
    const answer = await repository.send('DELETE', await repository.open(), { body: Buffer.alloc(0) });
    expectStatus(answer, 204);
  });

  clause('[B12] DELETE on an old Location ends the upload, or is refused as stale', async (t) => {
    const repository = t.repository();
    const old = await repository.open();
    expectStatus(await repository.patch(old, 0, layer(1024).bytes), 202);
    const answer = await repository.delete(old);
    expectStatus(answer, 204, 416, 404);
    if (answer.status === 204) expectStatus(await repository.get(old), 404);
  });

  clause('[B14] streamed push: one PATCH without Content-Range, then an empty PUT', async (t) => {
    const repository = t.repository();
    const blob = layer(300_000);
    const location = await repository.open();
    const patched = await repository.send('PATCH', location, { body: blob.bytes, framing: 'chunked', headers: octets });
    expectStatus(patched, 202);
    expectHeader(patched, 'range', '0-299999');
    await expectPullable(repository, await repository.close(follow(patched, location), blob.descriptor.digest), blob);
  });

  clause('[B14] several streamed PATCHes append', async (t) => {
    const repository = t.repository();
    const blob = layer(3000);
    let location = await repository.open();
    for (const from of [0, 1000, 2000]) {
      const body = blob.bytes.subarray(from, from + 1000);
      const patched = await repository.send('PATCH', location, { body, framing: 'chunked', headers: octets });
      expectStatus(patched, 202);
      expectHeader(patched, 'range', `0-${from + 999}`);
      location = follow(patched, location);
    }
    await expectPullable(repository, await repository.close(location, blob.descriptor.digest), blob);
  });

  clause('[B14] an empty PATCH changes nothing', async (t) => {
    const repository = t.repository();
    const blob = layer();
    const location = await repository.open();
    const patched = await repository.send('PATCH', location, { body: Buffer.alloc(0), headers: octets });
    expectStatus(patched, 202);
    await expectPullable(
      repository,
      await repository.close(follow(patched, location), blob.descriptor.digest, blob.bytes),
      blob,
    );
  });

  clause('[B14] PATCH and PUT without Content-Type', async (t) => {
    const repository = t.repository();
    const blob = layer();
    const location = await repository.open();
    const patched = await repository.send('PATCH', location, { body: blob.bytes });
    expectStatus(patched, 202);
    const closed = await repository.close(follow(patched, location), blob.descriptor.digest);
    await expectPullable(repository, closed, blob);
  });

  clause('[B14] the type of a chunk does not matter, but a form is not taken for a blob', async (t) => {
    const repository = t.repository();
    const blob = layer();
    for (const type of ['application/vnd.oci.image.layer.v1.tar+gzip', 'application/json']) {
      const location = await repository.open();
      const patched = await repository.send('PATCH', location, { body: blob.bytes, headers: { 'content-type': type } });
      expectStatus(patched, ...t.accepted(202, 400, 415));
      if (patched.status !== 202) continue;
      await expectPullable(repository, await repository.close(follow(patched, location), blob.descriptor.digest), blob);
    }
    if (!t.options.strict) return;
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expectStatus(await repository.send('PATCH', await repository.open(), { body: blob.bytes, headers: form }), 400);
  });
};
