/** The SDK's client, made from the configuration. */
import { createHash } from 'node:crypto';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { S3Config } from '../config/types.ts';
import type { Logger } from '../log.ts';
import { nameOfError, type Place, statusOf } from './s3-errors.ts';
import { createHandler } from './s3-http.ts';

/** Milliseconds. */
export interface S3Deadlines {
  /** To connect. */
  readonly connect: number;
  /** For the answer's head of one attempt at a call without much content. */
  readonly attempt: number;
  /** For a call with all its attempts. */
  readonly call: number;
  /** The same two for calls that move content, here or at the server. */
  readonly transferAttempt: number;
  readonly transfer: number;
  /** Between two bytes of an answer that somebody is waiting for. */
  readonly silence: number;
}

export const deadlines: S3Deadlines = {
  connect: 5_000,
  attempt: 15_000,
  call: 60_000,
  transferAttempt: 300_000,
  transfer: 900_000,
  silence: 30_000,
};

/**
 * Attempts at one call. The SDK waits between them, longer each time, and has a budget for the whole process: when a store
 * fails for long, calls are no longer repeated.
 */
const ATTEMPTS = 6;

export interface ClientOptions {
  readonly config: S3Config;
  readonly userAgent: string;
  readonly deadlines: S3Deadlines;
  readonly log: Logger;
}

export function placeOf({ bucket, regionendpoint, region }: S3Config): Place {
  return { bucket, region, endpoint: regionendpoint ?? `Amazon S3 in ${region}` };
}

/** Makes a client. `endpoint` stands for the configured one: presigned URLs may lead elsewhere. */
export function createClient(options: ClientOptions, endpoint = options.config.regionendpoint): S3Client {
  const { config, log } = options;
  const client = new S3Client({
    region: config.region,
    ...endpointOf(config, endpoint),
    ...credentialsOf(config),
    maxAttempts: ATTEMPTS,
    retryMode: 'standard',
    // The signature covers every body, so nothing more is needed; servers other than Amazon refuse what they do not know.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Would cost a round trip for each part, and many servers never answer it.
    expectContinueHeader: false,
    customUserAgent: [words(config.useragent ?? options.userAgent)],
    requestHandler: createHandler({
      connect: options.deadlines.connect,
      silence: options.deadlines.silence,
      longest: options.deadlines.transferAttempt,
      skipverify: config.skipverify,
    }),
    // What it would warn of is ours to say.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  });
  sumDeletions(client);
  if (config.loglevel !== 'off') logCalls(client, log);
  return client;
}

function endpointOf(config: S3Config, endpoint: string | undefined): S3ClientConfig {
  const common = { forcePathStyle: config.forcepathstyle, followRegionRedirects: false, useArnRegion: true };
  if (endpoint !== undefined) return { ...common, endpoint, tls: endpoint.startsWith('https:') };
  return {
    ...common,
    tls: config.secure,
    useDualstackEndpoint: config.usedualstack,
    useFipsEndpoint: config.usefipsendpoint,
    useAccelerateEndpoint: config.accelerate,
  };
}

/** Without fixed ones the SDK looks in its ordinary places: environment, profile, web identity, container, instance. */
function credentialsOf({ accesskey, secretkey, sessiontoken }: S3Config): S3ClientConfig {
  if (accesskey === undefined || secretkey === undefined) return {};
  const token = sessiontoken === undefined ? {} : { sessionToken: sessiontoken };
  return { credentials: { accessKeyId: accesskey, secretAccessKey: secretkey, ...token } };
}

/** `NAME/VERSION` as the SDK wants it. */
function words(userAgent: string): [string] | [string, string] {
  const [, name, version] = /^([^/]+)\/([^/]+)$/.exec(userAgent) ?? [];
  return name === undefined || version === undefined ? [userAgent] : [name, version];
}

/**
 * Deletions of several objects carry `Content-MD5`, which S3 demanded before it knew other checksums: servers that know no
 * others refuse them without.
 */
function sumDeletions(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const { headers, body } = args.request as { headers: Record<string, string>; body?: unknown };
      const isMeant = context.commandName === 'DeleteObjectsCommand' && typeof body === 'string';
      if (isMeant) headers['content-md5'] = createHash('md5').update(body).digest('base64');
      return await next(args);
    },
    { step: 'build', name: 'berthContentMd5', priority: 'low' },
  );
}

/** One line for each call, without headers or bodies: those hold credentials and content. */
function logCalls(client: S3Client, log: Logger): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const start = performance.now();
      const { Key, Prefix } = args.input as { Key?: string; Prefix?: string };
      const fields = { call: context.commandName, key: Key ?? Prefix };
      const took = (): number => Math.round(performance.now() - start) / 1000;
      try {
        const result = await next(args);
        const { httpStatusCode, attempts } = result.output.$metadata;
        log.debug({ ...fields, status: httpStatusCode, attempts, seconds: took() }, 's3 call');
        return result;
      } catch (error) {
        const failure = { status: statusOf(error), error: nameOfError(error) };
        log.debug({ ...fields, ...failure, seconds: took() }, 's3 call failed');
        throw error;
      }
    },
    { step: 'initialize', name: 'berthLog', priority: 'low' },
  );
}
