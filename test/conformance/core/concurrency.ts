import assert from 'node:assert/strict';
import { type Way, ways } from '../blob-push.ts';
import { expectBytes, expectContent, expectHeader, expectStatus, locationOf, tagsOf } from '../expect.ts';
import { digestOf } from '../http.ts';
import { image, layer } from '../images.ts';
import { expectAbsent, expectPullable, octets } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Many clients at the same content: what is answered 2xx is true, and nobody sees anything half done. */
export const concurrency: Family = (clause, options) => {
  const crowd = Array.from({ length: 8 }, (_, at) => at);

  clause('[B3] the same blob pushed by eight clients at once: 201 for each', async (t) => {
    const repository = t.repository();
    const blob = layer(200_000);
    const all = Object.values(ways) as Way[];
    const answers = await Promise.all(crowd.map((at) => (all[at % all.length] as Way)(repository, blob)));
    for (const answer of answers) await expectPullable(repository, answer, blob);
  });

  clause('[B3] the same blob pushed to eight repositories at once: 201 for each', async (t) => {
    const blob = layer(100_000);
    await Promise.all(
      crowd.map(async () => {
        const repository = t.repository();
        await expectPullable(repository, await ways['POST and PUT'](repository, blob), blob);
      }),
    );
  });

  clause('[M1] the same manifest pushed to one tag by eight clients at once: 201 for each', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed);
    const answers = await Promise.all(crowd.map(() => repository.putManifest('latest', pushed)));
    for (const answer of answers) expectStatus(answer, 201);
    expectContent(await repository.get('manifests/latest'), pushed.bytes, pushed.descriptor.digest);
  });

  clause('[M1] a tag moved by eight clients at once always pulls as one of theirs', async (t) => {
    const repository = t.repository();
    const all = await Promise.all(crowd.map(async () => image()));
    for (const manifest of all) await repository.push(manifest);
    expectStatus(await repository.putManifest('latest', all[0] ?? image()), 201);
    let moving = true;
    const reader = (async () => {
      while (moving) {
        const answer = await repository.get('manifests/latest');
        expectContent(answer, answer.body, digestOf(answer.body));
      }
    })();
    const mover = (async () => {
      try {
        for (let round = 0; round < 4; round++) {
          const answers = await Promise.all(all.map((manifest) => repository.putManifest('latest', manifest)));
          for (const answer of answers) expectStatus(answer, 201);
        }
      } finally {
        moving = false;
      }
    })();
    await Promise.all([reader, mover]);
    const digest = (await repository.head('manifests/latest')).header('docker-content-digest');
    assert.ok(all.some(({ descriptor }) => descriptor.digest === digest));
  });

  clause('[T1] eight tags pushed at once are all listed', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed);
    await Promise.all(crowd.map(async (at) => expectStatus(await repository.putManifest(`tag-${at}`, pushed), 201)));
    assert.deepEqual(
      tagsOf(await repository.get('tags/list'), repository.name),
      crowd.map((at) => `tag-${at}`),
    );
  });

  clause('[R3] eight referrers pushed at once are all listed', async (t) => {
    const repository = t.repository();
    const subject = image();
    const all = crowd.map(() => image({ subject: subject.descriptor }));
    await Promise.all(all.map((manifest) => repository.push(manifest)));
    const answer = await repository.get(`referrers/${subject.descriptor.digest}`);
    expectStatus(answer, 200);
    const { manifests } = JSON.parse(answer.body.toString()) as { manifests: { digest: string }[] };
    assert.deepEqual(
      manifests.map(({ digest }) => digest).sort(),
      all.map(({ descriptor }) => descriptor.digest).sort(),
    );
  });

  clause('[B8] the same chunk sent by four clients at once is stored once', async (t) => {
    const repository = t.repository();
    const blob = layer(150_000);
    const location = await repository.open();
    const chunk = blob.bytes.subarray(0, 100_000);
    const answers = await Promise.all(crowd.slice(0, 4).map(() => repository.patch(location, 0, chunk)));
    for (const answer of answers) expectStatus(answer, 202, 416, 409, 404);
    assert.ok(answers.some(({ status }) => status === 202) || !t.options.strict, 'none was accepted');
    const status = await repository.get(location);
    expectStatus(status, 204);
    expectHeader(status, 'range', '0-99999');
    const rest = blob.bytes.subarray(100_000);
    const closed = await repository.close(locationOf(status), blob.descriptor.digest, rest);
    await expectPullable(repository, closed, blob);
  });

  clause('[P4] different chunks for one place at once: a blob is right, or refused', async (t) => {
    const repository = t.repository();
    for (let round = 0; round < 12; round++) {
      const blobs = crowd.slice(0, 4).map(() => layer(400_000));
      const location = await repository.open();
      await Promise.all(blobs.map(({ bytes }) => repository.patch(location, 0, bytes)));
      const status = await repository.get(location);
      expectStatus(status, 204);
      const { digest } = blobs[round % blobs.length]?.descriptor ?? layer().descriptor;
      const closed = await repository.close(locationOf(status), digest);
      expectStatus(closed, 201, 400, 416);
      const got = await repository.get(`blobs/${digest}`);
      expectStatus(got, closed.status === 201 ? 200 : 404);
      if (got.status === 200) assert.equal(digestOf(got.body), digest, 'the bytes are not those of the digest');
    }
  });

  clause('[P4] a chunk that comes while the upload is closed changes nothing in the blob', async (t) => {
    const repository = t.repository();
    for (let round = 0; round < 8; round++) {
      const [blob, other] = [layer(500_000), layer(1_500_000)];
      const location = await repository.open();
      const stray = { body: other.bytes, framing: 'chunked', headers: octets } as const;
      const [closed, ...strays] = await Promise.all([
        repository.close(location, blob.descriptor.digest, blob.bytes),
        repository.send('PATCH', location, stray),
        repository.send('PATCH', location, stray),
      ]);
      for (const answer of [closed, ...strays]) assert.ok(answer.status < 500, `answered ${answer.status}`);
      const got = await repository.get(`blobs/${blob.descriptor.digest}`);
      expectStatus(got, closed.status === 201 ? 200 : 404);
      if (got.status === 200) expectBytes(got, blob.bytes);
    }
  });

  clause('[B10] an upload closed by four clients at once: the blob is right, or not there', async (t) => {
    const repository = t.repository();
    const blob = layer(100_000);
    const location = await repository.open();
    const answers = await Promise.all(
      crowd.slice(0, 4).map(() => repository.close(location, blob.descriptor.digest, blob.bytes)),
    );
    for (const answer of answers) assert.ok(answer.status < 500, `a closing PUT was answered ${answer.status}`);
    const path = `blobs/${blob.descriptor.digest}`;
    if (t.options.strict)
      assert.ok(
        answers.some(({ status }) => status === 201),
        'none was accepted',
      );
    if (answers.some(({ status }) => status === 201)) {
      expectContent(await repository.get(path), blob.bytes, blob.descriptor.digest);
    } else await expectAbsent(repository, path);
  });

  clause("[B12] an upload cancelled while a chunk comes: no answer is the server's fault", async (t) => {
    const repository = t.repository();
    const blob = layer(2 << 20);
    const location = await repository.open();
    const [patched, cancelled] = await Promise.all([
      repository.patch(location, 0, blob.bytes),
      repository.delete(location),
    ]);
    assert.ok(patched.status < 500 && cancelled.status < 500, `${patched.status}, ${cancelled.status}`);
    if (cancelled.status === 204) {
      expectStatus(await repository.close(location, blob.descriptor.digest), 404, 416, 400);
      await expectAbsent(repository, `blobs/${blob.descriptor.digest}`);
    }
  });

  if (options.deleteDisabled) return;

  clause('[D3] a blob pushed and deleted by several at once: the last push counts', async (t) => {
    const repository = t.repository();
    const blob = layer();
    const path = `blobs/${blob.descriptor.digest}`;
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all([
        ...crowd.slice(0, 3).map(() => ways['POST and PUT'](repository, blob)),
        repository.delete(path),
        repository.delete(path),
      ]);
      for (const answer of answers) assert.ok(answer.status < 500, `answered ${answer.status}`);
    }
    await repository.pushBlob(blob);
    expectContent(await repository.get(path), blob.bytes, blob.descriptor.digest);
  });

  clause('[D2] a manifest deleted while its tag is pushed: both or neither pull', async (t) => {
    const repository = t.repository();
    const pushed = image();
    for (let round = 0; round < 5; round++) {
      await repository.push(pushed, 'latest');
      await Promise.all([
        repository.delete(`manifests/${pushed.descriptor.digest}`),
        repository.putManifest('latest', pushed),
      ]);
      const byTag = await repository.get('manifests/latest');
      expectStatus(byTag, 200, 404);
      if (byTag.status === 200) expectContent(byTag, pushed.bytes, pushed.descriptor.digest);
    }
    await repository.push(pushed, 'latest');
    expectStatus(await repository.get('manifests/latest'), 200);
  });
};
