/** Every sample configuration of the documentation is read as it stands, and each storage has a page that names its own. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../registry/config/load.ts';

const docs = new URL('../../docs/', import.meta.url).pathname;
const samples = globSync('samples/*.yml', { cwd: docs }).sort();

test('there are samples', () => {
  assert.ok(samples.length >= 3, `only ${samples.length} files were read`);
});

for (const sample of samples) {
  test(`docs/${sample} has no fault and no warning`, async () => {
    const { warnings } = await loadConfig(join(docs, sample), {});
    assert.deepEqual(warnings, []);
  });

  test(`docs/${sample} is named by a page`, () => {
    const pages = globSync('*.md', { cwd: docs }).map((page) => readFileSync(join(docs, page), 'utf8'));
    assert.ok(pages.some((page) => page.includes(`samples/${basename(sample)}`)));
  });
}
