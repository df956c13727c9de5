/** Moving, copying and deleting. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type Case, rejectsWith } from './conformance-case.ts';

const some = Buffer.from('some');

export const directoryCases: readonly Case[] = [
  {
    name: 'Move: the target has the bytes, the source is gone',
    async run({ store, peer }) {
      const content = randomBytes(32);
      await store.put('/a/source', content);
      await store.move('/a/source', '/b/c/target');
      assert.deepEqual(await peer.read('/b/c/target'), content);
      assert.equal(await peer.read('/a/source'), undefined);
    },
  },
  {
    name: 'MoveOverwrite: the old target is replaced',
    async run({ store }) {
      await store.put('/source', Buffer.from('new'));
      await store.put('/target', Buffer.from('old and longer'));
      await store.move('/source', '/target');
      assert.equal((await store.read('/target'))?.toString(), 'new');
      assert.equal(await store.stat('/source'), undefined);
    },
  },
  {
    name: 'MoveNonexistent: not-found, the target stays',
    async run({ store }, { driver }) {
      await store.put('/target', some);
      await rejectsWith(store.move('/source', '/target'), 'not-found', driver);
      assert.deepEqual(await store.read('/target'), some);
    },
  },
  {
    name: 'MoveInvalid: nothing can be put below an object',
    async run({ store }, { driver, flat }) {
      await store.put('/file', some);
      await store.put('/source', some);
      if (flat === true) return;
      await rejectsWith(store.move('/source', '/file/below'), 'failed', driver);
      await rejectsWith(store.put('/file/below', some), 'failed', driver);
      await rejectsWith(store.beginUpload('/file/below'), 'failed', driver);
      assert.deepEqual(await store.read('/source'), some);
      assert.deepEqual(await store.read('/file'), some);
    },
  },
  {
    name: 'a directory is no object: it cannot be read, moved or copied, and what it holds is not overwritten',
    async run({ store }, { driver, flat }) {
      await store.put('/folder/object', some);
      assert.equal(await store.read('/folder'), undefined);
      assert.equal(await store.open('/folder'), undefined);
      await rejectsWith(store.move('/folder', '/other'), 'not-found', driver);
      await rejectsWith(store.copy('/folder', '/other'), 'not-found', driver);
      if (flat !== true) await rejectsWith(store.put('/folder', some), 'failed', driver);
      assert.deepEqual(await store.read('/folder/object'), some);
    },
  },
  {
    name: 'moving or committing an object onto itself keeps it',
    async run({ store }) {
      await store.put('/object', some);
      await store.move('/object', '/object');
      assert.deepEqual(await store.read('/object'), some);
      await store.copy('/object', '/object');
      assert.deepEqual(await store.read('/object'), some);
    },
  },
  {
    name: 'copy leaves two objects that live apart',
    async run({ store, peer }, { driver }) {
      const content = randomBytes(200_000);
      await store.put('/a/source', content);
      await store.put('/b/c/target', some);
      await store.copy('/a/source', '/b/c/target');
      assert.deepEqual(await peer.read('/b/c/target'), content);
      await store.put('/a/source', some);
      assert.deepEqual(await peer.read('/b/c/target'), content);
      await rejectsWith(store.copy('/nothing', '/b/c/target'), 'not-found', driver);
      assert.deepEqual(await peer.read('/b/c/target'), content);
    },
  },
  {
    name: 'Delete, DeleteNonexistent: true once, then false',
    async run({ store, peer }) {
      await store.put('/folder/object', some);
      assert.equal(await store.delete('/folder/object'), true);
      assert.equal(await store.read('/folder/object'), undefined);
      assert.equal(await peer.stat('/folder/object'), undefined);
      assert.equal(await store.delete('/folder/object'), false);
      assert.equal(await store.delete('/no/such/folder'), false);
    },
  },
  {
    name: 'DeleteFolder: all below goes, siblings stay',
    async run({ store, peer }) {
      const inside = ['/folder/1', '/folder/2', '/folder/a/b/c/3'];
      for (const path of inside) await store.put(path, some);
      await store.put('/other/1', some);
      assert.equal(await store.delete('/folder/a'), true);
      assert.deepEqual(await peer.read('/folder/1'), some);
      assert.equal(await peer.read('/folder/a/b/c/3'), undefined);
      assert.equal(await store.delete('/folder'), true);
      for (const path of [...inside, '/folder']) assert.equal(await peer.stat(path), undefined);
      assert.equal(await store.list('/folder'), undefined);
      assert.deepEqual(await peer.read('/other/1'), some);
    },
  },
  {
    name: 'DeleteOnlyDeletesSubpaths: /a never touches /ab',
    async run({ store }) {
      for (const path of ['/a/1', '/ab/1', '/a-b', '/a.b']) await store.put(path, some);
      assert.equal(await store.delete('/a'), true);
      assert.equal(await store.stat('/a'), undefined);
      for (const path of ['/ab/1', '/a-b', '/a.b']) assert.deepEqual(await store.read(path), some);
    },
  },
  {
    name: 'a folder deleted again and again under writers is made again for each of them',
    async run({ store, peer }) {
      let writing = true;
      const deleting = (async () => {
        while (writing) await peer.delete('/busy');
      })();
      try {
        for (let round = 0; round < 60; round++) await store.put(`/busy/a/b/${round}`, some, { durable: false });
      } finally {
        writing = false;
        await deleting;
      }
      await store.put('/busy/a/b/last', some);
      assert.deepEqual(await peer.read('/busy/a/b/last'), some);
    },
  },
];
