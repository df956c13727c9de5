import assert from 'node:assert/strict';
import { wayInTurn } from '../blob-push.ts';
import { type DataSet, dataSets, type Root, sparseSets } from '../datasets.ts';
import { Declined, expectContent, expectHeader, expectStatus, referrersOf, tagsOf } from '../expect.ts';
import { type Content, image, type Manifest } from '../images.ts';
import { expectAbsent, expectPullable, type Repository, refusesDelete } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Every data set is pushed, listed, headed, pulled, asked for its referrers and deleted, twice in a row. */
export const formats: Family = (clause, options) => {
  const sets = [...dataSets(), ...(options.sparse ? sparseSets() : [])];

  for (const set of sets) {
    clause(`[F1] data set ${set.name}: push, list, head, pull, referrers, delete, twice in a row`, async (t) => {
      const repository = t.repository();
      await walkTwice(repository, [set], options.deleteDisabled);
    });
  }

  clause('[F1] all data sets one after another in one repository, twice in a row', async (t) => {
    const repository = t.repository();
    await walkTwice(repository, sets, options.deleteDisabled);
  });

  clause('[M1] data set bad-digest-image: the blobs are fine, the manifest is 400', async (t) => {
    const repository = t.repository();
    const pushed = image();
    for (const blob of pushed.blobs) await repository.pushBlob(blob);
    const bytes = Buffer.concat([pushed.bytes, Buffer.from('  ')]);
    expectStatus(await repository.putManifest(pushed.descriptor.digest, { ...pushed, bytes }), 400);
    for (const blob of pushed.blobs) {
      expectContent(await repository.head(`blobs/${blob.descriptor.digest}`), blob.bytes, blob.descriptor.digest);
      expectContent(await repository.get(`blobs/${blob.descriptor.digest}`), blob.bytes, blob.descriptor.digest);
    }
  });
};

/** Children before their parents, each once. */
function everyManifest(set: DataSet): Manifest[] {
  const walkDown = (manifest: Manifest): Manifest[] => [...manifest.children.flatMap(walkDown), manifest];
  const all = set.roots.flatMap(({ manifest }) => walkDown(manifest));
  return [...new Map(all.map((manifest) => [manifest.descriptor.digest, manifest])).values()];
}

function everyBlob(set: DataSet): Content[] {
  const all = everyManifest(set).flatMap(({ blobs }) => blobs);
  return [...new Map(all.map((blob) => [blob.descriptor.digest, blob])).values()];
}

async function walkTwice(repository: Repository, sets: readonly DataSet[], deleteDisabled: boolean): Promise<void> {
  let declined: Declined | undefined;
  for (const round of [1, 2]) {
    for (const set of sets) {
      await walk(repository, set, round);
      if (!deleteDisabled) declined = (await deleteSet(repository, set)) ?? declined;
    }
  }
  if (declined !== undefined) throw declined;
}

async function walk(repository: Repository, set: DataSet, round: number): Promise<void> {
  for (const [at, blob] of everyBlob(set).entries()) {
    const answer = await wayInTurn(at + round, blob)(repository, blob);
    await expectPullable(repository, answer, blob);
  }
  const tags = new Map<string, Manifest>();
  for (const root of set.roots) {
    for (const [tag, manifest] of await pushRoot(repository, root)) tags.set(tag, manifest);
  }
  await expectListed(repository, [...tags.keys()]);
  for (const manifest of everyManifest(set)) await expectServed(repository, manifest.descriptor.digest, manifest);
  for (const [tag, manifest] of tags) await expectServed(repository, tag, manifest);
  for (const blob of everyBlob(set)) {
    const path = `blobs/${blob.descriptor.digest}`;
    expectContent(await repository.head(path), blob.bytes, blob.descriptor.digest);
    expectContent(await repository.get(path), blob.bytes, blob.descriptor.digest);
  }
  for (const subject of set.subjects) await expectReferrers(repository, set, subject);
}

/** @returns the tags that were set, each with its manifest */
async function pushRoot(repository: Repository, root: Root): Promise<Map<string, Manifest>> {
  const tags = new Map<string, Manifest>();
  const { manifest } = root;
  const pushOne = async (each: Manifest, own: readonly string[]) => {
    const query = own.length === 0 ? '' : `?${own.map((tag) => `tag=${tag}`).join('&')}`;
    const answer = await repository.putManifest(`${each.descriptor.digest}${query}`, each);
    expectStatus(answer, 201);
    expectHeader(answer, 'docker-content-digest', each.descriptor.digest);
    if (each.subject !== undefined) expectHeader(answer, 'oci-subject', each.subject);
    if (own.length > 0) {
      const named = answer.header('oci-tag')?.split(/\s*,\s*/);
      if (named === undefined) throw new Declined('no OCI-Tag: tag parameters are not supported');
      assert.deepEqual(named.sort(), [...own].sort());
    }
    await expectPullable(repository, answer, each);
    for (const tag of own) tags.set(tag, each);
  };
  const below = async (parent: Manifest): Promise<void> => {
    for (const [at, child] of parent.children.entries()) {
      await below(child);
      await pushOne(child, root.tagParameters === true ? [`${root.tags[0]}-${at}`] : []);
    }
  };
  await below(manifest);
  await pushOne(manifest, root.tagParameters === true ? root.tags : []);
  if (root.tagParameters !== true) {
    for (const tag of root.tags) {
      const answer = await repository.putManifest(tag, manifest);
      await expectPullable(repository, answer, manifest);
      tags.set(tag, manifest);
    }
  }
  return tags;
}

async function expectListed(repository: Repository, tags: readonly string[]): Promise<void> {
  const all = tagsOf(await repository.get('tags/list'), repository.name);
  for (const tag of tags) assert.ok(all.includes(tag), `${tag} is not in the list`);
  const middle = all[Math.floor(all.length / 2)];
  if (all.length < 2 || middle === undefined) return;
  const after = tagsOf(await repository.get(`tags/list?last=${middle}`), repository.name);
  assert.deepEqual(
    after,
    all.filter((tag) => tag > middle),
  );
}

async function expectServed(repository: Repository, reference: string, manifest: Manifest): Promise<void> {
  for (const answer of [
    await repository.head(`manifests/${reference}`),
    await repository.get(`manifests/${reference}`),
  ]) {
    expectContent(answer, manifest.bytes, manifest.descriptor.digest);
    expectHeader(answer, 'content-type', manifest.descriptor.mediaType);
  }
}

async function expectReferrers(repository: Repository, set: DataSet, subject: string): Promise<void> {
  const expected = everyManifest(set).filter((manifest) => manifest.subject === subject);
  const types = new Set(expected.map(({ artifactType }) => artifactType ?? ''));
  for (const type of ['', ...types]) {
    const query = type === '' ? '' : `?artifactType=${encodeURIComponent(type)}`;
    const answer = await repository.get(`referrers/${subject}${query}`);
    const got = referrersOf(answer);
    if (type !== '') {
      if (answer.header('oci-filters-applied') === undefined) throw new Declined('no OCI-Filters-Applied');
      expectHeader(answer, 'oci-filters-applied', 'artifactType');
    }
    const wanted = expected.filter(({ artifactType }) => type === '' || artifactType === type);
    assert.deepEqual(got.map(({ digest }) => digest).sort(), wanted.map(({ descriptor }) => descriptor.digest).sort());
    for (const { descriptor, artifactType, annotations } of wanted) {
      const entry = got.find(({ digest }) => digest === descriptor.digest);
      assert.deepEqual([entry?.mediaType, entry?.size], [descriptor.mediaType, descriptor.size]);
      assert.deepEqual([entry?.artifactType, entry?.annotations ?? {}], [artifactType, annotations ?? {}]);
    }
  }
}

/** Every tag that pushing the set sets. */
function everyTag(set: DataSet): string[] {
  return set.roots.flatMap(({ manifest, tags, tagParameters }) =>
    tagParameters === true ? [...tags, ...manifest.children.map((_, at) => `${tags[0]}-${at}`)] : tags,
  );
}

/** @returns what the server declined to delete, if anything */
async function deleteSet(repository: Repository, set: DataSet): Promise<Declined | undefined> {
  const paths = [
    ...everyTag(set).map((tag) => `manifests/${tag}`),
    ...everyManifest(set)
      .reverse()
      .map(({ descriptor }) => `manifests/${descriptor.digest}`),
    ...everyBlob(set).map(({ descriptor }) => `blobs/${descriptor.digest}`),
  ];
  let declined: Declined | undefined;
  for (const path of paths) {
    const answer = await repository.delete(path);
    if (refusesDelete(path).includes(answer.status)) {
      declined = new Declined(`DELETE ${path.split('/')[0]}: answered ${answer.status}`);
      continue;
    }
    expectStatus(answer, 202);
    await expectAbsent(repository, path);
  }
  return declined;
}
