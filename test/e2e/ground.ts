import type { NodeCluster } from '../support/node-handle.ts';
import type { TestImages } from './images.ts';
import type { Instance } from './instance.ts';
import type { Objects } from './objects.ts';
import type { Story } from './story.ts';

/** What the parts of the end-to-end test stand on: one node, with Berth installed. */
export interface Ground {
  readonly node: NodeCluster;
  readonly objects: Objects;
  readonly images: TestImages;
  readonly step: Story['step'];
  /** The Registry that the story follows: the sample shared-volume.yaml, on a volume that all its Pods may write. */
  readonly shared: Instance;
}

/** The sample that makes `shared`. */
export const sharedSample = 'manifests/samples/shared-volume.yaml';
/** The claim that comes with it, and the volume that it gets. */
export const sharedClaim = 'shared-data';
export const sharedVolume = 'shared-images';
