/** From the configuration to a driver: the one place that knows them all. */
import type { DriverConfig } from '../config/types.ts';
import type { Logger } from '../log.ts';
import { createFilesystemStore } from './filesystem.ts';
import { checkRoot } from './filesystem-root.ts';
import { createMemoryStore } from './memory.ts';
import { shareReads } from './sharing.ts';
import type { Store } from './store.ts';

export interface StoreContext {
  readonly log: Logger;
  /** What the registry calls itself towards a backend: `NAME/VERSION`. */
  readonly userAgent: string;
  /** Everything is looked at once, as maintenance does it. */
  readonly once?: boolean | undefined;
  /** Folders of the store that are looked at before anything is served: whether this user may write there. */
  readonly folders?: readonly string[] | undefined;
}

/**
 * Makes the store that the configuration names; a driver's libraries are loaded only then. Touches nothing yet, so a
 * wrong folder or bucket shows at the first operation; but of an Azure container it has to know which names its tree has.
 */
export async function openStore(driver: DriverConfig, { log, userAgent, once }: StoreContext): Promise<Store> {
  switch (driver.type) {
    case 'filesystem':
      return createFilesystemStore({ rootdirectory: driver.rootdirectory, maxthreads: driver.maxthreads, log, once });
    case 'inmemory':
      return createMemoryStore();
    case 's3': {
      const { createS3Store } = await import('./s3.ts');
      return shareReads(createS3Store({ config: driver, userAgent, log }));
    }
    case 'azure': {
      const [{ createAzureStore }, { findBase }] = await Promise.all([
        import('./azure.ts'),
        import('./azure-check.ts'),
      ]);
      const base = await findBase(driver, userAgent);
      return shareReads(await createAzureStore({ config: driver, base, userAgent, log }));
    }
    case 'gcs': {
      const { createGcsStore } = await import('./gcs.ts');
      return shareReads(createGcsStore({ config: driver, userAgent, log }));
    }
    default:
      return unknownDriver(driver);
  }
}

/** Looks at what the configuration names, before anything is served: a sentence that is thrown, or a warning. */
export async function checkStore(
  driver: DriverConfig,
  { userAgent, folders }: StoreContext,
): Promise<string | undefined> {
  switch (driver.type) {
    case 'filesystem':
      return await checkRoot(driver.rootdirectory, folders);
    case 's3': {
      const { checkBucket } = await import('./s3-check.ts');
      return await checkBucket(driver, userAgent);
    }
    case 'azure': {
      const { checkContainer } = await import('./azure-check.ts');
      return await checkContainer(driver, userAgent);
    }
    case 'gcs': {
      const { checkGcsBucket } = await import('./gcs-check.ts');
      return await checkGcsBucket(driver, userAgent);
    }
    default:
      return undefined;
  }
}

function unknownDriver({ type }: DriverConfig): never {
  throw new TypeError(`no storage driver for ${type}`);
}
