import assert from 'node:assert/strict';
import { Declined, expectError, expectHeader, expectNoHeader, expectStatus, jsonBody, nextPage } from '../expect.ts';
import type { Answer } from '../http.ts';
import { image } from '../images.ts';
import { createRepository } from '../repository.ts';
import type { Family, Trial } from '../suite.ts';

/** The catalog of repositories: not in the specification, but Docker's API, and clients use it. */
export const catalog: Family = (clause) => {
  async function list(t: Trial, query = ''): Promise<{ answer: Answer; names: string[] }> {
    const answer = await t.client.send({ method: 'GET', url: t.url(`_catalog${query}`) });
    if (answer.status === 404) throw new Declined('no catalog');
    expectStatus(answer, 200);
    expectHeader(answer, 'content-type', /^application\/json(;|$)/);
    const { repositories } = jsonBody(answer) as { repositories?: unknown };
    assert.ok(Array.isArray(repositories), 'repositories is no list');
    return { answer, names: repositories as string[] };
  }

  /** Repositories side by side below a name of their own, so that what other tests push is of no account. */
  async function family(t: Trial): Promise<string[]> {
    const { name } = t.repository();
    const names = ['a', 'b', 'c', 'd'].map((part) => `${name}/${part}`);
    for (const each of names) await createRepository(t.client, t.options.url, each).push(image(), 'latest');
    // A catalog may be a moment behind what another process wrote.
    const until = Date.now() + 10_000;
    while (Date.now() < until && !(await list(t, `?n=1&last=${names[2]}`)).names.includes(names[3] ?? '')) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return names;
  }

  clause('[catalog] a repository that was pushed to is in the catalog', async (t) => {
    const names = await family(t);
    const { names: page } = await list(t, `?n=3&last=${names[0]}`);
    assert.deepEqual(page, names.slice(1));
  });

  clause('[catalog] n and last page through it, and Link leads on', async (t) => {
    const names = await family(t);
    const { answer, names: page } = await list(t, `?n=1&last=${names[0]}`);
    assert.deepEqual(page, [names[1]]);
    const next = nextPage(answer);
    assert.ok(next !== undefined, 'no Link although more follow');
    const second = await t.client.send({ method: 'GET', url: next });
    assert.deepEqual((jsonBody(second) as { repositories: string[] }).repositories, [names[2]]);
  });

  clause('[catalog] a place that is no repository is a place as any other', async (t) => {
    const names = await family(t);
    const { names: page } = await list(t, `?n=1&last=${names[1]}0`);
    assert.deepEqual(page, [names[2]]);
  });

  clause('[catalog] n=0: an empty list and no Link', async (t) => {
    await family(t);
    const { answer, names } = await list(t, '?n=0');
    assert.deepEqual(names, []);
    expectNoHeader(answer, 'link');
  });

  clause('[catalog] without n a page is bounded, and following Link finds every repository once', async (t) => {
    const names = await family(t);
    const seen: string[] = [];
    let url: string | undefined = t.url('_catalog');
    for (let pages = 0; url !== undefined && pages < 1000; pages++) {
      const answer = await t.client.send({ method: 'GET', url });
      if (answer.status === 404) throw new Declined('no catalog');
      seen.push(...(jsonBody(answer) as { repositories: string[] }).repositories);
      url = nextPage(answer);
    }
    assert.deepEqual(seen.filter((name) => names.includes(name)).sort(), names);
  });

  clause('[catalog] n that is negative or no number: 400', async (t) => {
    for (const n of ['-1', 'x', '1.5']) {
      const answer = await t.client.send({ method: 'GET', url: t.url(`_catalog?n=${n}`) });
      if (answer.status === 404) throw new Declined('no catalog');
      expectStatus(answer, ...t.accepted(400, 200));
      if (t.options.strict) expectError(answer, [400], 'PAGINATION_NUMBER_INVALID');
    }
  });
};
