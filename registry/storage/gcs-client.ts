/**
 * Google's client for one bucket: who signs in, where the service is, and signed URLs. Its calls on objects are not used:
 * they take no signal and check hashes in JavaScript, which a registry does itself.
 */
import { Storage, type StorageOptions } from '@google-cloud/storage';
import type { GcsConfig } from '../config/types.ts';

/** Milliseconds that a signed URL is good for, as with Distribution. */
const URL_LIFE = 20 * 60_000;

export interface GcsClient {
  /** The service's address, without a slash at its end. */
  readonly url: string;
  /** Headers that sign a request in; tokens are fetched and kept by the client. */
  headers(): Promise<Record<string, string>>;
  /** A URL with which anybody can GET the object for 20 minutes; `undefined` where nobody has signed in. */
  sign(key: string): Promise<string | undefined>;
}

export function createGcsClient(config: GcsConfig, now: () => number): GcsClient {
  const anonymous = isAnonymous(config);
  const storage = new Storage(optionsOf(config));
  const bucket = storage.bucket(config.bucket);
  return {
    url: storage.apiEndpoint.replace(/\/+$/, ''),

    async headers() {
      if (anonymous) return {};
      const headers = await storage.authClient.getRequestHeaders();
      return Object.fromEntries(headers.entries());
    },

    async sign(key) {
      if (anonymous) return undefined;
      const [url] = await bucket.file(key).getSignedUrl({ version: 'v4', action: 'read', expires: now() + URL_LIFE });
      return url;
    },
  };
}

/** An address without TLS is an emulator's: nobody's credentials are sent there unless they were written down for it. */
const isAnonymous = ({ endpoint, keyfile, credentials }: GcsConfig): boolean =>
  endpoint?.startsWith('http:') === true && keyfile === undefined && credentials === undefined;

function optionsOf(config: GcsConfig): StorageOptions {
  const { endpoint, keyfile, credentials } = config;
  const universe = credentials?.['universe_domain'];
  return {
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, useAuthWithCustomEndpoint: !isAnonymous(config) }),
    ...(keyfile === undefined ? {} : { keyFilename: keyfile }),
    ...(credentials === undefined
      ? {}
      : { credentials: withLines(credentials) as NonNullable<StorageOptions['credentials']> }),
    ...(typeof universe === 'string' ? { universeDomain: universe } : {}),
  };
}

/** A key that came through the environment has its line breaks as two characters. */
function withLines(credentials: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const key = credentials['private_key'];
  return typeof key === 'string' ? { ...credentials, private_key: key.replaceAll('\\n', '\n') } : { ...credentials };
}
