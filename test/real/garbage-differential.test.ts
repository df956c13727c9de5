/**
 * The same trees collected by Distribution 3.1 and by Berth. Every difference has to be one of those listed in
 * docs/garbage-collection.md, each of which is a fault of Distribution's.
 */
import assert from 'node:assert/strict';
import { cpSync, globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Descriptor } from '../support/push-client.ts';
import { type Chance, createChance } from '../support/push-client-random.ts';
import { createRawTree, dataOf, imageOf, indexOf, type RawTree } from '../support/raw-tree.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { garbageCollect } from '../support/tree-peer.ts';

const berth = new URL('../../bin/registry', import.meta.url).pathname;
const names = ['a', 'a/b', 'app', 'app/web', 'm', 'team-1/x.y', 'z', 'zz/z/z'] as const;

/** What a tree holds besides the usual; each is where Distribution is at fault with `--delete-untagged`. */
interface Peculiar {
  readonly referrers: boolean;
  readonly tagless: boolean;
}

/** Images, indexes in indexes, tags that moved, deleted manifests, shared, loose and lost layers, old uploads. */
function plant(tree: RawTree, chance: Chance, peculiar: Peculiar): void {
  const shared = Array.from({ length: 4 }, (_, at) => chance.bytes(20 + at));
  for (const name of names.slice(0, 2 + chance.integer(names.length - 1))) {
    const layer = (): Descriptor =>
      tree.blob(name, chance.integer(4) === 0 ? chance.pick(shared as [Buffer, ...Buffer[]]) : chance.bytes(16));
    const tag = (): string | undefined => (chance.integer(3) > 0 ? `t${chance.integer(6)}` : undefined);
    const image = (tagged = tag(), more = {}): Descriptor => {
      const layers = Array.from({ length: chance.integer(4) }, layer);
      return tree.manifest(name, tagged, imageOf(tree.blob(name, chance.bytes(24)), layers, more));
    };
    tree.blob(name, chance.bytes(30));
    const found = [image('latest')];
    for (let count = 3 + chance.integer(12); count > 0; count--) {
      const children = (): readonly Descriptor[] =>
        Array.from({ length: chance.integer(4) }, () =>
          chance.integer(2) === 0 ? image(undefined) : chance.pick(found as [Descriptor, ...Descriptor[]]),
        );
      found.push(chance.integer(3) === 0 ? tree.manifest(name, tag(), indexOf(children(), { made: count })) : image());
    }
    // An index that names what is not there, a manifest that was deleted and left its folder.
    const absent = { mediaType: '', digest: `sha256:${chance.bytes(32).toString('hex')}`, size: 1 };
    tree.manifest(name, tag(), indexOf([absent, image(undefined)]));
    const deleted = image(undefined);
    rmSync(join(tree.v2, `repositories/${name}/_manifests/revisions/${deleted.digest.replace(':', '/')}/link`));
    // Content that was lost, of layers and of manifests.
    if (chance.integer(2) === 0) rmSync(join(tree.v2, dataOf(layer().digest)), { force: true });
    tree.write(`repositories/${name}/_uploads/00000000-0000-4000-8000-000000000000/data`, 'begun');
    if (!peculiar.referrers) continue;
    const referrer = image(undefined, { subject: chance.pick(found as [Descriptor, ...Descriptor[]]) });
    image(undefined, { subject: referrer });
  }
  if (peculiar.tagless) {
    tree.manifest('tagless', undefined, imageOf(tree.blob('tagless', chance.bytes(9)), []));
  }
  for (let count = chance.integer(5); count > 0; count--) tree.content(chance.bytes(40));
}

interface Outcome {
  readonly files: ReadonlySet<string>;
  readonly lines: readonly string[];
}

async function collected(program: string, root: string, copy: string, flags: readonly string[]): Promise<Outcome> {
  cpSync(root, copy, { recursive: true });
  const printed = await garbageCollect(program, copy, ...flags);
  const v2 = join(copy, 'docker/registry/v2');
  const files = globSync('**/*', { cwd: v2, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(v2.length + 1))
    .filter((path) => !path.startsWith('_berth/'));
  return { files: new Set(files), lines: printed.split('\n') };
}

const only = (one: ReadonlySet<string>, other: ReadonlySet<string>): readonly string[] =>
  [...one].filter((path) => !other.has(path)).sort();

const digestIn = (path: string): string => path.replace(/.*\/(sha256)\/(?:[0-9a-f]{2}\/)?([0-9a-f]{64})\/.*/, '$1:$2');

/** Manifests of a repository that hang on a subject, and all that hangs on them. */
function ofReferrers(root: string, from: ReadonlySet<string>): ReadonlySet<string> {
  const v2 = join(root, 'docker/registry/v2');
  const found = new Set<string>();
  const visit = (digest: string): void => {
    if (found.has(digest)) return;
    found.add(digest);
    const path = dataOf(digest);
    if (!from.has(path)) return;
    const text = readFileSync(join(v2, path), 'latin1');
    if (text.startsWith('{')) for (const [reference] of text.matchAll(/sha256:[0-9a-f]{64}/g)) visit(reference);
  };
  for (const path of from) {
    if (!path.startsWith('blobs/')) continue;
    const text = readFileSync(join(v2, path), 'latin1');
    if (text.startsWith('{') && text.includes('"subject"')) visit(digestIn(path));
  }
  return found;
}

const summaryIn = ({ lines }: Outcome): string => lines.find((line) => / blobs marked, /.test(line)) ?? '';
const linesOf = ({ lines }: Outcome, what: RegExp): readonly string[] =>
  lines
    .map((line) => what.exec(line)?.[1])
    .filter((found) => found !== undefined)
    .sort();

interface Compared {
  readonly theirs: Outcome;
  readonly ours: Outcome;
  readonly where: string;
  readonly untagged: boolean;
  /** Digests that hang on a subject, itself or by a manifest that has one. */
  readonly signed: ReadonlySet<string>;
}

const faults = ['order', 'dangling', 'referrers', 'tagless'] as const;
type Fault = (typeof faults)[number];

/** The fault of Distribution's that explains each path that one of the two alone has; throws at one that none does. */
function explain({ theirs, ours, where, untagged, signed }: Compared): readonly Fault[] {
  const isLayer = (path: string): boolean => path.includes('/_layers/');
  const keptByUs = only(ours.files, theirs.files).map((path): Fault => {
    if (untagged && signed.has(digestIn(path))) return 'referrers';
    if (isLayer(path) && ours.files.has(dataOf(digestIn(path)))) return 'order';
    throw new Error(`${where}: kept by Berth alone: ${path}`);
  });
  const keptByThem = only(theirs.files, ours.files).map((path): Fault => {
    const isGone = !theirs.files.has(dataOf(digestIn(path)));
    if (isLayer(path) && isGone) return 'dangling';
    if (untagged && path.startsWith('repositories/tagless/_manifests/') && isGone) return 'tagless';
    throw new Error(`${where}: kept by Distribution alone: ${path}`);
  });
  return [...keptByUs, ...keptByThem];
}

function assertSameWords({ theirs, ours, where }: Compared): void {
  assert.match(summaryIn(ours), /^\d+ blobs marked, \d+ blobs and \d+ manifests eligible for deletion$/);
  assert.equal(summaryIn(ours), summaryIn(theirs), where);
  for (const what of [
    /^blob eligible for deletion: (.*)$/,
    /^manifest eligible for deletion: (.*)$/,
    /marking (?:manifest|blob) (sha256:\w+)/,
    /^([a-z0-9/.-]+)$/,
  ]) {
    assert.deepEqual([...new Set(linesOf(ours, what))], [...new Set(linesOf(theirs, what))], `${where}: ${what}`);
  }
}

test('20 trees: the same is deleted as by Distribution, but for its faults', async (t) => {
  const programs = await requireTool(t, 'distribution');
  if (!programs) return;
  const seen: Record<Fault, number> = { order: 0, dangling: 0, referrers: 0, tagless: 0 };
  let exact = 0;
  for (let number = 0; number < 20; number++) {
    const seed = `garbage ${number}`;
    const folder = await temporaryFolder(t);
    const root = join(folder, 'planted');
    const untagged = number % 2 === 1;
    const peculiar = { referrers: number % 5 === 0, tagless: number % 7 === 0 };
    plant(createRawTree(root), createChance(seed), peculiar);
    const flags = untagged ? ['--delete-untagged'] : [];
    const [theirs, ours]: readonly Outcome[] = await Promise.all([
      collected(programs.distribution, root, join(folder, 'theirs/data'), flags),
      collected(berth, root, join(folder, 'ours/data'), flags),
    ]);
    assert.ok(theirs && ours);
    const data = new Set(globSync('blobs/**/data', { cwd: join(root, 'docker/registry/v2') }));
    const where = `tree "${seed}"${untagged ? ' --delete-untagged' : ''}`;
    const compared = { theirs, ours, where, untagged, signed: ofReferrers(root, data) };
    for (const fault of explain(compared)) seen[fault]++;
    if (untagged && (peculiar.referrers || peculiar.tagless)) continue;
    assertSameWords(compared);
    exact++;
  }
  t.diagnostic(`words compared on ${exact} trees; paths that differ, by fault: ${JSON.stringify(seen)}`);
  assert.ok(
    exact >= 15 && faults.every((fault) => seen[fault] > 0),
    `a fault that was never met: ${JSON.stringify(seen)}`,
  );
});
