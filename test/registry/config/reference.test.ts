/**
 * `docs/configuration.md` is made from the very table that the reader reads by. `UPDATE=1 node --test` on this file writes it anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Keys, Shape, Spec } from '../../../registry/config/check.ts';
import { rootKeys } from '../../../registry/config/read.ts';

const file = join(import.meta.dirname, '../../../docs/configuration.md');

const INTRODUCTION = `# Configuration

The registry reads one YAML file (\`registry serve FILE\`, or the file that \`REGISTRY_CONFIGURATION_PATH\` names) in the format of
CNCF Distribution, and then the environment. Every fault is reported at once, with the key's path and what to write instead; unknown
keys are warned about and ignored. A duration is a text such as \`10s\` or \`1h30m\`; a bare integer means nanoseconds.

\`REGISTRY_*\` variables override the file. The name follows the levels of the key, joined by \`_\`; the value is YAML, so lists and
maps can be set too (\`REGISTRY_HTTP_HEADERS='{X-Frame-Options: [DENY]}'\`). Variables apply in the order of their names: the variable of a
whole section replaces it, deeper ones then change it. Elements of a list have their index (\`…_PLATFORMLIST_0_OS\`), the next free
one appends. The variables that Kubernetes sets for a Service called \`registry…\` are recognised, ignored and reported; set
\`enableServiceLinks: false\` in the Pod.

\`storage\` holds exactly one driver; \`storage: inmemory\` is short for a driver without parameters.

| Key | Default | Value | Meaning | Variable |
|---|---|---|---|---|
`;

const LATER = `
## Known keys that this version does not act on

They are accepted, so that a file written for Distribution starts. "Warning": the key is reported once and has no effect. "Fault": the
registry does not start, because the key protects something and leaving it out silently would leave that open.

| Key | What happens | Meaning | What to do | Variable |
|---|---|---|---|---|
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => (text === '' ? '' : `\`${text}\``);
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |\n`;

interface Tables {
  keys: string;
  later: string;
}

function describe(keys: Keys, path: string, variable: string, tables: Tables): void {
  for (const [name, spec] of Object.entries(keys)) {
    const key = path === '' ? name : `${path}.${name}`;
    const env = `${variable}_${spec.env ?? name.toUpperCase()}`;
    const inner = innerKeys(spec.shape);
    if (spec.unbuilt !== undefined) {
      const what = spec.unbuilt === 'fault' ? 'Fault' : 'Warning';
      tables.later += row(code(key), what, spec.doc, (spec as { remedy?: string }).remedy ?? '', code(env));
    } else if (inner === undefined || Object.keys(inner).length === 0) {
      const isVersion = key === 'version';
      tables.keys += row(code(key), code(spec.default), spec.type, spec.doc, isVersion ? '' : code(env));
    } else describe(inner, key, env, tables);
  }
}

function innerKeys(shape: Shape): Keys | undefined {
  return shape.kind === 'section' || shape.kind === 'map' ? shape.keys : undefined;
}

function document(keys: Readonly<Record<string, Spec<unknown>>>): string {
  const tables: Tables = { keys: '', later: '' };
  describe(keys, '', 'REGISTRY', tables);
  return INTRODUCTION + tables.keys + LATER + tables.later;
}

test('docs/configuration.md lists every key of the reader, with its default, meaning and variable', () => {
  const expected = document(rootKeys);
  if (process.env['UPDATE'] === '1') writeFileSync(file, expected);
  assert.equal(
    readFileSync(file, 'utf8'),
    expected,
    'run: UPDATE=1 node --test test/registry/config/reference.test.ts',
  );
});
