import { Ajv, type ErrorObject } from 'ajv';
import { compileRule } from './cel.ts';
import { jsonSchema } from './jsonschema.ts';
import { isTransition, type Rule, type Schema } from './schema.ts';
import type { Registry } from './types.ts';

/** Something in a file that the API server would refuse. */
export interface Problem {
  /** Where, such as `spec.expose[0].nodePort`. */
  readonly path: string;
  readonly message: string;
}

/** A Registry as the API server would return it, or what it would refuse. */
export type Validation = { readonly registry: Registry } | { readonly problems: readonly Problem[] };

/**
 * Checks a Registry without an API server, by the same definition: structure, bounds, fields that are not known (as
 * `--validate=strict` reports them), duplicates in lists, and the CEL rules. Defaults are filled in. Rules that compare with
 * the object before the change say nothing about a file and are left to the API server.
 */
export function createValidator(schema: Schema): (object: unknown) => Validation {
  const ajv = new Ajv({ allErrors: true, useDefaults: true, verbose: true, strict: true, allowUnionTypes: true });
  const check = ajv.compile<Registry>(jsonSchema(schema));
  const rules = compileRules(schema);
  return (object) => {
    const kind = kindProblem(object);
    if (kind) return { problems: [kind] };
    const registry = withoutNulls(object, schema) as Record<string, unknown>;
    delete registry['status']; // as on create: only the status subresource writes it
    if (!check(registry)) return { problems: (check.errors ?? []).map(structural) };
    const problems = [...duplicates(registry, schema, ''), ...broken(registry, schema, rules, '')];
    return problems.length > 0 ? { problems } : { registry };
  };
}

function kindProblem(object: unknown): Problem | undefined {
  const { apiVersion, kind } = (typeof object === 'object' && object !== null ? object : {}) as Record<string, unknown>;
  if (kind !== 'Registry')
    return { path: 'kind', message: `must be Registry, not ${JSON.stringify(kind) ?? 'absent'}` };
  if (apiVersion === 'berth.dev/v1alpha1') return undefined;
  return { path: 'apiVersion', message: `must be berth.dev/v1alpha1, not ${JSON.stringify(apiVersion) ?? 'absent'}` };
}

/** A deep copy without nulls: the API server drops them before it fills in defaults. What is free-form keeps them. */
function withoutNulls(value: unknown, schema: Schema | undefined): unknown {
  if (schema?.['x-kubernetes-preserve-unknown-fields']) return structuredClone(value);
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, schema?.items));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, child]) => child !== null)
      .map(([key, child]) => [key, withoutNulls(child, schema?.properties?.[key] ?? schema?.additionalProperties)]),
  );
}

function structural({ instancePath, keyword, params, message, parentSchema, data }: ErrorObject): Problem {
  const path = pathOf(instancePath);
  const below = (name: string) => (path ? `${path}.${name}` : name);
  switch (keyword) {
    case 'additionalProperties': {
      const known = Object.keys((parentSchema as Schema).properties ?? {});
      return { path: below(params['additionalProperty']), message: `unknown field; known are ${known.join(', ')}` };
    }
    case 'required':
      return { path: below(params['missingProperty']), message: 'is required' };
    case 'enum':
      return { path, message: `must be one of ${params['allowedValues'].join(', ')}, not ${JSON.stringify(data)}` };
    default:
      return { path, message: message ?? `breaks ${keyword}` };
  }
}

/** `/spec/expose/0/name` as `spec.expose[0].name`. */
function pathOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path ? `${path}.${part}` : part), '');
}

/** Entries of a list that stand there twice, by the list's type (structured-merge-diff, "set" and "map"). */
function duplicates(value: unknown, schema: Schema, path: string): Problem[] {
  const type = schema['x-kubernetes-list-type'];
  const problems: Problem[] = [];
  if (Array.isArray(value) && (type === 'set' || type === 'map')) {
    const keys = schema['x-kubernetes-list-map-keys'];
    const seen = new Set<string>();
    for (const [index, item] of value.entries()) {
      const key = JSON.stringify(keys ? keys.map((name) => (item as Record<string, unknown>)[name]) : item);
      if (seen.has(key)) problems.push({ path: `${path}[${index}]`, message: `stands there twice: ${key}` });
      seen.add(key);
    }
  }
  return [...problems, ...children(value, schema, path).flatMap((child) => duplicates(...child))];
}

type CompiledRules = ReadonlyMap<Rule, (self: unknown) => boolean>;

function compileRules(schema: Schema): CompiledRules {
  const compiled = new Map<Rule, (self: unknown) => boolean>();
  const visit = (node: Schema): void => {
    for (const rule of node['x-kubernetes-validations'] ?? []) {
      if (!isTransition(rule)) compiled.set(rule, compileRule(rule.rule));
    }
    for (const child of Object.values(node.properties ?? {})) visit(child);
    if (node.items) visit(node.items);
  };
  visit(schema);
  return compiled;
}

function broken(value: unknown, schema: Schema, rules: CompiledRules, path: string): Problem[] {
  const own = (schema['x-kubernetes-validations'] ?? []).flatMap((rule) => {
    const holds = rules.get(rule);
    if (holds === undefined || holds(value)) return [];
    return [{ path: `${path}${rule.fieldPath ?? ''}`, message: rule.message }];
  });
  return [
    ...own,
    ...children(value, schema, path).flatMap(([child, below, place]) => broken(child, below, rules, place)),
  ];
}

/** What stands below a value, each with its schema and its place. */
function children(value: unknown, schema: Schema, path: string): [unknown, Schema, string][] {
  const { items } = schema;
  if (Array.isArray(value)) return items ? value.map((item, index) => [item, items, `${path}[${index}]`]) : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]): [unknown, Schema, string][] => {
    const below = schema.properties?.[key];
    return below ? [[child, below, path ? `${path}.${key}` : key]] : [];
  });
}
