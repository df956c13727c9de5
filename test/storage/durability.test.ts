/**
 * Durability (design: write aside, fsync, rename, fsync of the folder and every new parent, only then the answer), read
 * from a trace of the system calls.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Call, faultsOf, parseTrace } from './durability-trace.ts';

const run = promisify(execFile);
const CALLS = 'fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,write,writev,pwrite64,pwritev,unlink,unlinkat';

async function whyNoTrace(): Promise<string | undefined> {
  try {
    await run('strace', ['-f', '-e', 'trace=none', 'true']);
    return undefined;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return 'strace is missing or not allowed here (Debian: apt install strace): the order of system calls was not checked';
  }
}

const skip = await whyNoTrace();

describe('the filesystem store tells of an object only when it would survive a power loss', { skip }, () => {
  let calls: readonly Call[] = [];
  let folder = '';
  let root = '';

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-trace-'));
    const trace = join(folder, 'trace');
    root = join(folder, 'made/root');
    const child = join(import.meta.dirname, 'durability-child.ts');
    const options = ['-f', '-y', '-s', '200', '--seccomp-bpf', '-e', `trace=${CALLS}`, '-o', trace];
    await run('strace', [...options, process.execPath, child, root], { timeout: 60_000 });
    calls = parseTrace(await readFile(trace, 'utf8'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  const OBJECTS: readonly (readonly [marker: string, path: string, what: string])[] = [
    ['told:put', 'put/a/b/link', 'put into new folders below a new root'],
    ['told:again', 'put/a/b/link', 'put over an old object'],
    ['told:all', 'all/a/1', 'putAll, a first file'],
    ['told:all', 'all/a/2', 'putAll, another file of the same folder'],
    ['told:all', 'all/b/c/3', 'putAll, a file of another folder'],
    ['told:commit', 'blobs/sha256/aa/aabb/data', 'commit of an upload'],
    ['told:move', 'moved/to/1', 'move'],
    ['told:copy', 'copied/to/2', 'copy'],
    ['told:foreign', 'foreign/a/link', 'put into folders that another process just made'],
    ['told:remade', 'put/a/b/link', 'put into folders that another process removed and made again'],
  ];

  for (const [marker, path, what] of OBJECTS) {
    it(what, () => {
      assert.deepEqual(faultsOf(calls, join(root, path), marker), []);
    });

    it(`${what}: with one needed sync taken out of the trace the check fails`, () => {
      const target = join(root, path);
      const end = calls.findIndex(({ args }) => args.includes(marker));
      const needed = calls.slice(0, end).filter((call) => {
        if (!call.name.endsWith('sync')) return false;
        return (
          faultsOf(
            calls.filter((other) => other !== call),
            target,
            marker,
          ).length > 0
        );
      });
      assert.ok(needed.length >= 2, `${needed.length} syncs are needed: of the file and of its folder at least`);
    });
  }

  it('a put that asks for no durability fails the check: the check can fail', () => {
    const faults = faultsOf(calls, join(root, 'lazy/link'), 'told:lazy');
    assert.equal(faults.length, 3, faults.join('; '));
  });

  it('delete: the folder is synced behind the removal', () => {
    const told = calls.findIndex(({ args }) => args.includes('told:delete'));
    const removed = calls.findIndex(({ name, args }) => name === 'unlink' && args.includes('moved/to/1"'));
    const synced = calls.findIndex(
      ({ name, args }, at) => at > removed && name === 'fsync' && args.endsWith('moved/to>'),
    );
    assert.ok(removed >= 0 && synced > removed && told > synced, `${removed} < ${synced} < ${told}`);
  });

  it('in the steady state a put costs two syncs: of the file and of its folder', () => {
    const put = calls.findIndex(({ args }) => args.includes('told:put'));
    const again = calls.findIndex(({ args }) => args.includes('told:again'));
    assert.equal(calls.slice(put, again).filter(({ name }) => name.endsWith('sync')).length, 2);
  });
});
