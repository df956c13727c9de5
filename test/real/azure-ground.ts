/** What tests of the Azure driver stand on: an emulator for the whole process, and a proxy that does to calls what it is told. */
import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import type { ContainerClient } from '@azure/storage-blob';
import type { AzureConfig } from '../../registry/config/types.ts';
import { silent } from '../../registry/log.ts';
import { createAzureStore } from '../../registry/storage/azure.ts';
import type { Store } from '../../registry/storage/store.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { type S3Proxy, type SeenCall, startS3Proxy } from '../support/s3-proxy.ts';
import { missing } from '../support/tools.ts';

export const skip = await missing('azurite-blob');
let azurite: Promise<Azurite> | undefined;
after(async () => (await azurite)?.stop());

export interface Ground {
  readonly store: Store;
  /** Past the proxy. */
  readonly peer: Store;
  readonly proxy: S3Proxy;
  readonly config: AzureConfig;
  /** The same, by the SDK. */
  readonly container: ContainerClient;
}

export async function storeOf(t: TestContext, config: AzureConfig): Promise<Store> {
  const store = await createAzureStore({ config, base: '', log: silent, userAgent: 'berth/test' });
  t.after(() => store.close());
  return store;
}

/** A container of its own, with and without a proxy before it. */
export async function groundOf(t: TestContext): Promise<Ground> {
  azurite ??= startAzurite();
  const { url } = await azurite;
  const direct = await (await azurite).container({ retrydelay: 10 });
  const proxy = await startS3Proxy(t, { port: Number(new URL(url).port) });
  const config = { ...direct, serviceurl: proxy.endpoint + new URL(url).pathname };
  const container = (await azurite).service.getContainerClient(config.container);
  return { store: await storeOf(t, config), peer: await storeOf(t, direct), proxy, config, container };
}

/** What the proxy sees, by Azure's words: the method's S3 name and what `comp` asks for. */
export const kindOf = ({ operation, query }: SeenCall): string => `${operation} ${query.get('comp') ?? ''}`.trim();

/** The message says so. */
export const rejects = (work: Promise<unknown>, words: RegExp): Promise<void> =>
  assert.rejects(work, (error: Error) => {
    assert.match(error.message, words);
    return true;
  });
