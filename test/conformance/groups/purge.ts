import assert from 'node:assert/strict';
import { expectError, expectStatus } from '../expect.ts';
import { layer } from '../images.ts';
import type { Family } from '../suite.ts';

/** For a registry that purges unfinished uploads within two minutes. */
export const purge: Family = (clause) => {
  clause('[B12] an upload that nobody goes on with is purged in the end', async (t) => {
    const repository = t.repository();
    const location = await repository.open();
    expectStatus(await repository.patch(location, 0, layer().bytes), 202);
    const until = Date.now() + 120_000;
    for (;;) {
      const answer = await repository.get(location);
      if (answer.status === 404) return expectError(answer, [404], 'BLOB_UPLOAD_UNKNOWN');
      assert.ok(Date.now() < until, 'the upload is still there after two minutes');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  });
};
