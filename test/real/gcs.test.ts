/** The GCS driver under the storage suite, on an emulator. */
import { after, test } from 'node:test';
import { silent } from '../../registry/log.ts';
import { createGcsStore } from '../../registry/storage/gcs.ts';
import { storeConformance } from '../storage/conformance.ts';
import { type FakeGcs, startFakeGcs } from '../support/fake-gcs.ts';
import { missing } from '../support/tools.ts';

const skip = await missing('fake-gcs-server');
let emulator: Promise<FakeGcs> | undefined;
after(async () => (await emulator)?.stop());

if (skip !== false) test('the GCS driver on an emulator', { skip }, () => {});
else {
  storeConformance({
    driver: 'gcs',
    flat: true,
    large: true,
    async begin(t) {
      emulator ??= startFakeGcs();
      const config = await (await emulator).bucket();
      const open = () => {
        const store = createGcsStore({ config, log: silent, userAgent: 'berth/test' });
        t.after(() => store.close());
        return store;
      };
      return { store: open(), peer: open() };
    },
  });
}
