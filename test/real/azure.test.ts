/** The Azure driver under the storage suite, on Azurite. */
import { after, test } from 'node:test';
import { silent } from '../../registry/log.ts';
import { createAzureStore } from '../../registry/storage/azure.ts';
import { storeConformance } from '../storage/conformance.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { missing } from '../support/tools.ts';

const skip = await missing('azurite-blob');
let azurite: Promise<Azurite> | undefined;
after(async () => (await azurite)?.stop());

if (skip !== false) test('the Azure driver on Azurite', { skip }, () => {});
else {
  storeConformance({
    driver: 'azure',
    flat: true,
    large: true,
    async begin(t) {
      azurite ??= startAzurite();
      const config = await (await azurite).container();
      const open = async () => {
        const store = await createAzureStore({ config, base: '', log: silent, userAgent: 'berth/test' });
        t.after(() => store.close());
        return store;
      };
      return { store: await open(), peer: await open() };
    },
  });
}
