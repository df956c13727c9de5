/** The storage middleware `cloudfront`: URLs of Amazon's CDN, signed for a while, for content that lies in S3. */
import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { getSignedUrl } from '@aws-sdk/cloudfront-signer';
import type { CloudFrontConfig, S3Config } from '../config/types.ts';
import type { Logger } from '../log.ts';
import type { RedirectUrl } from './redirect.ts';
import { createAmazonRanges } from './redirect-ranges.ts';

export interface CloudFrontDependencies {
  readonly s3: Pick<S3Config, 'rootdirectory'>;
  /** The driver's own, for clients within Amazon's network. */
  readonly redirectUrl: RedirectUrl;
  readonly log: Logger;
  readonly now: () => Date;
}

export interface CloudFront {
  readonly redirectUrl: RedirectUrl;
  close(): void;
}

/** Rejects with a sentence for people if the key cannot be used. */
export async function createCloudFront(
  config: CloudFrontConfig,
  { s3, redirectUrl, log, now }: CloudFrontDependencies,
): Promise<CloudFront> {
  const privateKey = await readKey(config.privatekey);
  const base = `${config.baseurl.includes('://') ? '' : 'https://'}${config.baseurl.replace(/\/*$/, '/')}`;
  const root = s3.rootdirectory.replace(/\/+$/, '');
  const ranges =
    config.ipfilteredby === 'none'
      ? undefined
      : createAmazonRanges({
          url: config.iprangesurl,
          regions: config.ipfilteredby === 'awsregion' ? config.awsregion : undefined,
          updateFrequency: config.updatefrequency,
          log,
        });

  return {
    async redirectUrl(path, method, options) {
      const { client } = options ?? {};
      if (client !== undefined && ranges?.has(client)) return redirectUrl(path, method, options);
      return getSignedUrl({
        url: base + (root + path).replace(/^\/+/, ''),
        keyPairId: config.keypairid,
        privateKey,
        dateLessThan: new Date(now().getTime() + config.duration),
      });
    },
    close: () => ranges?.close(),
  };
}

async function readKey(file: string): Promise<string> {
  const refuse = (reason: string): never => {
    throw new Error(`middleware.storage: cloudfront: options.privatekey ${file}: ${reason}`);
  };
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) =>
    refuse(error.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${error.code})`),
  );
  try {
    const { asymmetricKeyType } = createPrivateKey(text);
    if (asymmetricKeyType === 'rsa' || asymmetricKeyType === 'ec') return text;
  } catch {
    // The reason is OpenSSL's and tells nobody anything.
  }
  return refuse(
    'is no private key in PEM without a passphrase, RSA or EC; use the one whose public half CloudFront has',
  );
}
