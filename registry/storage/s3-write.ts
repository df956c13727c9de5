/** Writing whole objects: what every one of them carries, and writes that succeed only from a known state. */

import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { S3Config } from '../config/types.ts';
import type { Logger } from '../log.ts';
import type { Calls } from './s3-calls.ts';
import { attemptsOf, isAbsent, isMeeting, isNotImplemented, isPreconditionFailed } from './s3-errors.ts';
import type { ReadOptions, Reads } from './s3-read.ts';

/** Storage class, encryption, ACL and type: parameters of everything that makes an object. */
export interface Attributes
  extends Pick<
    PutObjectCommandInput,
    'ACL' | 'ContentType' | 'ServerSideEncryption' | 'SSEKMSKeyId' | 'StorageClass'
  > {}

export function attributesOf({ encrypt, keyid, objectacl, storageclass }: S3Config): Attributes {
  const kms = keyid === undefined ? {} : { SSEKMSKeyId: keyid };
  return {
    ACL: objectacl as NonNullable<Attributes['ACL']>,
    ContentType: 'application/octet-stream',
    ...(encrypt && { ServerSideEncryption: keyid === undefined ? 'AES256' : 'aws:kms', ...kms }),
    ...(storageclass !== undefined && { StorageClass: storageclass as NonNullable<Attributes['StorageClass']> }),
  };
}

/** The version that a conditional write replaces; `undefined`: there must be none. */
export type Expected = string | undefined;

export interface Writes {
  readonly attributes: Attributes;
  /** Resolves with the version's ETag. */
  put(key: string, content: Buffer, options: ReadOptions): Promise<string | undefined>;
  /**
   * Writes only over the expected version. Resolves with the new ETag, or `undefined` if somebody else was first. Contents
   * have to differ between writers: that tells our own write, whose answer was lost, from another's.
   */
  putOver(key: string, expected: Expected, content: Buffer, options: ReadOptions): Promise<string | undefined>;
  /**
   * Once in the life of a process: tries to write what was just written there on conditions that do not hold, and warns of a
   * server that does it all the same.
   */
  tryConditions(key: string, content: Buffer, options: ReadOptions): Promise<void>;
}

export interface WritesParts {
  readonly calls: Calls;
  readonly reads: Reads;
  readonly attributes: Attributes;
  readonly log: Logger;
}

/** How often a conditional write that met another one is tried again, and milliseconds before. */
const TRIES = 5;
const PAUSE = 50;

/** Conditions that do not hold for an object that is there: no content has that sum. */
const FALSE = [{ IfMatch: `"${'0'.repeat(32)}"` }, { IfNoneMatch: '*' }] as const;

export function createWrites({ calls, reads, attributes, log }: WritesParts): Writes {
  const { client, bucket } = calls;
  /** A server without conditional writes is used without them, and told of once. */
  let conditional = true;
  let isTried = false;

  function send(key: string, content: Buffer, condition: Partial<PutObjectCommandInput>, options: ReadOptions) {
    const input = { Bucket: bucket, Key: key, Body: content, ...attributes, ...condition };
    const transfers = content.length > 1024 * 1024;
    return calls.attempt((http) => client.send(new PutObjectCommand(input), http), { ...options, transfers });
  }

  const fault = (error: unknown, { path, signal }: ReadOptions): unknown =>
    signal?.aborted === true ? signal.reason : calls.fault(path, error);

  async function put(key: string, content: Buffer, options: ReadOptions): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return (await send(key, content, {}, options)).ETag;
      } catch (error) {
        if (!isMeeting(error) || attempt === TRIES) throw fault(error, options);
        await pause(attempt, options);
      }
    }
  }

  const pause = (attempt: number, { signal }: ReadOptions): Promise<void> =>
    sleep(PAUSE * attempt, undefined, { ...(signal && { signal }) });

  /** After a lost answer: whether the write took effect all the same. */
  async function isOurs(key: string, content: Buffer, options: ReadOptions): Promise<string | undefined> {
    const there = await reads.read(key, options);
    return there?.bytes.equals(content) === true ? there.etag : undefined;
  }

  return {
    attributes,
    put,
    async putOver(key, expected, content, options) {
      const condition = expected === undefined ? { IfNoneMatch: '*' } : { IfMatch: expected };
      for (let attempt = 1; ; attempt++) {
        try {
          return (await send(key, content, conditional ? condition : {}, options)).ETag;
        } catch (error) {
          if (!(await mayTryAgain(error, attempt, options))) return await lost(error, key, content, options);
        }
      }
    },
    async tryConditions(key, content, options) {
      if (isTried || !conditional) return;
      isTried = true;
      for (const condition of FALSE) {
        try {
          await send(key, content, condition, options);
          log.warn(
            { bucket, condition: Object.keys(condition)[0] },
            'this S3 server accepts conditions on writes and ignores them: simultaneous requests on one upload, and ' +
              'maintenance by several replicas, are not told apart',
          );
        } catch (error) {
          // What it answered otherwise says nothing: with the next lease again.
          if (!isPreconditionFailed(error) && !isMeeting(error) && !isNotImplemented(error)) isTried = false;
        }
      }
    },
  };

  async function mayTryAgain(error: unknown, attempt: number, options: ReadOptions): Promise<boolean> {
    if (isNotImplemented(error) && conditional) {
      conditional = false;
      log.warn(
        { bucket },
        'this S3 server has no conditional writes: simultaneous requests on one upload are not told apart',
      );
      return true;
    }
    if (!isMeeting(error) || attempt === TRIES) return false;
    await pause(attempt, options);
    return true;
  }

  async function lost(error: unknown, key: string, content: Buffer, options: ReadOptions): Promise<string | undefined> {
    if (!isPreconditionFailed(error) && !isAbsent(error) && !isMeeting(error)) throw fault(error, options);
    return attemptsOf(error) > 1 ? await isOurs(key, content, options) : undefined;
  }
}
