import assert from 'node:assert/strict';
import { type Way, ways } from '../blob-push.ts';
import { expectContent, expectHeader, expectStatus, locationOf } from '../expect.ts';
import { type Answer, rewriteQuery } from '../http.ts';
import { type Content, content, layer, types } from '../images.ts';
import { declineIf, expectAbsent, expectPullable, type Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Mounting a blob from another repository (clause B13). */
export const mount: Family = (clause, options) => {
  const ask = (repository: Repository, digest: string, from?: string): Promise<Answer> => {
    const source = from === undefined ? '' : `&from=${encodeURIComponent(from)}`;
    return repository.send('POST', `blobs/uploads/?mount=${encodeURIComponent(digest)}${source}`);
  };

  /** An upload was opened instead, and the blob can go there. */
  async function expectUpload(repository: Repository, answer: Answer, blob: Content): Promise<void> {
    expectStatus(answer, 202);
    const closed = await repository.close(rewriteQuery(locationOf(answer)), blob.descriptor.digest, blob.bytes);
    await expectPullable(repository, closed, blob);
  }

  for (const algorithm of ['sha256', 'sha512']) {
    for (const [name, way] of Object.entries(ways) as [string, Way][]) {
      clause(`[B13] mount of a ${algorithm} blob that came by ${name}: 201, then readable here`, async (t) => {
        const [repository, source] = [t.repository(), t.source()];
        const blob = layer(3067, algorithm);
        expectStatus(await way(source, blob), 201);
        const answer = await ask(repository, blob.descriptor.digest, source.name);
        declineIf(answer, 202, 'mount');
        await expectPullable(repository, answer, blob);
        expectHeader(answer, 'docker-content-digest', blob.descriptor.digest);
        expectContent(await repository.head(`blobs/${blob.descriptor.digest}`), blob.bytes, blob.descriptor.digest);
      });
    }

    clause(`[B13] mount of a ${algorithm} blob without from: 201 where it is readable elsewhere, or 202`, async (t) => {
      const [repository, source] = [t.repository(), t.source()];
      const blob = layer(512, algorithm);
      await source.pushBlob(blob);
      const answer = await ask(repository, blob.descriptor.digest);
      declineIf(answer, 202, 'mount without from');
      await expectPullable(repository, answer, blob);
    });

    clause(`[B13] mount of a ${algorithm} blob that the source lacks: 202, never 201 or 4xx`, async (t) => {
      const [repository, source] = [t.repository(), t.source()];
      await source.pushBlob(layer());
      const blob = layer(512, algorithm);
      await expectUpload(repository, await ask(repository, blob.descriptor.digest, source.name), blob);
    });
  }

  clause('[B13] Location of a mount is exactly the path of the blob', async (t) => {
    const [repository, source] = [t.repository(), t.source()];
    const blob = layer();
    await source.pushBlob(blob);
    const answer = await ask(repository, blob.descriptor.digest, source.name);
    declineIf(answer, 202, 'mount');
    const { pathname, search } = new URL(locationOf(answer));
    const base = new URL(t.options.url).pathname.replace(/\/$/, '');
    assert.equal(`${pathname}${search}`, `${base}/v2/${repository.name}/blobs/${blob.descriptor.digest}`);
  });

  clause('[B13] mount of the zero-byte blob, and of a blob that is here already', async (t) => {
    const [repository, source] = [t.repository(), t.source()];
    for (const blob of [content(Buffer.alloc(0), types.tarLayer), layer()]) {
      await source.pushBlob(blob);
      for (const again of [false, true]) {
        const answer = await ask(repository, blob.descriptor.digest, source.name);
        declineIf(answer, 202, again ? 'a second mount' : 'mount');
        await expectPullable(repository, answer, blob);
      }
    }
  });

  clause('[B13] mount from the repository itself', async (t) => {
    const repository = t.repository();
    const blob = layer();
    await repository.pushBlob(blob);
    const answer = await ask(repository, blob.descriptor.digest, repository.name);
    declineIf(answer, 202, 'mount from itself');
    await expectPullable(repository, answer, blob);
  });

  clause('[B13] mount of an unknown blob without from, or from an unknown repository: 202', async (t) => {
    const repository = t.repository();
    for (const from of [undefined, t.source().name]) {
      const blob = layer();
      await expectUpload(repository, await ask(repository, blob.descriptor.digest, from), blob);
    }
  });

  clause('[B13] mount with a malformed digest or source name: 202 or 400, never 500', async (t) => {
    const repository = t.repository();
    const source = t.source();
    for (const answer of [
      await ask(repository, 'sha256:bad', source.name),
      await ask(repository, 'nothing', source.name),
      await ask(repository, layer().descriptor.digest, '../../A'),
      await ask(repository, layer().descriptor.digest, ''),
    ]) {
      expectStatus(answer, ...t.accepted(202, 400));
    }
  });

  clause('[B13] with from, the blob is taken from that repository only', async (t) => {
    const [repository, source, elsewhere] = [t.repository(), t.source(), t.source()];
    const blob = layer();
    await elsewhere.pushBlob(blob);
    await source.pushBlob(layer());
    await expectUpload(repository, await ask(repository, blob.descriptor.digest, source.name), blob);
  });

  if (options.deleteDisabled) return;

  for (const [deleted, kept] of [
    ['copy', 'source'],
    ['source', 'copy'],
  ] as const) {
    clause(`[B13] deleting the ${deleted} of a mounted blob leaves the ${kept}`, async (t) => {
      const places = { copy: t.repository(), source: t.source() };
      const blob = layer();
      const path = `blobs/${blob.descriptor.digest}`;
      await places.source.pushBlob(blob);
      declineIf(await ask(places.copy, blob.descriptor.digest, places.source.name), 202, 'mount');
      const answer = await places[deleted].delete(path);
      declineIf(answer, 405, 'DELETE of a blob');
      expectStatus(answer, 202);
      await expectAbsent(places[deleted], path);
      expectContent(await places[kept].get(path), blob.bytes, blob.descriptor.digest);
    });
  }
};
