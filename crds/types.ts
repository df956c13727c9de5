import { compile, type JSONSchema } from 'json-schema-to-typescript';
import type { Schema } from '../operator/api/schema.ts';

const BANNER = `// Generated from crds/berth.dev_registries.yaml by \`npm run generate\`. Do not edit.
import type { ObjectMeta } from './metadata.ts';

`;

/** Places in the schema whose type gets a name of its own; all others stand in line. */
const NAMES: Readonly<Record<string, string>> = {
  '.spec': 'RegistrySpec',
  '.spec.image': 'ImageSpec',
  '.spec.storage': 'StorageSpec',
  '.spec.storage.persistentVolume': 'PersistentVolumeSpec',
  '.spec.storage.persistentVolume.claimTemplate': 'ClaimTemplate',
  '.spec.http': 'HttpSpec',
  '.spec.health': 'HealthSpec',
  '.spec.validation': 'ValidationSpec',
  '.spec.expose[]': 'Exposure',
  '.spec.observability': 'ObservabilitySpec',
  '.spec.podTemplate': 'PodTemplateSpec',
  '.spec.podTemplate.extraEnv[]': 'EnvironmentVariable',
  '.status': 'RegistryStatus',
  '.status.conditions[]': 'Condition',
  '.status.endpoints[]': 'Endpoint',
};

/**
 * The TypeScript types of a Registry as the API server returns it: what has a default is always there.
 */
export async function registryTypes(schema: Schema): Promise<string> {
  const text = await compile(plain(schema, ''), 'Registry', {
    bannerComment: '',
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    unknownAny: true,
    style: { singleQuote: true, printWidth: 120 },
  });
  return BANNER + text;
}

/** The schema as JSON Schema without Kubernetes' extensions, and with what is defaulted marked as required. */
function plain(schema: Schema, path: string): JSONSchema {
  const title = NAMES[path];
  const base: JSONSchema = { ...(title && { title }), ...(schema.description && { description: schema.description }) };
  if (path === '.metadata') return { tsType: 'ObjectMeta' };
  if (schema['x-kubernetes-int-or-string']) return { ...base, type: ['integer', 'string'] };
  if (schema['x-kubernetes-preserve-unknown-fields']) return { ...base, type: 'object', additionalProperties: true };
  if (schema.items) return { ...base, type: 'array', items: plain(schema.items, `${path}[]`) };
  if (schema.additionalProperties) {
    return { ...base, type: 'object', additionalProperties: plain(schema.additionalProperties, `${path}{}`) };
  }
  if (schema.properties === undefined) {
    return { ...base, ...(schema.enum ? { enum: [...schema.enum] } : { type: schema.type as 'string' }) };
  }
  const properties = Object.entries(schema.properties);
  const always = path === '' ? ['apiVersion', 'kind', 'metadata'] : [];
  return {
    ...base,
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties.map(([name, child]) => [name, plain(child, `${path}.${name}`)])),
    required: properties
      .filter(
        ([name, child]) => always.includes(name) || schema.required?.includes(name) || child.default !== undefined,
      )
      .map(([name]) => name),
  };
}
