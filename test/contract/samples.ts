import { readdirSync, readFileSync } from 'node:fs';
import { load } from 'js-yaml';

/** A Registry in a file. */
export interface Sample {
  readonly name: string;
  readonly text: string;
  readonly object: unknown;
  /** The comments `# key: value` at its head. */
  readonly notes: Readonly<Record<string, string>>;
}

/** The samples of a folder of the repository; none at all is an error. */
export function samplesIn(folder: string): readonly Sample[] {
  const root = new URL(`../../${folder}/`, import.meta.url);
  const files = readdirSync(root).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
  if (files.length === 0) throw new Error(`${folder} holds no sample`);
  return files.sort().map((name) => {
    const text = readFileSync(new URL(name, root), 'utf8');
    const notes = [...text.matchAll(/^# (\w+): (.*)$/gm)].map(([, key = '', value = '']) => [key, value]);
    return { name, text, object: load(text), notes: Object.fromEntries(notes) };
  });
}
