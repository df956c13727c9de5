import { accepts } from './core/accept.ts';
import { base } from './core/base.ts';
import { catalog } from './core/catalog.ts';
import { concurrency } from './core/concurrency.ts';
import { deletes } from './core/delete.ts';
import { errors } from './core/errors.ts';
import { formats } from './core/formats.ts';
import { manifestValidation } from './core/manifest-validation.ts';
import { manifests } from './core/manifests.ts';
import { mount } from './core/mount.ts';
import { names } from './core/names.ts';
import { pull } from './core/pull.ts';
import { ranges } from './core/ranges.ts';
import { referrers } from './core/referrers.ts';
import { referrersFallback } from './core/referrers-fallback.ts';
import { tagParameters } from './core/tag-parameters.ts';
import { tags } from './core/tags.ts';
import { uploadChunks } from './core/upload-chunks.ts';
import { uploadStatus } from './core/upload-status.ts';
import { uploads } from './core/uploads.ts';
import type { Family } from './suite.ts';

/** The families of the group `core`, in the order in which their results are shown. */
export const core: Readonly<Record<string, Family>> = {
  'base of the API': base,
  names,
  pull,
  'ranges and conditions': ranges,
  accept: accepts,
  uploads,
  'chunks of uploads': uploadChunks,
  'status of uploads': uploadStatus,
  mount,
  manifests,
  'validation of manifests': manifestValidation,
  'tag parameters': tagParameters,
  formats,
  tags,
  referrers,
  'referrers, fallback tags': referrersFallback,
  delete: deletes,
  catalog,
  errors,
  concurrency,
};
