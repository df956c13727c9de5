/** The SDK's clients for one container: who signs in, how often a call is tried again, and signed URLs. */
import {
  BlobSASPermissions,
  BlobServiceClient,
  type ContainerClient,
  generateBlobSASQueryParameters,
  newPipeline,
  SASProtocol,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob';
import type { Dispatcher } from 'undici';
import type { AzureConfig } from '../config/types.ts';
import { createAzureTransport } from './azure-transport.ts';

/** Milliseconds between two tries, at most. */
const LONGEST_DELAY = 10_000;
/** Milliseconds that a signed URL is good for, as with Distribution. */
const URL_LIFE = 20 * 60_000;
/** Milliseconds of a delegation key, and before its end at which the next one is fetched. */
const KEY_LIFE = 48 * 3_600_000;
const KEY_REST = 30 * 60_000;
/** Milliseconds that fetching one may take. */
const KEY_PATIENCE = 30_000;
/** Clocks differ: a URL or a key is good from so many milliseconds ago. */
const SKEW = 5 * 60_000;

export interface AzureClient {
  readonly container: ContainerClient;
  /** Where the service is, without credentials. */
  readonly url: string;
  /** A URL with which anybody can read the blob for 20 minutes. */
  sign(blob: string): Promise<string>;
}

export interface AzureClientOptions {
  readonly connections: Dispatcher;
  /** What the registry calls itself. */
  readonly userAgent: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export async function createAzureClient(config: AzureConfig, options: AzureClientOptions): Promise<AzureClient> {
  const { connections, userAgent, now } = options;
  const url = serviceUrl(config);
  const credential = await credentialOf(config);
  const pipeline = newPipeline(credential, {
    httpClient: createAzureTransport(connections),
    retryOptions: {
      maxTries: Math.max(0, config.maxretries) + 1,
      retryDelayInMs: config.retrydelay,
      maxRetryDelayInMs: Math.max(config.retrydelay, LONGEST_DELAY),
    },
    userAgentOptions: { userAgentPrefix: userAgent },
  });
  const service = new BlobServiceClient(url, pipeline);
  const container = service.getContainerClient(config.container);
  const protocol = url.startsWith('https:') ? SASProtocol.Https : SASProtocol.HttpsAndHttp;
  const delegation = createDelegation(service, now);

  return {
    container,
    url,
    async sign(blob) {
      const time = now();
      const values = {
        containerName: config.container,
        blobName: blob,
        permissions: BlobSASPermissions.parse('r'),
        startsOn: new Date(time - SKEW),
        expiresOn: new Date(time + URL_LIFE),
        protocol,
      };
      const signed =
        credential instanceof StorageSharedKeyCredential
          ? generateBlobSASQueryParameters(values, credential)
          : generateBlobSASQueryParameters(values, await delegation(), config.accountname);
      return `${container.getBlobClient(blob).url}?${signed}`;
    },
  };
}

export const serviceUrl = ({ serviceurl, accountname, realm }: AzureConfig): string =>
  serviceurl ?? `https://${accountname}.blob.${realm}`;

async function credentialOf(config: AzureConfig) {
  const { type, clientid = '', tenantid = '', secret = '' } = config.credentials;
  if (type === 'shared_key') return new StorageSharedKeyCredential(config.accountname, config.accountkey ?? '');
  // Heavy, and of no use to accounts with a key.
  const { ClientSecretCredential, DefaultAzureCredential } = await import('@azure/identity');
  const authorityHost = authorityOf(config.realm);
  const options = authorityHost === undefined ? {} : { authorityHost };
  return type === 'client_secret'
    ? new ClientSecretCredential(tenantid, clientid, secret, options)
    : new DefaultAzureCredential(options);
}

/** Where tokens for a sovereign cloud come from; elsewhere the SDK and `AZURE_AUTHORITY_HOST` know. */
function authorityOf(realm: string): string | undefined {
  if (realm.endsWith('.chinacloudapi.cn')) return 'https://login.chinacloudapi.cn';
  if (realm.endsWith('.usgovcloudapi.net')) return 'https://login.microsoftonline.us';
  return undefined;
}

/** The key with which an identity signs URLs, fetched when it is first needed and before it runs out; once for all who wait. */
function createDelegation(service: BlobServiceClient, now: () => number) {
  let key: Promise<UserDelegationKey> | undefined;
  let end = 0;
  return (): Promise<UserDelegationKey> => {
    const time = now();
    if (key === undefined || time > end - KEY_REST) {
      end = time + KEY_LIFE;
      const abortSignal = AbortSignal.timeout(KEY_PATIENCE);
      const fetched = service.getUserDelegationKey(new Date(time - SKEW), new Date(end), { abortSignal });
      key = fetched;
      fetched.catch(() => {
        if (key === fetched) key = undefined;
      });
    }
    return key;
  };
}
