/**
 * `docs/configuration.md` is made from the very table that the reader reads by. `UPDATE=1 node --test` on this file writes it anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { everyKey, type Key } from './schema.ts';

const file = join(import.meta.dirname, '../../../docs/configuration.md');

const INTRODUCTION = `# Configuration

The registry reads one YAML file in the format of CNCF Distribution, and then the environment. The file is the one that the command
names (\`registry serve FILE\`), else the one that \`REGISTRY_CONFIGURATION_PATH\` names, else \`/etc/distribution/config.yml\`, else
\`/etc/docker/registry/config.yml\`. Every fault is reported at once, with the key's path and what to write instead; unknown keys are
warned about, with the nearest known one, and ignored.

\`registry config check FILE\` prints what the registry makes of it, defaults filled in, environment applied and secrets left out, as YAML
(\`-o json\`: JSON). Warnings go to standard error. Keys and certificates that it names are read. It ends with 1 if the configuration
keeps the registry from starting; the storage is not asked.

A duration is a text such as \`10s\` or \`1h30m\`; a bare integer means nanoseconds. Parameters of a storage driver also take numbers
and truth values as texts (\`"true"\`, \`"10485760"\`).

\`REGISTRY_*\` variables override the file. The name follows the levels of the key, joined by \`_\`; the value is YAML, so lists and
maps can be set too (\`REGISTRY_HTTP_HEADERS='{X-Frame-Options: [DENY]}'\`). Variables apply in the order of their names: the variable of a
whole section replaces it, deeper ones then change it. Elements of a list have their index (\`…_PLATFORMLIST_0_OS\`,
\`REGISTRY_REDIS_ADDRS_0\`), the next free one appends. The variables that Kubernetes sets for a Service called \`registry…\` are
recognised, ignored and reported; set \`enableServiceLinks: false\` in the Pod.

\`storage\` holds exactly one driver; \`storage: inmemory\` is short for a driver without parameters. \`[]\` in a key's name stands for each
element of a list, \`N\` in a variable's for its index.

| Key | Default | Value | Meaning | Variable |
|---|---|---|---|---|
`;

const OLDER = `
## Older names

Still read, for files of other versions. Where both names are written, the newer one counts.

| Key | Now | Variable |
|---|---|---|
`;

const LATER = `
## Known keys that this version does not act on

They are accepted and checked, so that a file written for Distribution starts. "Warning": the key is reported once and has no effect.
"Fault": the registry does not start, because the key protects something and leaving it out silently would leave that open.

| Key | What happens | Meaning | What to do | Variable |
|---|---|---|---|---|
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => (text === '' ? '' : `\`${text}\``);
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |\n`;

function document(keys: readonly Key[]): string {
  let current = '';
  let older = '';
  let later = '';
  for (const { path, variable, spec, unbuilt } of keys) {
    if (spec.olderNameOf !== undefined) {
      older += row(code(path), code(newerName(path, spec.olderNameOf)), code(variable));
    } else if (unbuilt !== undefined) {
      const what = unbuilt.severity === 'fault' ? 'Fault' : 'Warning';
      later += row(code(path), what, spec.doc, unbuilt.remedy, code(variable));
    } else {
      // The format's version is the file's own.
      current += row(code(path), code(spec.default), spec.type, spec.doc, path === 'version' ? '' : code(variable));
    }
  }
  return INTRODUCTION + current + OLDER + older + LATER + later;
}

/** A name with dots is the whole path. */
const newerName = (path: string, name: string): string =>
  name.includes('.') ? name : [...path.split('.').slice(0, -1), name].join('.');

test('docs/configuration.md lists every key of the reader, with its default, meaning and variable', () => {
  const expected = document(everyKey());
  if (process.env['UPDATE'] === '1') writeFileSync(file, expected);
  assert.equal(
    readFileSync(file, 'utf8'),
    expected,
    'run: UPDATE=1 node --test test/registry/config/reference.test.ts',
  );
});
