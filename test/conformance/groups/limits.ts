import assert from 'node:assert/strict';
import { expectError, expectHeader } from '../expect.ts';
import type { Family } from '../suite.ts';

/** For a registry that limits the rate of requests to less than 500 at once. */
export const limits: Family = (clause) => {
  clause('[G7] too many requests: 429 with Retry-After and TOOMANYREQUESTS', async (t) => {
    const asked = Array.from({ length: 500 }, () => t.client.send({ method: 'GET', url: t.url('') }));
    const refused = (await Promise.all(asked)).filter(({ status }) => status === 429);
    const [first] = refused;
    assert.ok(first !== undefined, '500 requests at once and no 429');
    expectError(first, [429], 'TOOMANYREQUESTS');
    expectHeader(first, 'retry-after', /^(\d+|[A-Z][a-z]{2}, .* GMT)$/);
  });
};
