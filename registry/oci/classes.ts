/** Classes of repositories (`policy.repository.classes`), told by the media type of an image's configuration as in Distribution. */
import { type Manifest, mediaTypes } from './manifest.ts';

const classes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [mediaTypes.dockerManifest]: {
    'application/vnd.docker.container.image.v1+json': 'image',
    'application/vnd.docker.plugin.v1+json': 'plugin',
  },
  [mediaTypes.ociManifest]: { 'application/vnd.oci.image.config.v1+json': 'image' },
};

/** Why a manifest of a push is not among the allowed classes, or `undefined`. Lists and indexes have no class. */
export function classRefusal(manifest: Manifest, allowed: readonly string[]): string | undefined {
  if (allowed.length === 0 || manifest.isIndex) return undefined;
  const type = manifest.config?.mediaType ?? '';
  const found = manifest.mediaType === mediaTypes.schema1 ? 'image' : classes[manifest.mediaType]?.[type];
  if (found === undefined) return `unknown manifest class for ${type.slice(0, 200)}`;
  return allowed.includes(found) ? undefined : `registry does not allow ${found} manifest`;
}
