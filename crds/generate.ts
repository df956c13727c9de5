/**
 * `npm run generate`: writes what is derived from the custom resource definition. With `--check` it writes nothing and fails
 * when a file is not what it would write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { readRegistrySchema } from '../operator/api/schema.ts';
import { registryReference } from './reference.ts';
import { registryTypes } from './types.ts';

const schema = readRegistrySchema();
const files = [
  { url: new URL('../operator/api/types.ts', import.meta.url), text: await registryTypes(schema) },
  { url: new URL('../docs/registry-resource.md', import.meta.url), text: registryReference(schema) },
];

for (const { url, text } of files) {
  if (!process.argv.includes('--check')) writeFileSync(url, text);
  else if (readFileSync(url, 'utf8') !== text) {
    console.error(`${url.pathname} is not what crds/ says; run: npm run generate`);
    process.exitCode = 1;
  }
}
