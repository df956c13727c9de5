import assert from 'node:assert/strict';
import { expectStatus, referrersOf } from '../expect.ts';
import { artifact, image, index, type Manifest } from '../images.ts';
import type { Family } from '../suite.ts';

/**
 * The tag that clients keep where a registry has no referrers API (clauses R7, R8): algorithm, `-`, and the encoded part
 * cut to 64 characters. Its index must neither hide nor double what the API lists.
 */
export const referrersFallback: Family = (clause) => {
  const fallbackTag = (digest: string): string => {
    const [algorithm = '', encoded = ''] = digest.split(':');
    return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`;
  };

  for (const algorithm of ['sha256', 'sha512']) {
    clause(`[R7] a client that also keeps the fallback tag of a ${algorithm} subject doubles nothing`, async (t) => {
      const repository = t.repository();
      const subject = image({ algorithm });
      const referrers = ['one', 'two'].map((kind) =>
        artifact({
          subject: subject.descriptor,
          annotations: { kind },
          artifactType: `application/vnd.example.${kind}`,
        }),
      );
      await repository.push(subject);
      await repository.push(index(referrers, { platforms: false }), fallbackTag(subject.descriptor.digest));
      const got = referrersOf(await repository.get(`referrers/${subject.descriptor.digest}`));
      assert.deepEqual(
        got.map(({ digest }) => digest).sort(),
        referrers.map(({ descriptor }) => descriptor.digest).sort(),
      );
      for (const { annotations, artifactType } of got) {
        assert.ok(annotations?.['kind'] !== undefined, 'annotations of the manifest');
        assert.match(artifactType ?? '', /^application\/vnd\.example\./);
      }
    });
  }

  clause('[R7] a fallback tag that lists a manifest which is not there: the list stays readable', async (t) => {
    const repository = t.repository();
    const subject = image();
    const present = artifact({ subject: subject.descriptor });
    await repository.push(present);
    const entries: readonly Manifest[] = [present];
    const fallback = index(entries, { platforms: false });
    await repository.push(fallback, fallbackTag(subject.descriptor.digest));
    expectStatus(await repository.delete(`manifests/${present.descriptor.digest}`), 202, 405, 400);
    const answer = await repository.get(`referrers/${subject.descriptor.digest}`);
    const gone = (await repository.head(`manifests/${present.descriptor.digest}`)).status === 404;
    assert.equal(referrersOf(answer).length, gone ? 0 : 1);
  });

  clause('[R7] a tag of that form that holds an image instead of an index: the list is as without it', async (t) => {
    const repository = t.repository();
    const subject = image();
    const referrer = artifact({ subject: subject.descriptor });
    await repository.push(subject, fallbackTag(subject.descriptor.digest));
    await repository.push(referrer);
    const got = referrersOf(await repository.get(`referrers/${subject.descriptor.digest}`));
    assert.deepEqual(
      got.map(({ digest }) => digest),
      [referrer.descriptor.digest],
    );
  });

  clause('[R7] a manifest that names another subject is not listed for standing in the fallback tag', async (t) => {
    const repository = t.repository();
    const [subject, other] = [image(), image()];
    const stranger = artifact({ subject: other.descriptor });
    await repository.push(index([stranger], { platforms: false }), fallbackTag(subject.descriptor.digest));
    assert.deepEqual(referrersOf(await repository.get(`referrers/${subject.descriptor.digest}`)), []);
    assert.equal(referrersOf(await repository.get(`referrers/${other.descriptor.digest}`)).length, 1);
  });
};
