import assert from 'node:assert/strict';
import { parseChallenge } from '../client.ts';
import { expectContent, expectError, expectStatus } from '../expect.ts';
import { image } from '../images.ts';
import { expectAbsent } from '../repository.ts';
import type { Family } from '../suite.ts';

/** For a registry that asks for credentials; needs `--username` and `--password-file` of someone who may push. */
export const auth: Family = (clause) => {
  clause('[G4] base URL without credentials: 401 and one challenge with quoted parameters', async (t) => {
    const answer = await t.client.send({ method: 'GET', url: t.url(''), authenticate: false });
    expectError(answer, [401], 'UNAUTHORIZED');
    const lines = answer.lines.filter(([name]) => name.toLowerCase() === 'www-authenticate');
    assert.equal(lines.length, 1, `${lines.length} lines of WWW-Authenticate`);
    const { scheme, parameters } = parseChallenge(lines[0]?.[1] ?? '');
    assert.ok(scheme === 'basic' || scheme === 'bearer', `the scheme is ${scheme}`);
    assert.ok(parameters['realm'] !== undefined, 'no quoted realm');
    if (scheme === 'bearer') assert.ok(parameters['service'] !== undefined, 'no quoted service');
  });

  clause('[G4] a challenge can be answered: 200', async (t) => {
    expectStatus(await t.client.send({ method: 'GET', url: t.url('') }), 200);
  });

  clause('[G4] a challenge to a push can be answered, and the request repeated with its body', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'latest');
    expectContent(await repository.get('manifests/latest'), pushed.bytes, pushed.descriptor.digest);
  });

  clause('[G4] a push with wrong credentials: 401 or 403, and nothing is stored', async (t) => {
    const repository = t.repository();
    const pushed = image();
    const authorization = `Basic ${Buffer.from('nobody:wrong').toString('base64')}`;
    const headers = { 'content-type': pushed.descriptor.mediaType, authorization };
    const answer = await repository.send('PUT', 'manifests/latest', { body: pushed.bytes, headers });
    expectError(answer, [401, 403], 'UNAUTHORIZED', 'DENIED');
    await expectAbsent(repository, 'manifests/latest');
  });

  clause('[G4] without credentials a push is refused before its body is judged', async (t) => {
    const repository = t.repository();
    for (const [method, path] of [
      ['POST', 'blobs/uploads/'],
      ['PUT', 'manifests/latest'],
      ['DELETE', 'manifests/latest'],
    ] as const) {
      expectError(await repository.send(method, path, { authenticate: false }), [401, 403], 'UNAUTHORIZED', 'DENIED');
    }
  });
};
