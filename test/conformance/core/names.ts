import assert from 'node:assert/strict';
import { expectError, expectStatus, tagsOf } from '../expect.ts';
import { image } from '../images.ts';
import { createRepository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** The grammar of names and tags (clauses N1 to N4). */
export const names: Family = (clause) => {
  for (const suffix of ['/a__b', '/a---b', '/a.b/c', '/0', '/a_b.c-d', '/a/b/c/d/e/f/g/h']) {
    clause(`[N1] a name at the edge of the grammar (${suffix}) is pushed to and pulled from`, async (t) => {
      const repository = t.repository(suffix);
      await repository.push(image(), 'latest');
      expectStatus(await repository.get('manifests/latest'), 200);
      assert.deepEqual(tagsOf(await repository.get('tags/list'), repository.name), ['latest']);
    });
  }

  for (const suffix of ['/blobs/uploads', '/manifests', '/tags/list', '/referrers', '/v2', '/manifests/tags/blobs']) {
    clause(`[N1] components named as the API's own words (${suffix}) are names as any other`, async (t) => {
      const repository = t.repository(suffix);
      const pushed = image();
      await repository.push(pushed, 'list');
      expectStatus(await repository.get('manifests/list'), 200);
      expectStatus(await repository.head(`blobs/${pushed.blobs[0]?.descriptor.digest}`), 200);
      assert.deepEqual(tagsOf(await repository.get('tags/list'), repository.name), ['list']);
      expectStatus(await repository.get(await repository.open()), 204);
    });
  }

  clause('[N1] a name outside the grammar: 404 or 400, on every endpoint', async (t) => {
    const { name } = t.repository();
    for (const bad of ['A', 'a..b', 'a___b', '-a', 'a-', '_catalog', 'a/_b', 'a%20b', 'a%2F..%2Fb', 'ä']) {
      const repository = createRepository(t.client, t.options.url, `${name}/${encodeURI(decodeURI(bad))}`);
      for (const [method, path] of [
        ['GET', 'manifests/latest'],
        ['GET', 'tags/list'],
        ['POST', 'blobs/uploads/'],
      ] as const) {
        const answer = await repository.send(method, path);
        expectStatus(answer, ...t.accepted(404, 400));
        if (t.options.strict) expectError(answer, [404], 'NAME_INVALID');
      }
    }
  });

  clause("[N2] a name of 255 characters works; a longer one is refused as the client's fault", async (t) => {
    const { name } = t.repository();
    const repository = createRepository(t.client, t.options.url, name.padEnd(255, '/a').replace(/\/$/, 'a'));
    assert.equal(repository.name.length, 255);
    await repository.push(image(), 'latest');
    expectStatus(await repository.get('manifests/latest'), 200);
    const longer = createRepository(t.client, t.options.url, `${repository.name}bcdef`);
    const answer = await longer.send('POST', 'blobs/uploads/');
    expectStatus(answer, ...t.accepted(400, 202, 404, 414));
    if (t.options.strict) expectError(answer, [400], 'NAME_INVALID');
  });

  clause('[N3] a tag of 128 characters and every legal first character', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed);
    for (const tag of ['t'.repeat(128), '0', 'Z', '_', '_.-', 'v1.0-rc_1', 'UPPER']) {
      expectStatus(await repository.putManifest(tag, pushed), 201);
      expectStatus(await repository.get(`manifests/${tag}`), 200);
    }
  });

  clause('[N3] PUT to a tag of 129 characters or with a character outside the grammar is refused', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed);
    for (const tag of ['t'.repeat(129), '.a', '-a', 'a+b', 'a%20b', 'a@b', 'ä']) {
      const answer = await repository.putManifest(encodeURI(decodeURI(tag)), pushed);
      expectStatus(answer, ...t.accepted(400, 404));
      if (t.options.strict) expectError(answer, [400], 'TAG_INVALID');
    }
    const listed = await repository.get('tags/list');
    if (t.options.strict || listed.status === 200) assert.deepEqual(tagsOf(listed, repository.name), []);
  });

  clause('[N4] GET, HEAD and DELETE of an invalid tag: 404, not 400', async (t) => {
    const repository = t.repository();
    await repository.push(image(), 'latest');
    const path = 'manifests/.INVALID_MANIFEST_NAME';
    expectStatus(await repository.head(path), 404);
    expectStatus(await repository.get(path), 404);
    if (!t.options.deleteDisabled) expectStatus(await repository.delete(path), ...t.accepted(404, 400));
  });
};
