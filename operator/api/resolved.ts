import type { ClaimTemplate, Exposure, PodTemplateSpec, RegistrySpec } from './types.ts';

/** The port of probes and metrics in each Pod. No Service shows it. */
export const DEBUG_PORT = 5001;

/**
 * What the cluster knows beside the Registry itself. Without an API server (`operator render`) only the image is known; what
 * is `undefined` here is not checked.
 */
export interface Inputs {
  /** The image of the operator itself (`BERTH_IMAGE`), for a Registry that names none. */
  readonly operatorImage: string;
  /**
   * Hashes of the values that `references(registry)` names: `Secret/NAME` or `ConfigMap/NAME` to key to hash. An object or
   * key that is missing here is missing in the namespace. Hashes, so that no value of a Secret comes this way.
   */
  readonly referenced?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The claim that `claimName` names; `null`: there is none. */
  readonly claim?: { readonly accessModes: readonly string[] } | null;
}

/** A value in another object of the namespace that the Pods take in. */
export interface Reference {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly name: string;
  readonly key: string;
  /** The field of the Registry that names it; `undefined` for what the operator makes itself. */
  readonly path: string | undefined;
}

/** The condition that a fault makes False. */
export type FaultCondition = 'ConfigValid' | 'StorageReady' | 'CredentialsResolved';

/** A reason why a Registry cannot be rendered. The user, or somebody else in the namespace, has to act. */
export interface Fault {
  readonly condition: FaultCondition;
  readonly reason:
    | 'InvalidConfiguration'
    | 'KeyNotAllowed'
    | 'ImageUnknown'
    | 'ClaimNotFound'
    | 'ClaimNotShared'
    | 'SecretNotFound'
    | 'ConfigMapNotFound';
  /** Where in the Registry, such as `spec.storage.persistentVolume.claimName`. */
  readonly path: string;
  /** What is wrong and what to do about it; never a value of a Secret. */
  readonly message: string;
}

/** Where the images are. `shared`: several Pods, also on different nodes, may use it at once. */
export type ResolvedStorage =
  | {
      readonly type: 'PersistentVolume';
      readonly shared: boolean;
      readonly claimName: string;
      /** There if the operator makes the claim. */
      readonly template: ClaimTemplate | undefined;
      readonly subPath: string | undefined;
    }
  | {
      readonly type: 'EmptyDir';
      readonly shared: false;
      readonly medium: 'Disk' | 'Memory';
      readonly sizeLimit: string | undefined;
    }
  | { readonly type: 'InMemory'; readonly shared: false };

/** An entry of `expose` with its Service's name and port filled in. */
export interface ResolvedExposure extends Omit<Exposure, 'port'> {
  readonly serviceName: string;
  readonly port: number;
}

/** Everything that rendering needs; rendering looks at nothing else. Durations are milliseconds. */
export interface Resolved {
  readonly name: string;
  readonly namespace: string;
  /** `undefined` for a Registry that is not from an API server: then its children have no owner. */
  readonly uid: string | undefined;
  readonly deletionPolicy: RegistrySpec['deletionPolicy'];
  readonly image: {
    readonly reference: string;
    readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never';
    readonly pullSecrets: readonly string[];
  };
  readonly replicas: number;
  readonly storage: ResolvedStorage;
  readonly deleteEnabled: boolean;
  readonly http: {
    readonly port: number;
    readonly host: string | undefined;
    readonly prefix: string | undefined;
    readonly relativeURLs: boolean;
    readonly headers: Readonly<Record<string, readonly string[]>>;
    readonly drainTimeout: number;
    readonly catalogMaxEntries: number;
    readonly tagsMaxEntries: number;
    readonly secret: { readonly name: string; readonly key: string };
  };
  readonly health: {
    readonly storage: { readonly enabled: boolean; readonly interval: number; readonly threshold: number };
    readonly startupTimeout: number;
    readonly readinessIncludesStorage: boolean;
  };
  readonly validation: RegistrySpec['validation'];
  /** The Services, the primary one first, then by name. */
  readonly exposures: readonly ResolvedExposure[];
  readonly log: RegistrySpec['observability']['log'];
  readonly metricsEnabled: boolean;
  readonly podTemplate: PodTemplateSpec;
  readonly serviceAccount: { readonly name: string; readonly made: boolean };
  readonly extraConfig: Readonly<Record<string, unknown>>;
  /** One hash over the referenced Secrets' and ConfigMaps' values; a change rolls the Pods. */
  readonly referencedHash: string;
}

/** A Registry is either resolved or has at least one fault. */
export type Resolution = { readonly resolved: Resolved } | { readonly faults: readonly Fault[] };
