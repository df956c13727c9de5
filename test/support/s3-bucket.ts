/** Looking into a bucket past the driver. */
import { ListMultipartUploadsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';

/** Every key, in order. */
export async function keysIn(client: S3Client, bucket: string): Promise<string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      ...(token !== undefined && { ContinuationToken: token }),
    });
    const answer = await client.send(command);
    keys.push(...(answer.Contents ?? []).map(({ Key = '' }) => Key));
    token = answer.NextContinuationToken;
  } while (token !== undefined);
  return keys;
}

/** Keys of the multipart uploads under way. */
export async function uploadsIn(client: S3Client, bucket: string): Promise<string[]> {
  const answer = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return (answer.Uploads ?? []).map(({ Key = '' }) => Key);
}
