/** The storage drivers by name: those that are there, and the way out of those that are not. */

import { azure } from './azure.ts';
import { below, fault, refine, type Spec } from './check.ts';
import { gcs } from './gcs.ts';
import { s3 } from './s3.ts';
import { section } from './section.ts';
import type { DriverConfig, FilesystemConfig } from './types.ts';
import { count, text } from './values.ts';

const MIN_THREADS = 25;

const filesystem: Spec<FilesystemConfig> = refine(
  section(
    {
      rootdirectory: text({
        default: '/var/lib/registry',
        example: '/var/lib/registry',
        doc: 'The folder that holds everything.',
      }),
      maxthreads: count({
        default: 100,
        min: 0,
        doc: `How many file operations may be under way at once; at least ${MIN_THREADS} are always allowed.`,
      }),
    },
    { doc: 'Files below one folder.', untyped: true },
  ),
  (value, place) => {
    if (value.rootdirectory === '') {
      fault(below(place, 'rootdirectory'), 'expected a folder, got an empty text', 'write /var/lib/registry');
    }
    return {
      type: 'filesystem',
      rootdirectory: value.rootdirectory,
      maxthreads: Math.max(MIN_THREADS, value.maxthreads),
    };
  },
);

const inmemory: Spec<DriverConfig> = refine(
  section({}, { doc: 'Everything in memory, gone at the end. For tests.', untyped: true }),
  () => ({ type: 'inmemory' }),
);

export const drivers = {
  filesystem,
  inmemory,
  s3,
  s3aws: { ...s3, doc: 'Another name of `s3`.', olderNameOf: 's3' },
  azure,
  gcs,
} satisfies Readonly<Record<string, Spec<DriverConfig>>>;

const COPY = 'copy the tree as it is (rclone reads it) and use';

/** Drivers of older versions of Distribution, and the way out. */
export const droppedDrivers: Readonly<Record<string, string>> = {
  swift: `${COPY} storage.filesystem, or storage.s3 with the S3 interface of the same object store`,
  oss: `${COPY} storage.filesystem, or use storage.s3 with OSS's S3 endpoint as regionendpoint`,
  rados: `${COPY} storage.filesystem, or storage.s3 with Ceph's object gateway as regionendpoint`,
};
