import assert from 'node:assert/strict';
import { Declined, errorCodes, expectError, expectStatus } from '../expect.ts';
import { digestOf } from '../http.ts';
import { type Content, content, image, imageConfig, index, layer, type Manifest, types } from '../images.ts';
import { expectAbsent, expectPullable, type Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Manifests that a registry refuses, and odd ones that it must not refuse (clauses M1, M3, F1 to F8). */
export const manifestValidation: Family = (clause, options) => {
  async function pushBelow(repository: Repository, manifest: Manifest): Promise<void> {
    for (const child of manifest.children) await repository.push(child);
    for (const blob of manifest.blobs) await repository.pushBlob(blob);
  }

  const edited = (
    manifest: Manifest,
    change: (body: Record<string, unknown>) => unknown,
    type: string = types.image,
  ): Content => {
    const body = JSON.parse(manifest.bytes.toString()) as Record<string, unknown>;
    return content(Buffer.from(JSON.stringify(change(body) ?? body)), type);
  };

  clause('[F8] Content-Type that is missing or names no manifest: 400', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await pushBelow(repository, pushed);
    for (const type of ['application/json', 'text/plain', 'application/vnd.example.manifest.v1+json']) {
      const answer = await repository.putManifest('odd', pushed, { 'content-type': type });
      expectStatus(answer, ...t.accepted(400, 415, 201));
      if (t.options.strict) expectError(answer, [400], 'MANIFEST_INVALID');
    }
    expectStatus(await repository.putManifest('odd', pushed, {}), ...t.accepted(400, 415, 201));
  });

  clause('[F8] Content-Type that contradicts mediaType: 400', async (t) => {
    const repository = t.repository();
    const [pushed, list] = [image(), index([])];
    await pushBelow(repository, pushed);
    for (const [manifest, type] of [
      [pushed, types.index],
      [list, types.image],
      [pushed, types.dockerManifest],
    ] as const) {
      expectError(await repository.putManifest('odd', manifest, { 'content-type': type }), [400], 'MANIFEST_INVALID');
    }
    expectStatus(await repository.get('manifests/odd'), 404);
  });

  clause('[F8] a body that is both image and index: 400', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await pushBelow(repository, pushed);
    for (const mediaType of [types.image, undefined]) {
      const both = edited(pushed, (body) => ({ ...body, mediaType, manifests: [] }));
      expectError(await repository.putManifest('odd', both), [400], 'MANIFEST_INVALID');
      expectError(
        await repository.putManifest('odd', both, { 'content-type': types.index }),
        [400],
        'MANIFEST_INVALID',
      );
    }
    await expectAbsent(repository, 'manifests/odd');
  });

  const broken: Record<string, (body: Record<string, unknown>) => unknown> = {
    'schemaVersion 3': (body) => ({ ...body, schemaVersion: 3 }),
    'no schemaVersion': (body) => ({ ...body, schemaVersion: undefined }),
    'no config': (body) => ({ ...body, config: undefined }),
    'config that is null': (body) => ({ ...body, config: null }),
    'layers that is no list': (body) => ({ ...body, layers: {} }),
    'a layer that is null': (body) => ({ ...body, layers: [null] }),
    'a layer without digest': (body) => ({ ...body, layers: [{ mediaType: types.gzipLayer, size: 1 }] }),
    'a layer with a malformed digest': (body) => ({
      ...body,
      layers: [{ mediaType: types.gzipLayer, size: 1, digest: 'sha256:bad' }],
    }),
    'a digest that is a path': (body) => ({
      ...body,
      layers: [{ mediaType: types.gzipLayer, size: 1, digest: 'sha256:../../../../etc/passwd' }],
    }),
    'a subject that is no descriptor': (body) => ({ ...body, subject: 'sha256:bad' }),
    'a list instead of an object': () => [],
    'null instead of an object': () => null,
  };
  for (const [what, change] of Object.entries(broken)) {
    clause(`[F1] a manifest with ${what}: 400, never 500`, async (t) => {
      const repository = t.repository();
      const pushed = image();
      await pushBelow(repository, pushed);
      const bad = what.startsWith('null') ? content(Buffer.from('null'), types.image) : edited(pushed, change);
      expectError(
        await repository.putManifest('broken', bad),
        [400],
        'MANIFEST_INVALID',
        'DIGEST_INVALID',
        'MANIFEST_BLOB_UNKNOWN',
      );
      expectStatus(await repository.get('manifests/broken'), 404);
    });
  }

  for (const [what, bytes] of [
    ['no JSON', Buffer.from('not json')],
    ['empty', Buffer.alloc(0)],
    ['cut off', Buffer.from('{"schemaVersion":2,')],
    ['no UTF-8', Buffer.from([0xff, 0xfe, 0x00])],
    ['nested 100 000 deep', Buffer.from(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)],
  ] as const) {
    clause(`[M1] a manifest body that is ${what}: 400, never 500`, async (t) => {
      const repository = t.repository();
      for (const type of [types.image, types.index]) {
        const answer = await repository.putManifest('broken', content(bytes, type));
        expectError(answer, [400], 'MANIFEST_INVALID');
      }
      expectStatus(await repository.get('manifests/broken'), 404);
    });
  }

  clause('[F2] an index whose manifests are no list of descriptors: 400', async (t) => {
    const repository = t.repository();
    for (const list of [{}, 'none', [null], [{}], ['sha256:bad']]) {
      const bad = edited(index([]), (body) => ({ ...body, manifests: list }), types.index);
      expectError(
        await repository.putManifest('broken', bad),
        [400],
        'MANIFEST_INVALID',
        'DIGEST_INVALID',
        'MANIFEST_BLOB_UNKNOWN',
      );
    }
  });

  if (!options.sparse) {
    clause('[M3] missing config, layer or child: 400 with one MANIFEST_BLOB_UNKNOWN for each', async (t) => {
      const repository = t.repository();
      const missing = image({ layers: [layer(), layer()] });
      const refused = await repository.putManifest('missing', missing);
      if (refused.status === 201) throw new Declined('a manifest with missing references is admitted');
      expectStatus(refused, ...t.accepted(400, 404));
      const codes = errorCodes(refused);
      assert.equal(
        codes.filter((code) => code === 'MANIFEST_BLOB_UNKNOWN').length,
        t.options.strict ? 3 : codes.length,
      );
      const children = await repository.putManifest('missing', index([image(), image()]));
      expectError(children, t.accepted(400, 404), 'MANIFEST_BLOB_UNKNOWN');
      if (t.options.strict) assert.equal(errorCodes(children).length, 2);
      await expectAbsent(repository, `manifests/${missing.descriptor.digest}`);
    });

    clause('[M3] a blob that is only in another repository is missing: 400', async (t) => {
      const [repository, elsewhere] = [t.repository(), t.repository()];
      const pushed = image();
      await elsewhere.push(pushed);
      await repository.pushBlob(layer());
      const answer = await repository.putManifest('latest', pushed);
      if (answer.status === 201) throw new Declined('a manifest with missing references is admitted');
      expectError(answer, t.accepted(400, 404), 'MANIFEST_BLOB_UNKNOWN');
    });
  }

  clause('[F1] a manifest without mediaType: its type is that of its Content-Type', async (t) => {
    const repository = t.repository();
    for (const pushed of [image({ extra: { mediaType: undefined } }), index([], { extra: { mediaType: undefined } })]) {
      await pushBelow(repository, pushed);
      const answer = await repository.putManifest('bare', pushed);
      expectStatus(answer, 201);
      await expectPullable(repository, answer, pushed);
    }
  });

  clause('[F5] unknown properties at the top and inside descriptors: accepted, bytes unchanged', async (t) => {
    const repository = t.repository();
    const config = content(imageConfig(1).bytes, types.config, 'sha256', {
      'org.example.x': [1, { deep: null }],
    } as object);
    const odd = content(layer().bytes, types.gzipLayer, 'sha256', { newField: 'from the future' } as object);
    const pushed = image({
      config,
      layers: [odd],
      extra: { 'org.example.top': { a: [true] }, newTop: 1 },
      indent: '\t',
    });
    await repository.push(pushed, 'odd');
    await expectPullable(repository, await repository.putManifest('odd', pushed), pushed);
  });

  clause('[F5] unknown media types of config, layer and child: accepted', async (t) => {
    const repository = t.repository();
    const config = content(Buffer.from('plain text'), 'application/vnd.example.config');
    const pushed = image({ config, layers: [layer(99, 'sha256', 'application/vnd.example.layer+zstd')] });
    await repository.push(pushed, 'odd');
    const child = image();
    const strange: Manifest = {
      ...child,
      descriptor: { ...child.descriptor, mediaType: 'application/vnd.example.m+json' },
    };
    await repository.push(child);
    const list = index([strange]);
    await expectPullable(repository, await repository.putManifest('list', list), list);
  });

  clause('[F1] a config that is no JSON, and diff_ids that fit nothing: never looked into', async (t) => {
    const repository = t.repository();
    const garbage = content(Buffer.from([0, 1, 2, 255]), types.config);
    await repository.push(image({ config: garbage, layers: [layer()] }), 'garbage');
    await repository.push(image({ config: imageConfig(0), layers: [layer(), layer()] }), 'no-ids');
  });

  clause('[F3] a layer and a config named more than once', async (t) => {
    const repository = t.repository();
    const same = layer();
    await repository.push(image({ layers: [same, same, same] }), 'same');
    await repository.push(image({ config: { ...same }, layers: [same] }), 'config-is-layer');
  });

  clause('[F7] a sha256 manifest may name sha512 blobs, and the reverse', async (t) => {
    const repository = t.repository();
    await repository.push(image({ layers: [layer(512, 'sha512')], config: imageConfig(1, 'sha512') }), 'one');
    const reverse = image({ algorithm: 'sha512', layers: [layer()], config: imageConfig(1) });
    for (const blob of reverse.blobs) await repository.pushBlob(blob);
    await expectPullable(repository, await repository.putManifest(digestOf(reverse.bytes, 'sha512'), reverse), reverse);
  });
};
