import type { Schema } from './schema.ts';

type Json = Record<string, unknown>;

/**
 * A structural schema as JSON Schema for a validator that knows nothing of Kubernetes: the extensions become ordinary
 * keywords, and a field that is not known is an error, as under `kubectl apply --validate=strict`.
 */
export function jsonSchema(schema: Schema, path = ''): Json {
  if (path === 'metadata') return { type: 'object', required: ['name'], properties: { name: { type: 'string' } } };
  if (schema['x-kubernetes-int-or-string']) return intOrString(schema);
  const json: Json = {};
  for (const [key, value] of Object.entries(schema)) {
    if (!key.startsWith('x-kubernetes-') && key !== 'description' && key !== 'format') json[key] = value;
  }
  if (schema.items) json['items'] = jsonSchema(schema.items, `${path}[]`);
  if (schema.additionalProperties) json['additionalProperties'] = jsonSchema(schema.additionalProperties, `${path}{}`);
  if (schema.properties) {
    const below = (name: string) => (path ? `${path}.${name}` : name);
    json['properties'] = Object.fromEntries(
      Object.entries(schema.properties).map(([name, child]) => [name, jsonSchema(child, below(name))]),
    );
    if (!schema['x-kubernetes-preserve-unknown-fields']) json['additionalProperties'] = false;
  }
  return json;
}

/** The bounds of a string do not hold for a number, in Kubernetes as in JSON Schema. */
function intOrString({ maxLength, pattern }: Schema): Json {
  return { type: ['integer', 'string'], ...(maxLength && { maxLength }), ...(pattern && { pattern }) };
}
