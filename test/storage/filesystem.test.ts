/** The filesystem driver under the storage suite. */
import { storeConformance } from './conformance.ts';
import { assertNoTemporaryFiles, storeAt, temporaryFolder } from './filesystem-ground.ts';

storeConformance({
  driver: 'filesystem',
  large: true,
  async begin(t) {
    const root = await temporaryFolder(t);
    return { store: storeAt(t, root), peer: storeAt(t, root), inspect: () => assertNoTemporaryFiles(root) };
  },
});
