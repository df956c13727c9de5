import type { V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { Resolved } from '../api/resolved.ts';

/** Where the images lie in the container. */
export const DATA_FOLDER = '/var/lib/registry';

/** The name of the volume that holds them. */
export const DATA_VOLUME = 'data';

/** What a Pod needs to reach its storage; nothing for storage in memory. */
export function dataVolume({ storage }: Resolved): { readonly volumes: V1Volume[]; readonly mounts: V1VolumeMount[] } {
  switch (storage.type) {
    case 'InMemory':
      return { volumes: [], mounts: [] };
    case 'EmptyDir': {
      const emptyDir = {
        ...(storage.medium === 'Memory' && { medium: 'Memory' }),
        ...(storage.sizeLimit !== undefined && { sizeLimit: storage.sizeLimit }),
      };
      return { volumes: [{ name: DATA_VOLUME, emptyDir }], mounts: [mount(undefined)] };
    }
    case 'PersistentVolume': {
      const persistentVolumeClaim = { claimName: storage.claimName };
      return { volumes: [{ name: DATA_VOLUME, persistentVolumeClaim }], mounts: [mount(storage.subPath)] };
    }
  }
}

function mount(subPath: string | undefined): V1VolumeMount {
  return { name: DATA_VOLUME, mountPath: DATA_FOLDER, ...(subPath !== undefined && { subPath }) };
}
