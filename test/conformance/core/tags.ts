import assert from 'node:assert/strict';
import { expectError, expectNoHeader, expectStatus, jsonBody, nextPage, tagsOf } from '../expect.ts';
import { image } from '../images.ts';
import { declineIf, type Repository } from '../repository.ts';
import type { Family, Trial } from '../suite.ts';

/** Tag lists and their pages (clauses T1 to T6). */
export const tags: Family = (clause, options) => {
  /** In byte order. */
  const sorted = [
    '1',
    '10',
    '2',
    'A',
    'B-1',
    'Z',
    '_',
    'a',
    'a-1',
    'a.1',
    'a0',
    'aA',
    'a_1',
    'ab',
    'b',
    'latest',
    'v1',
    'v1.0',
  ];

  async function tagged(t: Trial, names: readonly string[] = sorted): Promise<Repository> {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed);
    // Neither in order nor in the reverse of it.
    for (const tag of [...names].sort((a, b) => a.length - b.length || (a < b ? 1 : -1))) {
      expectStatus(await repository.putManifest(tag, pushed), 201);
    }
    return repository;
  }

  const list = async (repository: Repository, query = '') =>
    tagsOf(await repository.get(`tags/list${query}`), repository.name);

  clause('[T1] tags of a repository that does not exist: 404, or an empty list', async (t) => {
    const answer = await t.repository().get('tags/list');
    expectStatus(answer, ...t.accepted(404, 200));
    if (answer.status === 404) expectError(answer, [404], 'NAME_UNKNOWN');
  });

  clause('[T1] tags after a push: the name and all tags', async (t) => {
    const repository = await tagged(t, ['latest', 'v1']);
    assert.deepEqual((await list(repository)).sort(), ['latest', 'v1']);
  });

  clause('[T1] a repository that has manifests and no tags: an empty list', async (t) => {
    const repository = t.repository();
    await repository.push(image());
    const answer = await repository.get('tags/list');
    expectStatus(answer, 200);
    assert.deepEqual(tagsOf(answer, repository.name), []);
  });

  if (!options.deleteDisabled) {
    clause('[T1] tags after the last one was deleted: an empty list, never null', async (t) => {
      const repository = await tagged(t, ['only']);
      declineIf(await repository.delete('manifests/only'), [400, 405], 'DELETE of a tag');
      const answer = await repository.get('tags/list');
      expectStatus(answer, ...t.accepted(200, 404));
      if (answer.status === 200) assert.deepEqual(tagsOf(answer, repository.name), []);
    });
  }

  clause('[T2] tags are in order, by bytes or without regard to case', async (t) => {
    const repository = await tagged(t);
    const got = await list(repository);
    const folded = [...sorted].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
    const expected = !t.options.strict && got[3] !== 'A' ? folded : sorted;
    assert.deepEqual(got, expected);
  });

  clause('[T3] n smaller than the total: exactly n, and a Link to the next page', async (t) => {
    const repository = await tagged(t);
    for (const n of [1, 5, sorted.length - 1]) {
      const answer = await repository.get(`tags/list?n=${n}`);
      assert.deepEqual(tagsOf(answer, repository.name), (await list(repository)).slice(0, n));
      assert.ok(nextPage(answer) !== undefined, 'no Link although more tags follow');
    }
  });

  clause('[T3] n equal to or larger than the total: all, and no Link', async (t) => {
    const repository = await tagged(t);
    for (const n of [sorted.length, sorted.length + 1, 1000]) {
      const answer = await repository.get(`tags/list?n=${n}`);
      assert.equal(tagsOf(answer, repository.name).length, sorted.length);
      if (t.options.strict) expectNoHeader(answer, 'link');
    }
  });

  for (const n of [1, 3, 6]) {
    clause(`[T4] following Link in pages of ${n} visits every tag once`, async (t) => {
      const repository = await tagged(t);
      const seen: string[] = [];
      let url: string | undefined = repository.url(`tags/list?n=${n}`);
      for (let pages = 0; url !== undefined && pages <= sorted.length + 1; pages++) {
        const answer = await repository.get(url);
        const page = tagsOf(answer, repository.name);
        assert.ok(page.length <= n, `a page of ${page.length}`);
        seen.push(...page);
        url = nextPage(answer);
      }
      assert.equal(url, undefined, 'the pages do not end');
      assert.deepEqual(seen, await list(repository));
    });
  }

  clause('[T4] tags that are added while pages are read neither repeat nor hide others', async (t) => {
    const repository = await tagged(t);
    const manifest = image();
    await repository.push(manifest);
    const first = await repository.get('tags/list?n=6');
    const seen = tagsOf(first, repository.name);
    for (const tag of ['0-new', 'a-1-new', 'zz-new']) expectStatus(await repository.putManifest(tag, manifest), 201);
    for (let url = nextPage(first); url !== undefined; ) {
      const answer = await repository.get(url);
      seen.push(...tagsOf(answer, repository.name));
      url = nextPage(answer);
    }
    assert.equal(new Set(seen).size, seen.length, 'a tag came twice');
    assert.deepEqual(
      sorted.filter((tag) => !seen.includes(tag)),
      [],
    );
  });

  clause('[T5] n=0: an empty list and no Link', async (t) => {
    const repository = await tagged(t, ['latest', 'v1']);
    const answer = await repository.get('tags/list?n=0');
    assert.deepEqual(tagsOf(answer, repository.name), []);
    expectNoHeader(answer, 'link');
  });

  clause('[T6] last without n: all later tags, and none up to it', async (t) => {
    const repository = await tagged(t);
    const all = await list(repository);
    for (const last of all) {
      assert.deepEqual(await list(repository, `?last=${last}`), all.slice(all.indexOf(last) + 1));
    }
  });

  clause('[T6] last with n: the n tags after it', async (t) => {
    const repository = await tagged(t);
    const all = await list(repository);
    for (const last of [all[0], all[4], all.at(-2)]) {
      const from = all.indexOf(last ?? '') + 1;
      assert.deepEqual(await list(repository, `?n=3&last=${last}`), all.slice(from, from + 3));
      assert.deepEqual(await list(repository, `?last=${last}&n=3`), all.slice(from, from + 3));
    }
  });

  clause('[T6] last that does not exist marks a place; last beyond the end gives nothing', async (t) => {
    const repository = await tagged(t);
    assert.deepEqual(
      await list(repository, '?last=aa'),
      sorted.slice(sorted.indexOf('ab')).filter((tag) => tag > 'aa'),
    );
    const answer = await repository.get('tags/list?n=5&last=zzzz');
    assert.deepEqual(tagsOf(answer, repository.name), []);
    expectNoHeader(answer, 'link');
  });

  clause('[T6] last with characters that no tag has: a place as any other, or 400', async (t) => {
    const repository = await tagged(t, ['a', 'b']);
    for (const last of ['a%20', 'a%2F..', '%C3%A4', '.', '']) {
      const answer = await repository.get(`tags/list?last=${last}`);
      expectStatus(answer, 200, 400);
    }
  });

  clause('[T3] n above what the server gives at once: fewer only with a Link', async (t) => {
    const repository = await tagged(t, ['a', 'b', 'c']);
    const answer = await repository.get('tags/list?n=1000000000');
    expectStatus(answer, ...t.accepted(200, 400));
    if (answer.status === 200)
      assert.ok(tagsOf(answer, repository.name).length === 3 || nextPage(answer) !== undefined);
  });

  for (const n of ['-1', 'x', '1.5', '1e3', '%20', '0x10']) {
    clause(`[T3] n=${n}: 400, never 500`, async (t) => {
      const repository = await tagged(t, ['a', 'b']);
      const answer = await repository.get(`tags/list?n=${n}`);
      expectStatus(answer, ...t.accepted(400, 200));
      if (t.options.strict) expectError(answer, [400], 'PAGINATION_NUMBER_INVALID');
      else jsonBody(answer);
    });
  }
};
