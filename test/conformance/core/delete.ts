import assert from 'node:assert/strict';
import { expectContent, expectError, expectStatus, tagsOf } from '../expect.ts';
import { digestOf } from '../http.ts';
import { image, index, layer } from '../images.ts';
import { declineIf, expectAbsent, expectPullable, type Repository, refusesDelete } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Deleting tags, manifests and blobs (clauses D1 to D4). */
export const deletes: Family = (clause, options) => {
  if (options.deleteDisabled) {
    clause('[D4] deleting is disabled: tag and manifest 400 or 405, blob 405', async (t) => {
      const repository = t.repository();
      const pushed = image();
      await repository.push(pushed, 'latest');
      const blob = pushed.blobs[0]?.descriptor.digest;
      for (const path of ['manifests/latest', `manifests/${pushed.descriptor.digest}`]) {
        expectError(await repository.delete(path), t.accepted(405, 400), 'UNSUPPORTED');
        expectStatus(await repository.get(path), 200);
      }
      expectError(await repository.delete(`blobs/${blob}`), [405], 'UNSUPPORTED');
      expectStatus(await repository.head(`blobs/${blob}`), 200);
    });
    return;
  }

  /** 202, or the test ends as declined. */
  async function remove(repository: Repository, path: string): Promise<void> {
    const answer = await repository.delete(path);
    declineIf(answer, refusesDelete(path), `DELETE of ${path.split('/')[0]}`);
    expectStatus(answer, 202);
  }

  clause('[D1] DELETE of a tag: 202, the tag is gone at once, the manifest and its other tags stay', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'one', 'two');
    await remove(repository, 'manifests/one');
    await expectAbsent(repository, 'manifests/one');
    for (const reference of ['two', pushed.descriptor.digest]) {
      expectContent(await repository.get(`manifests/${reference}`), pushed.bytes, pushed.descriptor.digest);
    }
    assert.deepEqual(tagsOf(await repository.get('tags/list'), repository.name), ['two']);
  });

  clause('[D1] a deleted tag can be pushed again', async (t) => {
    const repository = t.repository();
    const [first, second] = [image(), image()];
    await repository.push(first, 'latest');
    await remove(repository, 'manifests/latest');
    await repository.push(second, 'latest');
    expectContent(await repository.get('manifests/latest'), second.bytes, second.descriptor.digest);
  });

  for (const algorithm of ['sha256', 'sha512']) {
    clause(
      `[D2] DELETE by ${algorithm} digest: 202, the manifest and its tags are gone at once and unlisted`,
      async (t) => {
        const repository = t.repository();
        const [pushed, other] = [image({ algorithm }), image()];
        for (const blob of pushed.blobs) await repository.pushBlob(blob);
        expectStatus(await repository.putManifest(`${pushed.descriptor.digest}?tag=one&tag=two`, pushed), 201);
        await repository.push(other, 'other');
        await remove(repository, `manifests/${pushed.descriptor.digest}`);
        for (const reference of [pushed.descriptor.digest, 'one', 'two']) {
          await expectAbsent(repository, `manifests/${reference}`);
        }
        assert.deepEqual(tagsOf(await repository.get('tags/list'), repository.name), ['other']);
        expectStatus(await repository.get('manifests/other'), 200);
      },
    );
  }

  clause('[D2] DELETE by digest takes all of many tags with it', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, ...Array.from({ length: 30 }, (_, at) => `tag-${at}`));
    await remove(repository, `manifests/${pushed.descriptor.digest}`);
    const answer = await repository.get('tags/list');
    // Where a bucket has no empty folders, the repository is gone with its last manifest.
    expectStatus(answer, 200, 404);
    if (answer.status === 200) assert.deepEqual(tagsOf(answer, repository.name), []);
  });

  clause('[D2] a tag that has moved away stays when its old manifest is deleted', async (t) => {
    const repository = t.repository();
    const [old, current] = [image(), image()];
    await repository.push(old, 'latest');
    await repository.push(current, 'latest');
    await remove(repository, `manifests/${old.descriptor.digest}`);
    expectContent(await repository.get('manifests/latest'), current.bytes, current.descriptor.digest);
  });

  clause('[D2] an index before its children, and the children after it: 202', async (t) => {
    const repository = t.repository();
    const children = [image(), image()];
    const pushed = index(children);
    await repository.push(pushed, 'multi');
    for (const manifest of [pushed, ...children]) {
      await remove(repository, `manifests/${manifest.descriptor.digest}`);
      await expectAbsent(repository, `manifests/${manifest.descriptor.digest}`);
    }
  });

  clause('[D2] a manifest and its blobs in any order, and the same content pushed again', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'latest');
    for (const { descriptor } of pushed.blobs) await remove(repository, `blobs/${descriptor.digest}`);
    await remove(repository, `manifests/${pushed.descriptor.digest}`);
    await repository.push(pushed, 'latest');
    expectContent(await repository.get('manifests/latest'), pushed.bytes, pushed.descriptor.digest);
  });

  for (const algorithm of ['sha256', 'sha512']) {
    clause(`[D3] DELETE of a ${algorithm} blob: 202, and it is gone at once; pushed again it is back`, async (t) => {
      const repository = t.repository();
      const blob = layer(512, algorithm);
      const path = `blobs/${blob.descriptor.digest}`;
      for (const round of [1, 2]) {
        await repository.pushBlob(blob);
        expectContent(await repository.get(path), blob.bytes, blob.descriptor.digest);
        await remove(repository, path);
        await expectAbsent(repository, path);
        expectStatus(await repository.delete(path), 404);
        assert.ok(round > 0);
      }
      await expectPullable(
        repository,
        await repository.close(await repository.open(), blob.descriptor.digest, blob.bytes),
        blob,
      );
    });
  }

  clause('[D3] a deleted blob of one repository stays in another', async (t) => {
    const [repository, other] = [t.repository(), t.repository()];
    const blob = layer();
    for (const each of [repository, other]) await each.pushBlob(blob);
    await remove(repository, `blobs/${blob.descriptor.digest}`);
    expectContent(await other.get(`blobs/${blob.descriptor.digest}`), blob.bytes, blob.descriptor.digest);
  });

  for (const algorithm of ['sha256', 'sha512']) {
    clause(
      `[D2] DELETE of an unknown tag, ${algorithm} manifest or blob, and in an unknown repository: 404`,
      async (t) => {
        const known = t.repository();
        await known.push(image(), 'latest');
        const missing = digestOf(Buffer.from(`nowhere ${Math.random()}`), algorithm);
        for (const repository of [known, t.repository()]) {
          const tag = await repository.delete('manifests/missing');
          declineIf(tag, [400, 405], 'DELETE of a tag');
          expectError(tag, [404], 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN');
          expectError(await repository.delete(`manifests/${missing}`), [404], 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN');
          expectError(await repository.delete(`blobs/${missing}`), [404], 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
        }
      },
    );
  }

  clause('[D2] DELETE of what is already deleted: 404', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'latest');
    await remove(repository, 'manifests/latest');
    expectStatus(await repository.delete('manifests/latest'), 404);
    await remove(repository, `manifests/${pushed.descriptor.digest}`);
    expectStatus(await repository.delete(`manifests/${pushed.descriptor.digest}`), 404);
  });

  clause('[D2] DELETE by a malformed digest: 404 or 400', async (t) => {
    const repository = t.repository();
    await repository.push(image(), 'latest');
    expectStatus(await repository.delete('manifests/sha256:bad'), ...t.accepted(404, 400));
    expectStatus(await repository.delete('blobs/sha256:bad'), ...t.accepted(400, 404));
  });
};
