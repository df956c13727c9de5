/** What tests of the GCS driver stand on: an emulator for the whole process, and a proxy that does to calls what it is told. */
import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import type { GcsConfig } from '../../registry/config/types.ts';
import { type Logger, silent } from '../../registry/log.ts';
import { createGcsStore } from '../../registry/storage/gcs.ts';
import type { Store } from '../../registry/storage/store.ts';
import { MIB } from '../storage/conformance-bytes.ts';
import { type FakeGcs, startFakeGcs } from '../support/fake-gcs.ts';
import { type S3Proxy, type SeenCall, startS3Proxy } from '../support/s3-proxy.ts';
import { missing } from '../support/tools.ts';

export const skip = await missing('fake-gcs-server');
let emulator: Promise<FakeGcs> | undefined;
after(async () => (await emulator)?.stop());

export interface Ground {
  readonly store: Store;
  /** Past the proxy. */
  readonly peer: Store;
  readonly proxy: S3Proxy;
  readonly config: GcsConfig;
  /** The same past the proxy. */
  readonly direct: GcsConfig;
}

export function storeOf(t: TestContext, config: GcsConfig, log: Logger = silent): Store {
  const store = createGcsStore({ config, log, userAgent: 'berth/test' });
  t.after(() => store.close());
  return store;
}

/** A bucket of its own, with and without a proxy before it. */
export async function groundOf(t: TestContext): Promise<Ground> {
  emulator ??= startFakeGcs();
  const direct = await (await emulator).bucket({ chunksize: MIB });
  const proxy = await startS3Proxy(t, { port: Number(new URL((await emulator).url).port) });
  const config = { ...direct, endpoint: proxy.endpoint };
  return { store: storeOf(t, config), peer: storeOf(t, direct), proxy, config, direct };
}

/** What the proxy sees, by the words of the JSON API. */
export function kindOf({ operation, path, query }: SeenCall): string {
  if (operation === 'DeleteObject') return 'delete';
  if (path.endsWith('/compose')) return 'compose';
  if (path.includes('/rewriteTo/')) return 'rewrite';
  if (query.has('uploadType')) return query.has('upload_id') ? 'chunk' : `insert ${query.get('uploadType')}`;
  if (query.get('alt') === 'media') return 'media';
  return path.endsWith('/o') ? 'list' : 'get';
}

/** The message says so. */
export const rejects = (work: Promise<unknown>, words: RegExp): Promise<void> =>
  assert.rejects(work, (error: Error) => {
    assert.match(error.message, words);
    return true;
  });
