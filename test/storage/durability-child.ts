/** The traced process of durability.test.ts: writes in each way that the contract has, and tells when it was told done. */
import { mkdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { silent } from '../../registry/log.ts';
import { createFilesystemStore } from '../../registry/storage/filesystem.ts';

const root = process.argv[2] ?? '';
const store = createFilesystemStore({ rootdirectory: root, maxthreads: 100, log: silent });
const content = Buffer.from('sha256:0000');
const tell = (marker: string) => writeSync(1, `${marker}\n`);

async function* source(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < 40; at++) yield Buffer.alloc(64 * 1024, at);
}

await store.put('/put/a/b/link', content);
tell('told:put');
await store.put('/put/a/b/link', content);
tell('told:again');

await store.putAll(['/all/a/1', '/all/a/2', '/all/b/c/3'].map((path) => ({ path, content })));
tell('told:all');

const upload = await store.beginUpload('/uploads/1/data');
const size = await upload.append(0, source());
await upload.commit('/blobs/sha256/aa/aabb/data', size);
tell('told:commit');

await store.move('/all/a/1', '/moved/to/1');
tell('told:move');

await store.copy('/all/a/2', '/copied/to/2');
tell('told:copy');

// Another process made the folders a moment ago.
mkdirSync(join(root, 'foreign/a'), { recursive: true });
await store.put('/foreign/a/link', content);
tell('told:foreign');

// Somebody removed the folders that this process knows, and made them again; inode numbers are likely to be the same.
rmSync(join(root, 'put'), { recursive: true });
mkdirSync(join(root, 'put/a/b'), { recursive: true });
await store.put('/put/a/b/link', content);
tell('told:remade');

await store.delete('/moved/to/1');
tell('told:delete');

await store.put('/lazy/link', content, { durable: false });
tell('told:lazy');
