import assert from 'node:assert/strict';
import { Declined, expectContent, expectHeader, expectNoHeader, expectStatus, tagsOf } from '../expect.ts';
import type { Answer } from '../http.ts';
import { image, type Manifest } from '../images.ts';
import { expectAbsent, type Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Tags as parameters of a push by digest (clause M6, draft after 1.1.1). */
export const tagParameters: Family = (clause, options) => {
  async function pushTagged(repository: Repository, pushed: Manifest, tags: readonly string[]): Promise<Answer> {
    for (const blob of pushed.blobs) await repository.pushBlob(blob);
    const query = tags.map((tag) => `tag=${encodeURIComponent(tag)}`).join('&');
    return repository.putManifest(`${pushed.descriptor.digest}?${query}`, pushed);
  }

  for (const algorithm of ['sha256', 'sha512']) {
    for (const count of [1, 10]) {
      clause(`[M6] PUT by ${algorithm} digest with ${count} tags: OCI-Tag names all, and each pulls`, async (t) => {
        const repository = t.repository();
        const pushed = image({ algorithm });
        const tags = Array.from({ length: count }, (_, at) => `tag-${at}`);
        const answer = await pushTagged(repository, pushed, tags);
        expectStatus(answer, 201);
        expectHeader(answer, 'docker-content-digest', pushed.descriptor.digest);
        const named = answer.header('oci-tag');
        if (named === undefined) throw new Declined('no OCI-Tag: tag parameters are not supported');
        assert.deepEqual(named.split(/\s*,\s*/).sort(), [...tags].sort());
        for (const tag of tags) {
          expectContent(await repository.head(`manifests/${tag}`), pushed.bytes, pushed.descriptor.digest);
          expectContent(await repository.get(`manifests/${tag}`), pushed.bytes, pushed.descriptor.digest);
        }
        assert.deepEqual(tagsOf(await repository.get('tags/list'), repository.name), [...tags].sort());
      });
    }
  }

  clause('[M6] far too many tags: 414 or 431, and none is created', async (t) => {
    const repository = t.repository();
    const pushed = image();
    const tags = Array.from({ length: 1000 }, (_, at) => `a-rather-long-tag-${at}`);
    const answer = await pushTagged(repository, pushed, tags);
    if (answer.status === 201 && answer.header('oci-tag') === undefined) throw new Declined('no OCI-Tag');
    if (!t.options.strict && answer.status === 201) return;
    expectStatus(answer, 414, 431);
    await expectAbsent(repository, 'manifests/a-rather-long-tag-0');
  });

  clause('[M6] an invalid tag among the parameters: 400, and none is created', async (t) => {
    const repository = t.repository();
    for (const bad of ['.bad', 'a b', '', 't'.repeat(129), 'a/b']) {
      const answer = await pushTagged(repository, image(), ['good', bad]);
      if (answer.status === 201 && answer.header('oci-tag') === undefined) throw new Declined('no OCI-Tag');
      expectStatus(answer, 400);
      await expectAbsent(repository, 'manifests/good');
    }
  });

  clause('[M6] the same tag twice counts once', async (t) => {
    const repository = t.repository();
    const answer = await pushTagged(repository, image(), ['one', 'one', 'two']);
    expectStatus(answer, 201);
    if (answer.header('oci-tag') === undefined) throw new Declined('no OCI-Tag');
    assert.deepEqual(tagsOf(await repository.get('tags/list'), repository.name), ['one', 'two']);
  });

  clause('[M6] a tag parameter moves a tag', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(image(), 'latest');
    const answer = await pushTagged(repository, pushed, ['latest']);
    expectStatus(answer, 201);
    if (answer.header('oci-tag') === undefined) throw new Declined('no OCI-Tag');
    expectContent(await repository.get('manifests/latest'), pushed.bytes, pushed.descriptor.digest);
  });

  clause('[M6] a wrong digest with tags: 400, and none is created', async (t) => {
    const repository = t.repository();
    const pushed = image();
    const wrong: Manifest = { ...pushed, bytes: Buffer.concat([pushed.bytes, Buffer.from(' ')]) };
    expectStatus(await pushTagged(repository, wrong, ['latest']), 400);
    await expectAbsent(repository, 'manifests/latest');
  });

  clause('[M6] tag parameters on a push by tag are ignored', async (t) => {
    const repository = t.repository();
    const pushed = image();
    for (const blob of pushed.blobs) await repository.pushBlob(blob);
    const answer = await repository.putManifest('main?tag=other', pushed);
    expectStatus(answer, ...t.accepted(201, 400));
    expectNoHeader(answer, 'oci-tag');
    expectStatus(await repository.get('manifests/other'), 404);
  });

  if (!options.strict) return;

  clause('[M6] more tags than Berth takes at once: 414, and none is created', async (t) => {
    const repository = t.repository();
    const pushed = image();
    const tags = Array.from({ length: 101 }, (_, at) => `tag-${at}`);
    expectStatus(await pushTagged(repository, pushed, tags), 414);
    await expectAbsent(repository, 'manifests/tag-0');
    expectStatus(await pushTagged(repository, pushed, tags.slice(1)), 201);
    assert.equal(tagsOf(await repository.get('tags/list'), repository.name).length, 100);
  });
};
