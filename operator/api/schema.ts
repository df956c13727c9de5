import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';

/** A node of a structural schema, as far as this program looks at it. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
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
  /** Below the object that carries the rule, with a leading dot. */
  readonly fieldPath?: string;
}

interface CustomResourceDefinition {
  readonly spec: {
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** The bundles of the image are built so that this holds in them as well. */
const PLACE = new URL('../../crds/berth.dev_registries.yaml', import.meta.url);

/** The schema of the only version of the Registry resource, from the definition that the API server gets as well. */
export function readRegistrySchema(): Schema {
  const definition = load(readFileSync(PLACE, 'utf8')) as CustomResourceDefinition;
  const version = definition.spec.versions[0];
  if (version === undefined) throw new Error(`${PLACE.pathname} has no version`);
  return version.schema.openAPIV3Schema;
}

/** A rule and the place of the object that it is about, such as `spec.expose[]`; empty for the whole resource. */
export interface PlacedRule {
  readonly path: string;
  readonly rule: Rule;
}

/** Each CEL rule of a schema, from the top down. */
export function rulesOf(schema: Schema, path = ''): PlacedRule[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map((rule) => ({ path, rule }));
  const properties = Object.entries(schema.properties ?? {});
  return [
    ...own,
    ...properties.flatMap(([name, child]) => rulesOf(child, path ? `${path}.${name}` : name)),
    ...(schema.items ? rulesOf(schema.items, `${path}[]`) : []),
  ];
}

/** Whether a rule compares with the object before the change; such a rule says nothing about a file. */
export function isTransition({ rule }: Rule): boolean {
  return /\boldSelf\b/.test(rule);
}
