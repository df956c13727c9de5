// Generated from crds/berth.dev_registries.yaml by `npm run generate`. Do not edit.
import type { ObjectMeta } from './metadata.ts';

/**
 * A Registry is an OCI container registry that the operator runs: a Deployment of the registry server with its configuration, storage and Services.
 */
export interface Registry {
  /**
   * The version of the resource's schema.
   */
  apiVersion: string;
  /**
   * The kind of the resource.
   */
  kind: string;
  metadata: ObjectMeta;
  spec: RegistrySpec;
  status: RegistryStatus;
}
/**
 * The registry that is wanted.
 */
export interface RegistrySpec {
  /**
   * What the operator does with this registry. Managed: it creates, corrects and removes the children. Paused: it observes and reports, and writes nothing but the status. Unmanaged: it leaves the registry and its children alone.
   */
  managementPolicy: 'Managed' | 'Paused' | 'Unmanaged';
  /**
   * What happens to the stored images when the Registry is deleted. Retain keeps the claim. Delete removes a claim that the operator made from claimTemplate.
   */
  deletionPolicy: 'Retain' | 'Delete';
  image: ImageSpec;
  /**
   * How many Pods serve the registry. More than one needs storage that they share.
   */
  replicas: number;
  storage: StorageSpec;
  http: HttpSpec;
  health: HealthSpec;
  validation: ValidationSpec;
  /**
   * The Services in front of the registry, besides the ClusterIP Service that always carries the Registry's name. The entry called default changes that one; each other entry makes a Service named after the Registry and the entry.
   */
  expose?: Exposure[];
  observability: ObservabilitySpec;
  podTemplate: PodTemplateSpec;
  /**
   * Settings of the server that this resource has no field for.
   */
  config: {
    /**
     * Keys of the server's configuration file, in its own form. They are merged into the rendered file. Keys that fields of this resource set are refused.
     */
    extra?: {
      [k: string]: unknown;
    };
  };
}
/**
 * The registry server's image. Without a repository it is the image of the operator itself, which holds both programs.
 */
export interface ImageSpec {
  /**
   * The repository, with its registry's host, without a tag or a digest.
   */
  repository?: string;
  /**
   * The tag. It is for reading only where digest is set.
   */
  tag?: string;
  /**
   * The digest of the manifest or index. It wins over tag.
   */
  digest?: string;
  /**
   * When the node fetches the image.
   */
  pullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /**
   * Secrets of this namespace with credentials for the image's registry.
   */
  pullSecretRefs?: {
    /**
     * The name of a Secret of type kubernetes.io/dockerconfigjson.
     */
    name: string;
  }[];
}
/**
 * Where images are kept. The member named like type holds its settings.
 */
export interface StorageSpec {
  /**
   * The kind of storage. PersistentVolume: a claim, which outlives the registry. EmptyDir: a folder that ends with the Pod. InMemory: the memory of the process, for trials.
   */
  type: 'PersistentVolume' | 'EmptyDir' | 'InMemory';
  persistentVolume?: PersistentVolumeSpec;
  /**
   * A folder on the node that ends with the Pod.
   */
  emptyDir?: {
    /**
     * Disk keeps it on the node's disk, Memory in a tmpfs that counts as the Pod's memory.
     */
    medium: 'Disk' | 'Memory';
    /**
     * The size at which the Pod is evicted.
     */
    sizeLimit?: string;
  };
  /**
   * Whether clients may delete tags, manifests and blobs.
   */
  delete: 'Enabled' | 'Disabled';
}
/**
 * A PersistentVolumeClaim of this namespace.
 */
export interface PersistentVolumeSpec {
  /**
   * An existing claim. More than one replica needs one with the access mode ReadWriteMany.
   */
  claimName?: string;
  claimTemplate?: ClaimTemplate;
  /**
   * A folder in the volume to use instead of its root, relative and without '..'.
   */
  subPath?: string;
}
/**
 * A claim that the operator makes, named after the Registry with -data behind it.
 */
export interface ClaimTemplate {
  /**
   * The size of the volume. It may grow if the storage class can expand volumes.
   */
  size: string;
  /**
   * The StorageClass. Absent, it is the cluster's default; empty, volumes that were made by hand.
   */
  storageClassName?: string;
  /**
   * How many nodes or Pods may use the volume at once. More than one replica needs ReadWriteMany.
   */
  accessModes: ('ReadWriteOnce' | 'ReadWriteOncePod' | 'ReadWriteMany')[];
  /**
   * A PersistentVolume made by hand to which the claim is bound.
   */
  volumeName?: string;
}
/**
 * How the server speaks HTTP.
 */
export interface HttpSpec {
  /**
   * The port that the server listens on and, unless an entry of expose says otherwise, the port of the Services. 5001 is taken by the probes and metrics.
   */
  port: number;
  /**
   * The base of the URLs in answers, such as https://registry.example.com. Absent, it is taken from each request.
   */
  host?: string;
  /**
   * A path below which the whole API is served, with a slash at both ends.
   */
  prefix?: string;
  /**
   * Whether Location headers are written without scheme and host.
   */
  relativeURLs: 'Enabled' | 'Disabled';
  /**
   * Headers that each answer carries. X-Content-Type-Options is nosniff unless it is given here.
   */
  headers?: {
    /**
     * The name of the header.
     */
    name: string;
    /**
     * The values, one header line each.
     */
    values: string[];
  }[];
  /**
   * How long running requests may take after the Pod was told to stop, up to an hour.
   */
  drainTimeout: string;
  /**
   * How many repositories one page of the catalog holds at most.
   */
  catalogMaxEntries: number;
  /**
   * How many tags one page of a tag list holds at most.
   */
  tagsMaxEntries: number;
  /**
   * The Secret whose key signs the state of uploads; all replicas share it. Absent, the operator makes one, named after the Registry with -http behind it.
   */
  secretRef?: {
    /**
     * The name of a Secret of this namespace.
     */
    name: string;
    /**
     * The key in the Secret.
     */
    key: string;
  };
}
/**
 * When the registry counts as healthy.
 */
export interface HealthSpec {
  /**
   * The server's periodic check of its storage.
   */
  storage: {
    /**
     * Whether the storage is checked. While the check fails the API answers 503.
     */
    mode: 'Enabled' | 'Disabled';
    /**
     * The time between two checks, from 1s to 1h.
     */
    interval: string;
    /**
     * How many checks in a row must fail before the registry counts as unhealthy.
     */
    threshold: number;
  };
  /**
   * How long the server may take to start before it is restarted, from 1s to 1h.
   */
  startupTimeout: string;
  /**
   * Whether a Pod whose storage check fails is taken out of the Services. Disabled leaves it in, so that clients see the server's own 503.
   */
  readinessIncludesStorage: 'Enabled' | 'Disabled';
}
/**
 * What is checked when a manifest is pushed.
 */
export interface ValidationSpec {
  /**
   * Whether the configuration, the layers and the manifests that a manifest names must be there. None admits it without them.
   */
  references: 'All' | 'None';
  /**
   * Which manifests of an index must be there. List checks the platforms listed below alone.
   */
  indexPlatforms: 'All' | 'None' | 'List';
  /**
   * The platforms whose manifests must be there.
   */
  platforms?: {
    /**
     * The operating system, such as linux.
     */
    os: string;
    /**
     * The processor architecture, such as arm64.
     */
    architecture: string;
  }[];
}
export interface Exposure {
  /**
   * The name of the entry.
   */
  name: string;
  /**
   * The type of the Service.
   */
  type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  /**
   * The port of the Service. Absent, it is http.port.
   */
  port?: number;
  /**
   * The port on each node. Absent, the cluster picks one.
   */
  nodePort?: number;
  /**
   * Annotations of the Service, for example for a load balancer.
   */
  annotations?: {
    [k: string]: string;
  };
  /**
   * Whether traffic from outside stays on the node that it came to (Local) or not (Cluster).
   */
  externalTrafficPolicy?: 'Cluster' | 'Local';
  /**
   * The load balancer implementation.
   */
  loadBalancerClass?: string;
  /**
   * The client addresses that the load balancer lets through, as CIDR.
   */
  loadBalancerSourceRanges?: string[];
}
/**
 * What the server tells about itself.
 */
export interface ObservabilitySpec {
  /**
   * The server's log, on standard output.
   */
  log: {
    /**
     * The least severe level that is written.
     */
    level: 'Error' | 'Warn' | 'Info' | 'Debug';
    /**
     * The form of a line.
     */
    format: 'Text' | 'JSON';
    /**
     * Whether each request is logged.
     */
    access: 'Enabled' | 'Disabled';
  };
  /**
   * The metrics at /metrics on port 5001 of each Pod.
   */
  metrics: {
    /**
     * Whether metrics are served.
     */
    mode: 'Enabled' | 'Disabled';
  };
}
/**
 * What is added to the registry's Pods.
 */
export interface PodTemplateSpec {
  /**
   * Labels of the Pods. Those by which the operator finds its Pods cannot be changed.
   */
  labels?: {
    [k: string]: string;
  };
  /**
   * Annotations of the Pods.
   */
  annotations?: {
    [k: string]: string;
  };
  /**
   * What each Pod asks for and may use at most.
   */
  resources: {
    /**
     * What the scheduler sets aside, by resource.
     */
    requests?: {
      [k: string]: number | string;
    };
    /**
     * What the Pod may use at most, by resource.
     */
    limits?: {
      [k: string]: number | string;
    };
  };
  /**
   * Labels that a node must carry.
   */
  nodeSelector?: {
    [k: string]: string;
  };
  /**
   * Taints of nodes that the Pods tolerate.
   */
  tolerations?: {
    /**
     * The key of the taint. Absent, with the operator Exists, it is any.
     */
    key?: string;
    /**
     * How key and value are compared.
     */
    operator: 'Exists' | 'Equal';
    /**
     * The value of the taint.
     */
    value?: string;
    /**
     * The effect of the taint. Absent, it is any.
     */
    effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
    /**
     * How long a NoExecute taint is tolerated, in seconds.
     */
    tolerationSeconds?: number;
  }[];
  /**
   * The PriorityClass of the Pods.
   */
  priorityClassName?: string;
  /**
   * The RuntimeClass of the Pods.
   */
  runtimeClassName?: string;
  /**
   * An existing ServiceAccount. Absent, the operator makes one that carries the Registry's name and has no rights.
   */
  serviceAccountName?: string;
  /**
   * Further environment variables of the server. Those that would change what this resource sets elsewhere are refused.
   */
  extraEnv?: EnvironmentVariable[];
}
export interface EnvironmentVariable {
  /**
   * The name of the variable.
   */
  name: string;
  /**
   * The value. Put passwords and keys into a Secret and name it in valueFrom.
   */
  value?: string;
  /**
   * Where the value comes from.
   */
  valueFrom?: {
    /**
     * A key of a Secret of this namespace.
     */
    secretKeyRef?: {
      /**
       * The name of the Secret.
       */
      name: string;
      /**
       * The key in the Secret.
       */
      key: string;
    };
    /**
     * A key of a ConfigMap of this namespace.
     */
    configMapKeyRef?: {
      /**
       * The name of the ConfigMap.
       */
      name: string;
      /**
       * The key in the ConfigMap.
       */
      key: string;
    };
  };
}
/**
 * What the operator observed.
 */
export interface RegistryStatus {
  /**
   * The generation of the resource that the operator acted on last; -1 if it has not yet.
   */
  observedGeneration: number;
  /**
   * Ready sums up. Reconciling and Stalled are there while the operator is at work or waits for a change by the user. The others name a part.
   */
  conditions?: Condition[];
  /**
   * The image that the Pods run.
   */
  image?: string;
  /**
   * How many Pods there are.
   */
  replicas?: number;
  /**
   * How many Pods are ready.
   */
  readyReplicas?: number;
  /**
   * How many Pods run the newest template.
   */
  updatedReplicas?: number;
  /**
   * The label selector of the Pods, for the scale subresource.
   */
  selector?: string;
  /**
   * Where the registry is reached, one entry for each Service.
   */
  endpoints?: Endpoint[];
  /**
   * A hash of the configuration that the Pods are told to run.
   */
  configHash?: string;
  /**
   * The storage in use.
   */
  storage?: {
    /**
     * The kind of storage.
     */
    type?: string;
    /**
     * The claim that holds the images.
     */
    claimName?: string;
    /**
     * The size of the bound volume.
     */
    capacity?: string;
  };
}
export interface Condition {
  /**
   * What the condition is about.
   */
  type: string;
  /**
   * Whether it holds.
   */
  status: 'True' | 'False' | 'Unknown';
  /**
   * The generation that the condition was derived from.
   */
  observedGeneration?: number;
  /**
   * When the status last changed.
   */
  lastTransitionTime: string;
  /**
   * The cause in one word.
   */
  reason: string;
  /**
   * The cause for people to read, with what to do about it.
   */
  message: string;
}
export interface Endpoint {
  /**
   * The name of the entry of expose; default is the Service that carries the Registry's name.
   */
  name: string;
  /**
   * The type of the Service.
   */
  type: string;
  /**
   * The host, with the port, as it stands in the name of an image.
   */
  host?: string;
  /**
   * The base URL of the API.
   */
  url?: string;
}
