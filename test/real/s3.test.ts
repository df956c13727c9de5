/** The S3 driver under the storage suite, on a real server. After each case no multipart upload may be left. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { silent } from '../../registry/log.ts';
import { createS3Store } from '../../registry/storage/s3.ts';
import { storeConformance } from '../storage/conformance.ts';
import { uploadsIn } from '../support/s3-bucket.ts';
import { kind, startS3 } from '../support/s3-server.ts';
import { skip } from '../support/tools.ts';

const server = await startS3();
after(() => ('reason' in server ? undefined : server.stop()));

storeConformance({
  driver: 's3',
  large: true,
  flat: kind === 'minio',
  async begin(t) {
    if ('reason' in server) {
      skip(t, server.reason);
      throw new Error(server.reason);
    }
    const config = await server.bucket({ rootdirectory: 'some/root' });
    const open = () => {
      const store = createS3Store({ config, userAgent: 'berth/test', log: silent });
      t.after(() => store.close());
      return store;
    };
    return {
      store: open(),
      peer: open(),
      inspectEmpty: async () => assert.deepEqual(await uploadsIn(server.client, config.bucket), []),
    };
  },
});
