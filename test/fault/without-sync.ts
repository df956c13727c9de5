/** Preloaded into a server that is to be found out: `fsync` of the files that WITHOUT_SYNC describes does nothing. */
import fs from 'node:fs';

const spared = new RegExp(process.env['WITHOUT_SYNC'] ?? '(?!)');
const { fsync } = fs;

Object.assign(fs, {
  fsync(descriptor: number, done: fs.NoParamCallback): void {
    if (spared.test(fs.readlinkSync(`/proc/self/fd/${descriptor}`))) setImmediate(done, null);
    else fsync(descriptor, done);
  },
});
