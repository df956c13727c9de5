import assert from 'node:assert/strict';
import { expectStatus, referrersOf } from '../expect.ts';
import { artifact, image, index } from '../images.ts';
import { createRepository } from '../repository.ts';
import type { Family } from '../suite.ts';

/**
 * For a registry that takes the place of an older one without the referrers API: `--peer` is that one, on the same
 * storage. What clients left there is listed by the new one (clauses R7, R8).
 */
export const upgrade: Family = (clause, { peer }) => {
  const old = peer ?? '';

  clause('[R7] the older registry is named by --peer', async () => {
    assert.ok(peer !== undefined, 'the group upgrade needs --peer URL');
  });

  clause('[R7] manifests with a subject, known only through a fallback tag, are listed', async (t) => {
    const { name } = t.repository();
    const before = createRepository(t.client, old, name);
    const after = createRepository(t.client, t.options.url, name);
    const subject = image();
    const referrers = ['sbom', 'signature'].map((kind) =>
      artifact({ subject: subject.descriptor, artifactType: `application/vnd.example.${kind}`, annotations: { kind } }),
    );
    await before.push(subject, 'latest');
    const tag = subject.descriptor.digest.replace(':', '-');
    await before.push(index(referrers, { platforms: false }), tag);
    const got = referrersOf(await after.get(`referrers/${subject.descriptor.digest}`));
    assert.deepEqual(
      got.map(({ digest }) => digest).sort(),
      referrers.map(({ descriptor }) => descriptor.digest).sort(),
    );
    for (const { annotations } of got) assert.ok(annotations?.['kind'] !== undefined);
  });

  clause('[R7] manifests with a subject that no fallback tag names are listed too', async (t) => {
    const { name } = t.repository();
    const before = createRepository(t.client, old, name);
    const after = createRepository(t.client, t.options.url, name);
    const subject = image();
    const referrer = artifact({ subject: subject.descriptor });
    await before.push(subject, 'latest');
    await before.push(referrer);
    const answer = await after.get(`referrers/${subject.descriptor.digest}`);
    expectStatus(answer, 200);
    assert.deepEqual(
      referrersOf(answer).map(({ digest }) => digest),
      [referrer.descriptor.digest],
    );
  });
};
