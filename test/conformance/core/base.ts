import assert from 'node:assert/strict';
import { Declined, expectHeader, expectStatus, jsonBody } from '../expect.ts';
import { digestOf } from '../http.ts';
import { image } from '../images.ts';
import type { Family } from '../suite.ts';

/** The base of the API, and what HTTP itself asks of every part of it (clauses G2, G4, E1). */
export const base: Family = (clause, options) => {
  clause('[G4] base URL answers: 200', async (t) => {
    const answer = await t.client.send({ method: 'GET', url: t.url('') });
    expectStatus(answer, 200);
    if (!options.strict) return;
    expectHeader(answer, 'content-type', 'application/json');
    expectHeader(answer, 'content-length', '2');
    assert.deepEqual(jsonBody(answer), {});
  });

  clause('[G4] base URL without its last slash leads to the API', async (t) => {
    const answer = await t.client.send({ method: 'GET', url: t.url('').replace(/\/$/, '') });
    expectStatus(answer, ...t.accepted(200, 404));
  });

  clause('[G9] the legacy version header, where sent, is registry/2.0', async (t) => {
    const answer = await t.client.send({ method: 'GET', url: t.url('') });
    if (answer.header('docker-distribution-api-version') === undefined) {
      throw new Declined('no Docker-Distribution-API-Version');
    }
    expectHeader(answer, 'docker-distribution-api-version', 'registry/2.0');
  });

  clause('[G2] HEAD is answered wherever GET is, with the same status and type and no body', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'latest');
    const upload = await repository.open();
    const { digest } = pushed.descriptor;
    const paths = [t.url(''), 'tags/list', `referrers/${digest}`, 'manifests/latest', `manifests/${digest}`, upload];
    for (const path of paths) {
      const [got, head] = [await repository.get(path), await repository.head(path)];
      expectStatus(head, got.status);
      assert.equal(head.body.length, 0);
      assert.equal(head.header('content-type'), got.header('content-type'), `Content-Type of HEAD ${path}`);
    }
  });

  clause('[G2] HEAD of the catalog', async (t) => {
    const got = await t.client.send({ method: 'GET', url: t.url('_catalog?n=1') });
    if (got.status === 404) throw new Declined('no catalog');
    expectStatus(await t.client.send({ method: 'HEAD', url: t.url('_catalog?n=1') }), got.status);
  });

  clause('[G2] OPTIONS names the methods of a resource', async (t) => {
    const repository = t.repository();
    const digest = digestOf(Buffer.from('anything'));
    const resources: Record<string, readonly string[]> = {
      [t.url('')]: ['GET'],
      [`manifests/${digest}`]: ['GET', 'HEAD', 'PUT', 'DELETE'],
      [`blobs/${digest}`]: ['GET', 'HEAD', 'DELETE'],
      'blobs/uploads/': ['POST'],
      'tags/list': ['GET'],
    };
    for (const [path, methods] of Object.entries(resources)) {
      const answer = await repository.send('OPTIONS', path);
      if (answer.status === 404 || answer.status === 405) throw new Declined(`OPTIONS ${path}: ${answer.status}`);
      expectStatus(answer, 200, 204);
      for (const method of methods) expectHeader(answer, 'allow', new RegExp(`\\b${method}\\b`));
    }
  });

  clause('[G2] a method that a resource does not have: 405 and Allow', async (t) => {
    const repository = t.repository();
    for (const [method, path] of [
      ['POST', 'tags/list'],
      ['PATCH', 'manifests/latest'],
      ['PUT', `referrers/${digestOf(Buffer.from('x'))}`],
    ] as const) {
      const answer = await repository.send(method, path);
      expectStatus(answer, ...t.accepted(405, 404));
      if (answer.status === 405) expectHeader(answer, 'allow', /GET/);
    }
  });

  clause('[G2] a percent-encoded colon in a path means the same resource', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed);
    const encoded = encodeURIComponent(pushed.descriptor.digest);
    expectStatus(await repository.get(`manifests/${encoded}`), 200);
    const [blob] = pushed.blobs;
    expectStatus(await repository.head(`blobs/${encodeURIComponent(blob?.descriptor.digest ?? '')}`), 200);
  });

  clause('[G2] Expect: 100-continue is no obstacle to a push', async (t) => {
    const repository = t.repository();
    const [blob] = image().blobs;
    assert.ok(blob !== undefined);
    const answer = await repository.close(await repository.open(), blob.descriptor.digest, blob.bytes, {
      expect: '100-continue',
    });
    expectStatus(answer, 201);
  });

  clause('[E1] an extension that is not there: 404, or its list', async (t) => {
    const answer = await t.client.send({ method: 'GET', url: t.url('_oci/ext/discover') });
    expectStatus(answer, ...t.accepted(404, 200, 400, 405));
    const unknown = await t.client.send({ method: 'GET', url: t.url('_nobody/knows/this') });
    expectStatus(unknown, ...t.accepted(404, 400, 405));
  });

  clause('[G2] a path outside the API: 404', async (t) => {
    expectStatus(await t.repository().get('nothing/here/at-all'), 404);
    expectStatus(await t.repository().get('manifests/'), 404);
  });
};
