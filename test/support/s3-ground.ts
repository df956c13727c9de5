/** The S3 driver on a bucket of its own, behind a proxy that the test can make misbehave. */
import type { TestContext } from 'node:test';
import type { S3Config } from '../../registry/config/types.ts';
import { type Logger, silent } from '../../registry/log.ts';
import { createS3Store } from '../../registry/storage/s3.ts';
import type { S3Deadlines } from '../../registry/storage/s3-client.ts';
import type { Store } from '../../registry/storage/store.ts';
import { keysIn, uploadsIn } from './s3-bucket.ts';
import { type S3Proxy, startS3Proxy } from './s3-proxy.ts';
import { type S3Server, startS3 } from './s3-server.ts';
import { skip } from './tools.ts';

export interface S3Ground {
  readonly store: Store;
  readonly proxy: S3Proxy;
  readonly config: S3Config;
  readonly server: S3Server;
  /** Another instance on the same bucket, past the proxy. */
  readonly peer: Store;
  keys(): Promise<string[]>;
  /** Keys of multipart uploads under way. */
  uploads(): Promise<string[]>;
}

export interface GroundOptions {
  readonly config?: Partial<S3Config>;
  readonly deadlines?: Partial<S3Deadlines>;
  readonly log?: Logger;
}

/** One server for a test file: what to call for each test, and what after all. */
export async function s3Grounds(): Promise<{
  ground(t: TestContext, options?: GroundOptions): Promise<S3Ground>;
  stop(): Promise<void>;
}> {
  const server = await startS3();
  return {
    async ground(t, { config: over = {}, deadlines, log = silent } = {}) {
      if ('reason' in server) {
        skip(t, server.reason);
        throw new Error(server.reason);
      }
      const proxy = await startS3Proxy(t, server);
      const config = { ...(await server.bucket(over)), regionendpoint: proxy.endpoint };
      const store = createS3Store({ config, userAgent: 'berth/test', log, deadlines });
      const direct = { ...config, regionendpoint: server.endpoint };
      const peer = createS3Store({ config: direct, userAgent: 'berth/peer', log: silent });
      t.after(async () => {
        await store.close();
        await peer.close();
      });
      return {
        store,
        proxy,
        config,
        server,
        peer,
        keys: () => keysIn(server.client, config.bucket),
        uploads: () => uploadsIn(server.client, config.bucket),
      };
    },
    stop: async () => ('reason' in server ? undefined : await server.stop()),
  };
}
