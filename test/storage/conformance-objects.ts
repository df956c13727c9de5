/** Small whole objects: paths, put, read, stat. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { bytesOf, MIB } from './conformance-bytes.ts';
import { type Case, type Ground, rejectsWith } from './conformance-case.ts';

const CONTENTS: Readonly<Record<string, Buffer>> = {
  'WriteRead1: one byte': Buffer.from('a'),
  'WriteRead2: text beyond ASCII': Buffer.from('\u65e5\u672c\u8a9e \u00e9 \u{1f6a2}'),
  'WriteRead3: 32 random bytes': randomBytes(32),
  'WriteRead4: 1 MiB': randomBytes(MIB),
  'WriteReadNonUTF8: bytes that are no text': Buffer.from('\x80\x80\x80\x80\xff\x00\xfe', 'latin1'),
  'WriteZeroByteContent: nothing at all': Buffer.alloc(0),
};

const LEGAL = [
  '/a',
  '/2',
  '/aa',
  '/a.a',
  '/0-9/abcdefg',
  '/abcdefg/z.75',
  '/abc/1.2.3.4.5-6_zyx/123.z/4',
  '/docker/docker-registry',
  '/123.abc',
  '/abc./abc',
  '/.abc',
  '/a--b',
  '/a-.b',
  '/_.abc',
  '/Docker/docker-registry',
  '/Abc/Cba',
];

const ILLEGAL = [
  '',
  '/',
  'abc',
  '123.abc',
  '//bcd',
  '/abc_123/',
  '/a//b',
  '/a b',
  '/a/\u00e9',
  '/a\n',
  '/.',
  '/..',
  '/a/../b',
  '/a/./b',
];

async function writesAndReads({ store, peer }: Ground, content: Buffer): Promise<void> {
  await store.put('/folder/object', content);
  assert.deepEqual(await store.read('/folder/object'), content);
  assert.deepEqual(await peer.read('/folder/object'), content);
  assert.deepEqual(await bytesOf(store.open('/folder/object')), content);
  assert.equal((await peer.stat('/folder/object'))?.size, content.length);
}

export const objectCases: readonly Case[] = [
  {
    name: 'ValidPaths: legal names can be written and read',
    async run({ store }) {
      for (const path of LEGAL) {
        const object = `${path}/object`;
        await store.put(object, Buffer.from(path));
        assert.equal((await store.read(object))?.toString(), path);
      }
    },
  },
  {
    name: 'InvalidPaths: every method refuses illegal ones with invalid-path',
    async run({ store }, { driver }) {
      const some = Buffer.from('x');
      await store.put('/there', some);
      const refuses = (work: () => Promise<unknown>) => rejectsWith((async () => work())(), 'invalid-path', driver);
      for (const path of ILLEGAL) {
        await refuses(() => store.put(path, some));
        await refuses(() =>
          store.putAll([
            { path: '/fine', content: some },
            { path, content: some },
          ]),
        );
        await refuses(() => store.swap(path, undefined, some));
        await refuses(() => store.read(path));
        await refuses(() => store.open(path));
        await refuses(() => store.delete(path));
        await refuses(() => store.move(path, '/fine'));
        await refuses(() => store.move('/there', path));
        await refuses(() => store.copy(path, '/fine'));
        await refuses(() => store.copy('/there', path));
        await refuses(() => store.redirectUrl(path, 'GET'));
        await refuses(() => store.beginUpload(path));
        await refuses(async () => store.resumeUpload(path));
        if (path === '/') continue;
        await refuses(() => store.stat(path));
        await refuses(() => store.list(path));
      }
      assert.equal(await store.stat('/fine'), undefined);
    },
  },
  ...Object.entries(CONTENTS).map(
    ([name, content]): Case => ({ name, run: (ground) => writesAndReads(ground, content) }),
  ),
  {
    name: 'Truncate: a shorter content leaves no tail of the longer one',
    async run({ store }) {
      await store.put('/object', randomBytes(MIB));
      await store.put('/object', Buffer.from('short'));
      assert.equal((await store.read('/object'))?.toString(), 'short');
      assert.equal((await bytesOf(store.open('/object'))).toString(), 'short');
    },
  },
  {
    name: 'PutContentMultipleTimes: the last content is there, whole',
    async run({ store, peer }) {
      for (const size of [4096, 4096, 9000, 2, 4096]) {
        const content = randomBytes(size);
        await store.put('/folder/object', content);
        assert.deepEqual(await peer.read('/folder/object'), content);
      }
    },
  },
  {
    name: 'ReadNonexistent: what is absent is undefined, also below an object',
    async run({ store }) {
      await store.put('/file', Buffer.from('x'));
      for (const path of ['/nothing', '/no/folder', '/file/below', `/${'n'.repeat(300)}`]) {
        assert.equal(await store.read(path), undefined);
        assert.equal(await store.open(path), undefined);
        assert.equal(await store.stat(path), undefined);
        assert.equal(await store.list(path), undefined);
      }
    },
  },
  {
    name: 'StatCall: size, time and kind',
    async run({ store, peer }) {
      assert.equal(await store.stat('/folder'), undefined);
      const before = Date.now() - 2000;
      await store.put('/folder/object', Buffer.from('12345'));
      const first = await store.stat('/folder/object');
      assert.ok(first !== undefined);
      assert.deepEqual({ ...first, modified: 0 }, { path: '/folder/object', size: 5, modified: 0, isDirectory: false });
      assert.ok(first.modified >= before && first.modified <= Date.now() + 2000, String(first.modified));
      await store.put('/folder/object', Buffer.from('1234567'));
      const second = await peer.stat('/folder/object');
      assert.equal(second?.size, 7);
      assert.ok(second.modified >= first.modified);
      const folder = await peer.stat('/folder');
      assert.deepEqual({ ...folder, modified: 0 }, { path: '/folder', size: 0, modified: 0, isDirectory: true });
      assert.equal((await store.stat('/'))?.isDirectory ?? true, true);
    },
  },
  {
    name: 'RedirectURL: a string or nothing, for GET and HEAD',
    async run({ store }) {
      await store.put('/object', Buffer.from('x'));
      for (const method of ['GET', 'HEAD'] as const) {
        const url = await store.redirectUrl('/object', method);
        if (url !== undefined) assert.ok(URL.canParse(url), url);
      }
    },
  },
  {
    name: 'put keeps its own bytes when the caller goes on using the buffer',
    async run({ store }) {
      const content = Buffer.from('before');
      await store.put('/object', content);
      content.fill('x');
      assert.equal((await store.read('/object'))?.toString(), 'before');
    },
  },
  {
    name: 'putAll writes all, into old folders and new ones, over old objects and beside them',
    async run({ store, peer }) {
      await store.put('/old/object', Buffer.from('old'));
      const puts = ['/old/object', '/old/other', '/new/a/b/c/object', '/new/a/object'];
      await store.putAll(puts.map((path) => ({ path, content: Buffer.from(path) })));
      await store.putAll([]);
      for (const path of puts) assert.equal((await peer.read(path))?.toString(), path);
    },
  },
  {
    name: 'what a group marks as last is never seen before the rest of it, wherever it stands in the list',
    async run({ store, peer }) {
      for (let round = 0; round < 10; round++) {
        const folder = `/round-${round}`;
        const others = ['b', 'c', 'd/e'].map((name) => `${folder}/${name}`);
        const content = Buffer.from(folder);
        const pointer = { path: `${folder}/a`, content, last: true };
        let isDone = false;
        const writing = store.putAll([pointer, ...others.map((path) => ({ path, content }))]).finally(() => {
          isDone = true;
        });
        for (let seen = false; !seen; ) {
          seen = isDone || (await peer.read(pointer.path)) !== undefined;
          if (seen) for (const path of others) assert.deepEqual(await peer.read(path), content);
        }
        await writing;
        assert.deepEqual(await peer.read(pointer.path), content);
      }
    },
  },
  {
    name: 'put and putAll without durability are seen by everyone as well',
    async run({ store, peer }) {
      await store.put('/a/object', Buffer.from('1'), { durable: false });
      await store.putAll([{ path: '/b/object', content: Buffer.from('2') }], { durable: false });
      assert.equal((await peer.read('/a/object'))?.toString(), '1');
      assert.equal((await peer.read('/b/object'))?.toString(), '2');
    },
  },
  {
    name: 'a read sees what another instance wrote a moment ago, although the size is the same',
    async run({ store, peer }) {
      for (let round = 0; round < 300; round++) {
        const content = Buffer.from(`sha256:${String(round).padStart(64, '0')}`);
        await peer.put('/tag/link', content, { durable: false });
        assert.deepEqual(await store.read('/tag/link'), content);
        assert.deepEqual(await store.read('/tag/link'), content);
      }
    },
  },
  {
    name: 'a read of a settled object sees the change, the deletion and the return that another instance made',
    async run({ store, peer }) {
      for (const word of ['one', 'two']) {
        await peer.put('/tag/link', Buffer.from(word));
        await new Promise((resolve) => setTimeout(resolve, 40));
        for (let again = 0; again < 3; again++) assert.equal((await store.read('/tag/link'))?.toString(), word);
      }
      await peer.delete('/tag/link');
      assert.equal(await store.read('/tag/link'), undefined);
      assert.equal(await store.stat('/tag/link'), undefined);
      await peer.put('/tag/link', Buffer.from('two'));
      assert.equal((await store.read('/tag/link'))?.toString(), 'two');
      await peer.delete('/tag');
      assert.equal(await store.read('/tag/link'), undefined);
    },
  },
  {
    name: 'readers and writers at the same time: old bytes or new ones, never half',
    async run({ store, peer }) {
      const contents = [Buffer.alloc(50_000, 'a'), Buffer.alloc(60_000, 'b')];
      await store.put('/object', Buffer.alloc(50_000, 'a'));
      let writing = true;
      const writer = (async () => {
        for (let round = 0; round < 100; round++) {
          await peer.put('/object', contents[round % 2] ?? Buffer.alloc(0), { durable: false });
        }
        writing = false;
      })();
      while (writing) {
        const content = await store.read('/object');
        assert.ok(content !== undefined && contents.some((whole) => whole.equals(content)));
      }
      await writer;
    },
  },
  {
    name: 'a signal that has fired ends every call with its reason',
    async run({ store }) {
      const reason = new Error('the client has left');
      const options = { signal: AbortSignal.abort(reason) };
      const some = Buffer.from('x');
      await store.put('/there', some);
      const calls = [
        () => store.stat('/there', options),
        () => store.read('/there', options),
        () => store.open('/there', undefined, options),
        () => store.put('/fine', some, options),
        () => store.putAll([{ path: '/fine', content: some }], options),
        () => store.swap('/fine', undefined, some, options),
        () => store.list('/', options),
        () => store.move('/there', '/fine', options),
        () => store.copy('/there', '/fine', options),
        () => store.delete('/there', options),
        () => store.beginUpload('/fine', options),
        () => store.resumeUpload('/there').size(options),
        () => store.resumeUpload('/there').open(undefined, options),
        () => store.resumeUpload('/there').commit('/fine', 1, options),
      ];
      for (const call of calls) await assert.rejects(call(), (error) => error === reason, call.toString());
      assert.equal(await store.stat('/fine'), undefined);
      assert.equal((await store.read('/there'))?.toString(), 'x');
    },
  },
];
