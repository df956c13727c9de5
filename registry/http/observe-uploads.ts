/** The same uploads, with a count kept of those that are open. */
import type { UploadMetrics } from '../metrics.ts';
import { RegistryError } from '../oci/error.ts';
import type { Uploads } from '../service/uploads.ts';

export function observeUploads(uploads: Uploads, metrics: UploadMetrics): Uploads {
  /** An upload that fails for another reason than not being there is still open, for all that can be known. */
  async function told<T>(id: string, work: Promise<T>): Promise<T> {
    metrics.seen(id);
    try {
      return await work;
    } catch (error) {
      if (error instanceof RegistryError && ended.has(error.code)) metrics.ended(id);
      throw error;
    }
  }

  return {
    async begin(...given) {
      const status = await uploads.begin(...given);
      metrics.seen(status.id);
      return status;
    },
    status: (name, id, ...given) => told(id, uploads.status(name, id, ...given)),
    append: (name, id, ...given) => told(id, uploads.append(name, id, ...given)),
    async finish(name, id, ...given) {
      await told(id, uploads.finish(name, id, ...given));
      metrics.ended(id);
    },
    async cancel(name, id, ...given) {
      await told(id, uploads.cancel(name, id, ...given));
      metrics.ended(id);
    },
  };
}

/** After these there is no upload any more: there was none, or its bytes were not what their digest said. */
const ended: ReadonlySet<string> = new Set(['BLOB_UPLOAD_UNKNOWN', 'DIGEST_INVALID']);
