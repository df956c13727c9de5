import { rulesOf, type Schema } from '../operator/api/schema.ts';

const HEAD = `<!-- Generated from crds/berth.dev_registries.yaml by \`npm run generate\`. Do not edit. -->

# The Registry resource

\`apiVersion: berth.dev/v1alpha1\`, \`kind: Registry\`, plural \`registries\`, short name \`reg\`. It is namespaced and has a status and
a scale subresource. The shortest one:

\`\`\`yaml
apiVersion: berth.dev/v1alpha1
kind: Registry
metadata:
  name: trial
spec:
  storage:
    type: EmptyDir
\`\`\`

\`operator render -f FILE\` checks a file without a cluster, reports unknown fields with their place and prints what the operator
would apply. \`kubectl explain registry.spec --recursive\` shows the same text as below. A field in **bold** is required.
`;

/** The reference of the resource as Markdown: a table of fields and the rules that hold between them. */
export function registryReference(schema: Schema): string {
  const sections = ['spec', 'status'].flatMap((name) => {
    const part = schema.properties?.[name];
    return part ? [section(name, part)] : [];
  });
  return `${HEAD}\n${sections.join('\n')}\n${rules(schema)}`;
}

function section(name: string, schema: Schema): string {
  const rows = fields(schema, name);
  return `## ${name}\n\n| field | type | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function fields(schema: Schema, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const place = `${path}.${name}`;
    const label = schema.required?.includes(name) ? `**\`${place}\`**` : `\`${place}\``;
    const row = `| ${label} | ${type(child)} | ${fallback(child)} | ${child.description ?? ''} |`;
    return [row, ...(child.items ? fields(child.items, `${place}[]`) : fields(child, place))];
  });
}

function type(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema['x-kubernetes-preserve-unknown-fields']) return 'any object';
  if (schema['x-kubernetes-int-or-string']) return 'integer or string';
  if (schema.items) return list(schema);
  if (schema.additionalProperties)
    return `map of ${type(schema.additionalProperties)}, at most ${schema.maxProperties}`;
  if (schema.type === 'integer') return range(schema);
  return schema.type ?? 'any';
}

function list(schema: Schema): string {
  const keys = schema['x-kubernetes-list-map-keys'];
  return `list of ${type(schema.items ?? {})}, at most ${schema.maxItems}${keys ? `, by ${keys.join(' and ')}` : ''}`;
}

function range(schema: Schema): string {
  if (schema.minimum === undefined || schema.maximum === undefined) return 'integer';
  return schema.maximum > 0xffffffff ? 'integer' : `integer, ${schema.minimum} to ${schema.maximum}`;
}

function fallback(schema: Schema): string {
  return schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
}

function rules(schema: Schema): string {
  const rows = rulesOf(schema).map(({ path, rule }) => `| \`${path || 'Registry'}\` | ${rule.message} |`);
  return `## Rules\n\nThe API server refuses a resource that breaks one of these.\n\n| place | rule |\n|---|---|\n${rows.join('\n')}\n`;
}
