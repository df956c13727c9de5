import assert from 'node:assert/strict';
import { Declined, expectError, expectHeader, expectStatus, nextPage, referrersOf } from '../expect.ts';
import { digestOf } from '../http.ts';
import { artifact, type Descriptor, image, index, type Manifest } from '../images.ts';
import { declineIf, type Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** The referrers of a manifest (clauses R1 to R6); `referrers-fallback.ts` has the tags that stood in for it. */
export const referrers: Family = (clause, options) => {
  const nowhere = () => digestOf(Buffer.from(`nowhere ${Math.random()}`));

  const list = async (repository: Repository, digest: string, query = ''): Promise<Descriptor[]> =>
    referrersOf(await repository.get(`referrers/${digest}${query}`));

  /** Exactly these manifests, each with what a descriptor in the list must say (clause R3). */
  function expectExactly(got: readonly Descriptor[], manifests: readonly Manifest[]): void {
    assert.deepEqual(
      got.map(({ digest }) => digest).sort(),
      manifests.map(({ descriptor }) => descriptor.digest).sort(),
    );
    for (const { descriptor, artifactType, annotations } of manifests) {
      const entry = got.find(({ digest }) => digest === descriptor.digest);
      assert.equal(entry?.mediaType, descriptor.mediaType);
      assert.equal(entry?.size, descriptor.size);
      assert.equal(entry?.artifactType, artifactType, 'artifactType');
      assert.deepEqual(entry?.annotations ?? {}, annotations ?? {}, 'annotations');
    }
  }

  const of = (subject: Manifest, kind: string) => ({
    subject: subject.descriptor,
    artifactType: `application/vnd.example.${kind}+json`,
    annotations: { kind, 'org.opencontainers.image.created': '2024-01-01T00:00:00Z' },
  });

  clause('[R1] referrers in a repository that does not exist: 200 and an empty index', async (t) => {
    assert.deepEqual(await list(t.repository(), nowhere()), []);
  });

  clause('[R4] referrers of an unknown digest, and of a manifest that has none: an empty index', async (t) => {
    const repository = t.repository();
    const lonely = image();
    await repository.push(lonely);
    assert.deepEqual(await list(repository, nowhere()), []);
    assert.deepEqual(await list(repository, lonely.descriptor.digest), []);
    assert.deepEqual(await list(repository, digestOf(Buffer.from('x'), 'sha512')), []);
  });

  for (const digest of ['sha256:bad', 'sha256:', `sha256:${'Z'.repeat(64)}`, 'notadigest']) {
    clause(`[R1] referrers of the malformed digest ${digest.slice(0, 20)}: 400`, async (t) => {
      const repository = t.repository();
      await repository.push(image());
      expectError(await repository.get(`referrers/${digest}`), [400], 'DIGEST_INVALID');
    });
  }

  clause('[R3] an image without artifactType is listed with its config type', async (t) => {
    const repository = t.repository();
    const subject = image();
    const referrer = image({ subject: subject.descriptor, annotations: { one: '1' } });
    for (const manifest of [subject, referrer]) await repository.push(manifest);
    assert.equal(referrer.artifactType, 'application/vnd.oci.image.config.v1+json');
    expectExactly(await list(repository, subject.descriptor.digest), [referrer]);
  });

  clause('[R3] an artifact is listed with its type and all its annotations', async (t) => {
    const repository = t.repository();
    const subject = image();
    const referrer = artifact(of(subject, 'sbom'));
    for (const manifest of [subject, referrer]) await repository.push(manifest);
    expectExactly(await list(repository, subject.descriptor.digest), [referrer]);
  });

  clause('[R3] an index is listed with its artifactType, or without the field if it has none', async (t) => {
    const repository = t.repository();
    const subject = image();
    const withType = index([], of(subject, 'set'));
    const without = index([], { subject: subject.descriptor, annotations: { n: 'o' } });
    for (const manifest of [subject, withType, without]) await repository.push(manifest);
    const got = await list(repository, subject.descriptor.digest);
    expectExactly(got, [withType, without]);
    const entry = got.find(({ digest }) => digest === without.descriptor.digest);
    assert.ok(entry !== undefined && !('artifactType' in entry), 'the field artifactType is there');
  });

  clause('[R3] exactly those pushed, once each, before and after the subject and again', async (t) => {
    const repository = t.repository();
    const subject = index([image()]);
    const [before, after] = [artifact(of(subject, 'before')), artifact(of(subject, 'after'))];
    const group = [before, after, image({ subject: subject.descriptor })];
    await repository.push(before, 'tagged');
    await repository.push(subject, 'subject');
    for (const manifest of [...group, ...group]) await repository.push(manifest);
    expectExactly(await list(repository, subject.descriptor.digest), group);
  });

  clause('[R3] a subject that never comes has its referrers all the same', async (t) => {
    const repository = t.repository();
    const subject = image();
    const referrer = artifact(of(subject, 'early'));
    await repository.push(referrer);
    expectExactly(await list(repository, subject.descriptor.digest), [referrer]);
  });

  clause('[R3] a referrer of a referrer is listed under the latter only', async (t) => {
    const repository = t.repository();
    const subject = image();
    const first = artifact(of(subject, 'sbom'));
    const second = artifact(of(first, 'signature'));
    for (const manifest of [subject, first, second]) await repository.push(manifest);
    expectExactly(await list(repository, subject.descriptor.digest), [first]);
    expectExactly(await list(repository, first.descriptor.digest), [second]);
  });

  clause('[R3] sha512 subject and referrer', async (t) => {
    const repository = t.repository();
    const subject = image({ algorithm: 'sha512' });
    const referrer = artifact({ ...of(subject, 'sbom'), algorithm: 'sha512' });
    const light = artifact(of(subject, 'light'));
    for (const manifest of [subject, referrer, light]) await repository.push(manifest);
    expectExactly(await list(repository, subject.descriptor.digest), [referrer, light]);
  });

  clause('[R3] a referrer in another repository is not listed', async (t) => {
    const [repository, other] = [t.repository(), t.repository()];
    const subject = image();
    for (const each of [repository, other]) await each.push(subject);
    await other.push(artifact(of(subject, 'sbom')));
    assert.deepEqual(await list(repository, subject.descriptor.digest), []);
  });

  for (const [what, make, type] of [
    ['its own type', (subject: Manifest) => artifact(of(subject, 'sbom')), 'application/vnd.example.sbom+json'],
    [
      'its config type',
      (subject: Manifest) => image({ subject: subject.descriptor }),
      'application/vnd.oci.image.config.v1+json',
    ],
    ["an index's type", (subject: Manifest) => index([], of(subject, 'set')), 'application/vnd.example.set+json'],
  ] as const) {
    clause(`[R6] filter by ${what}, percent-encoded: only those, and OCI-Filters-Applied`, async (t) => {
      const repository = t.repository();
      const subject = image();
      const wanted = make(subject);
      for (const manifest of [subject, wanted, artifact(of(subject, 'other')), index([], of(subject, 'more'))]) {
        await repository.push(manifest);
      }
      const answer = await repository.get(
        `referrers/${subject.descriptor.digest}?artifactType=${encodeURIComponent(type)}`,
      );
      expectStatus(answer, 200);
      if (answer.header('oci-filters-applied') === undefined) throw new Declined('no OCI-Filters-Applied');
      expectHeader(answer, 'oci-filters-applied', 'artifactType');
      expectExactly(referrersOf(answer), [wanted]);
    });
  }

  clause('[R6] a filter that matches nothing: an empty index and the same header', async (t) => {
    const repository = t.repository();
    const subject = image();
    for (const manifest of [subject, artifact(of(subject, 'sbom'))]) await repository.push(manifest);
    const answer = await repository.get(`referrers/${subject.descriptor.digest}?artifactType=application%2Fnothing`);
    expectStatus(answer, 200);
    if (answer.header('oci-filters-applied') === undefined) throw new Declined('no OCI-Filters-Applied');
    expectHeader(answer, 'oci-filters-applied', 'artifactType');
    assert.deepEqual(referrersOf(answer), []);
  });

  clause(
    '[R5] a list of more than 4 MiB: every page is an index, the filter stays, each referrer comes once',
    async (t) => {
      const repository = t.repository();
      const subject = image();
      await repository.push(subject);
      const blob = 'x'.repeat(200_000);
      const all = Array.from({ length: 26 }, (_, at) => {
        const { artifactType } = of(subject, at % 2 === 0 ? 'even' : 'odd');
        return index([], { subject: subject.descriptor, artifactType, annotations: { at: String(at), blob } });
      });
      for (const manifest of all) await repository.push(manifest);
      for (const type of ['', 'application/vnd.example.even+json']) {
        const seen: Descriptor[] = [];
        const query = type === '' ? '' : `?artifactType=${encodeURIComponent(type)}`;
        let url: string | undefined = repository.url(`referrers/${subject.descriptor.digest}${query}`);
        let pages = 0;
        for (; url !== undefined && pages < 100; pages++) {
          const answer = await repository.get(url);
          seen.push(...referrersOf(answer));
          if (t.options.strict) assert.ok(answer.body.length <= 4 << 20, `a page of ${answer.body.length} bytes`);
          url = nextPage(answer);
        }
        assert.equal(url, undefined, 'the pages do not end');
        const expected = all.filter(({ artifactType }) => type === '' || artifactType === type);
        expectExactly(seen, expected);
        if (t.options.strict && type === '') assert.ok(pages > 1, 'one page holds everything');
      }
    },
  );

  if (options.deleteDisabled) return;

  clause('[R3] a deleted referrer leaves the list at once, and comes back when pushed again', async (t) => {
    const repository = t.repository();
    const subject = image();
    const [one, two] = [artifact(of(subject, 'one')), artifact(of(subject, 'two'))];
    for (const manifest of [subject, one, two]) await repository.push(manifest);
    const answer = await repository.delete(`manifests/${one.descriptor.digest}`);
    declineIf(answer, [400, 405], 'DELETE of a manifest');
    expectStatus(answer, 202);
    expectExactly(await list(repository, subject.descriptor.digest), [two]);
    await repository.push(one);
    expectExactly(await list(repository, subject.descriptor.digest), [one, two]);
  });

  clause('[R3] deleting the subject leaves its referrers listed', async (t) => {
    const repository = t.repository();
    const subject = image();
    const referrer = artifact(of(subject, 'sbom'));
    for (const manifest of [subject, referrer]) await repository.push(manifest);
    declineIf(await repository.delete(`manifests/${subject.descriptor.digest}`), [400, 405], 'DELETE of a manifest');
    expectExactly(await list(repository, subject.descriptor.digest), [referrer]);
  });
};
