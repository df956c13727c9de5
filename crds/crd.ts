import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';

/** A node of a structural schema, as far as the programs here look at it. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly Rule[];
}

/** A CEL rule of a schema. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly reason: string;
  readonly fieldPath?: string;
}

interface Crd {
  readonly spec: {
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

const FILE = new URL('berth.dev_registries.yaml', import.meta.url);

/** The schema of the only version of the Registry resource. */
export function readRegistrySchema(): Schema {
  const crd = load(readFileSync(FILE, 'utf8')) as Crd;
  const version = crd.spec.versions[0];
  if (version === undefined) throw new Error(`${FILE.pathname} has no version`);
  return version.schema.openAPIV3Schema;
}
