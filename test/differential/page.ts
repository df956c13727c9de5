/**
 * The list of differences on the page for people who migrate, made from the table. `node test/differential/page.ts` writes
 * it anew; the test only looks whether it is current.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { type Kind, type Known, topics } from './known.ts';

const page = new URL('../../docs/migrate-from-distribution.md', import.meta.url);
const [begin, end] = ['<!-- differences: begin (made by test/differential/page.ts) -->', '<!-- differences: end -->'];

const marks: Readonly<Record<Kind, string>> = {
  fixed: 'fixed',
  OCI: 'OCI 1.1',
  HTTP: 'RFC 9110',
  harmless: 'harmless',
};

const line = ({ says, kind }: Known): string => `- ${says} *(${marks[kind]})*`;

const list = topics
  .map(({ title, known }) => `### ${title}\n\n${[...new Set(known.map(line))].join('\n')}\n`)
  .join('\n');

/** The page as it is, and as it should be. */
export async function differencesPage(): Promise<{ readonly written: string; readonly current: string }> {
  const written = await readFile(page, 'utf8');
  const [head, rest] = written.split(begin);
  const tail = rest?.split(end)[1];
  if (tail === undefined) throw new Error(`${page.pathname} has no place for the list: ${begin} and ${end}`);
  return { written, current: `${head}${begin}\n\n${list}\n${end}${tail}` };
}

if (import.meta.main) await writeFile(page, (await differencesPage()).current);
