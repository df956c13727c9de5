/** A look at the container before anything is served: what is wrong for good is an error, what may pass a warning. */
import type { AzureConfig } from '../config/types.ts';
import { type AzureClient, createAzureClient, serviceUrl } from './azure-client.ts';
import { type Place, sentenceOf } from './azure-errors.ts';
import { type AzureListings, createAzureListings } from './azure-list.ts';
import { withDeadline } from './deadline.ts';
import { createConnections } from './object-http.ts';
import { baseOf } from './object-keys.ts';

/** Milliseconds for the whole look, and tries: a service that is down is not waited for. */
const PATIENCE = 15_000;
const RETRIES = 2;
/** Where the tree begins. */
const TREE = 'docker/registry/v2/';

/**
 * What comes before every name. Distribution 2.x, which knew no `rootdirectory`, began each name with a slash; 3.x and this
 * driver do not. A container with such a tree alone is gone on with as it is.
 *
 * @throws Error with a sentence for people: without an answer, one of two trees could be missed
 */
export async function findBase(config: AzureConfig, userAgent: string): Promise<string> {
  if (config.rootdirectory !== '') return baseOf(config.rootdirectory);
  const [old, present] = await asked(config, userAgent, (client, signal) => treesOf(client, signal));
  return old && !present ? '/' : '';
}

/** Throws a sentence for people, or resolves with a warning. Lists a name or two, which the registry has to be allowed anyway. */
export async function checkContainer(config: AzureConfig, userAgent: string): Promise<string | undefined> {
  return await asked(config, userAgent, async (client, signal) => {
    const [old, present] = await treesOf(client, signal);
    if (config.rootdirectory === '' && old && present) {
      return (
        `container "${config.container}" has two trees: /${TREE} of Distribution 2.x, whose names begin with a slash, and ` +
        `${TREE}, which is used; move the blobs of the other one, or take them away`
      );
    }
    // Not every identity may ask; those who may not are not kept from anything else.
    const account = await client.container.getAccountInfo({ abortSignal: signal }).catch(() => undefined);
    return account?.isHierarchicalNamespaceEnabled === true
      ? `storage account ${config.accountname} has a hierarchical namespace, with which this driver has not been tried; use one without`
      : undefined;
  });
}

async function asked<T>(
  config: AzureConfig,
  userAgent: string,
  work: (client: AzureClient, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const connections = createConnections(config.skipverify);
  const impatient = { ...config, maxretries: Math.min(config.maxretries, RETRIES) };
  try {
    const client = await createAzureClient(impatient, { connections, userAgent, now: Date.now });
    return await withDeadline(undefined, PATIENCE, (signal) => work(client, signal));
  } catch (error) {
    const place: Place = { container: config.container, url: serviceUrl(config) };
    throw new Error(`storage.azure: ${sentenceOf(place, error)}`, { cause: error });
  } finally {
    await connections.destroy();
  }
}

/** Whether there is a tree of Distribution 2.x, and whether there is one of 3.x. */
async function treesOf({ container }: AzureClient, signal: AbortSignal): Promise<readonly [boolean, boolean]> {
  const listings: AzureListings = createAzureListings(container);
  const isThere = async (prefix: string): Promise<boolean> => {
    const request = { prefix, from: undefined, limit: 1, token: undefined, signal };
    return (await listings.flat(request)).blobs.length > 0;
  };
  return await Promise.all([isThere(`/${TREE}`), isThere(TREE)]);
}
