/** A look at the bucket before anything is served: what is wrong for good is an error, what may pass a warning. */
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { S3Config } from '../config/types.ts';
import { silent } from '../log.ts';
import { createCalls } from './s3-calls.ts';
import { createClient, deadlines, placeOf } from './s3-client.ts';
import { misconfigurationOf, sentenceOf } from './s3-errors.ts';

/** Milliseconds for the whole look: the registry starts without an answer as well. */
const PATIENCE = 15_000;

/** Throws a sentence for people, or resolves with a warning. Lists one key, which the registry has to be allowed anyway. */
export async function checkBucket(config: S3Config, userAgent: string): Promise<string | undefined> {
  const place = placeOf(config);
  const client = createClient({ config, userAgent, log: silent, deadlines });
  const calls = createCalls(client, place, { ...deadlines, call: PATIENCE, attempt: PATIENCE / 3 });
  const command = new ListObjectsV2Command({ Bucket: config.bucket, Prefix: config.rootdirectory, MaxKeys: 1 });
  try {
    await calls.attempt((http) => client.send(command, http), { path: '/' });
  } catch (error) {
    const sentence = `storage.s3: ${sentenceOf(error, place)}`;
    if (misconfigurationOf(error) !== undefined) throw new Error(sentence);
    return `${sentence}; it is tried again with each request`;
  } finally {
    client.destroy();
  }
  return undefined;
}
