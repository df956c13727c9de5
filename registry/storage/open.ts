/** From the configuration to a driver: the one place that knows them all. */
import type { DriverConfig } from '../config/types.ts';
import type { Logger } from '../log.ts';
import { createFilesystemStore } from './filesystem.ts';
import { checkRoot } from './filesystem-root.ts';
import { createMemoryStore } from './memory.ts';
import type { Store } from './store.ts';

/** Makes the store that the configuration names. Touches nothing yet: a wrong folder shows at the first operation. */
export function openStore(driver: DriverConfig, log: Logger): Store {
  switch (driver.type) {
    case 'filesystem':
      return createFilesystemStore({ rootdirectory: driver.rootdirectory, maxthreads: driver.maxthreads, log });
    case 'inmemory':
      return createMemoryStore();
    default:
      return unknownDriver(driver);
  }
}

/** Looks at what the configuration names, before anything is served: a sentence that is thrown, or a warning. */
export async function checkStore(driver: DriverConfig): Promise<string | undefined> {
  return driver.type === 'filesystem' ? await checkRoot(driver.rootdirectory) : undefined;
}

function unknownDriver({ type }: DriverConfig): never {
  throw new TypeError(`no storage driver for ${type}`);
}
