/** The in-memory driver under the storage suite. */
import { createMemoryStore } from '../../registry/storage/memory.ts';
import { storeConformance } from './conformance.ts';

storeConformance({
  driver: 'inmemory',
  // 5 GiB are more than a process of its kind is given.
  large: false,
  async begin() {
    const store = createMemoryStore();
    return { store, peer: store };
  },
});
