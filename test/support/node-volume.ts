/** A static volume on a folder of the node. */
export interface LocalVolume {
  name: string;
  /** As Kubernetes writes quantities. Nothing enforces it. Default: `1Gi`. */
  size?: string;
  /** Default: `ReadWriteMany`, which one node can always give. */
  accessModes?: string[];
  /** A claim names the same. Default: `local`. */
  storageClassName?: string;
}

/**
 * A PersistentVolume of type `local` on an existing folder. It is kept when its claim goes (`Retain`), so a test can look at
 * what is in it.
 */
export function localVolumeManifest(volume: LocalVolume, folder: string, node: string): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volume.name },
    spec: {
      capacity: { storage: volume.size ?? '1Gi' },
      accessModes: volume.accessModes ?? ['ReadWriteMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: volume.storageClassName ?? 'local',
      volumeMode: 'Filesystem',
      local: { path: folder },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
          ],
        },
      },
    },
  };
}
