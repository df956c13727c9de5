/** Referrers (end-12a, 12b of the distribution specification). */
import { mediaTypes } from '../oci/manifest.ts';
import type { Handler, HttpDependencies } from './call.ts';
import { nextLink } from './listings.ts';
import { digestParam, nameParam, single } from './params.ts';

export function createReferrersHandler({ services }: HttpDependencies): Handler {
  return async (call) => {
    const name = nameParam(call.params.name);
    const subject = digestParam(call.params.digest);
    const artifactType = single(call.query['artifactType']) || undefined;
    const after = single(call.query['last']);
    const page = await services.referrers.list(name, subject, { artifactType, after, signal: call.signal });
    const filter = artifactType === undefined ? undefined : { artifactType };
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: page.descriptors };
    return {
      status: 200,
      headers: {
        'content-type': mediaTypes.ociIndex,
        ...(filter === undefined ? {} : { 'oci-filters-applied': 'artifactType' }),
        ...(page.next === undefined ? {} : nextLink(call, { ...filter, last: page.next })),
      },
      body: Buffer.from(JSON.stringify(index)),
    };
  };
}
