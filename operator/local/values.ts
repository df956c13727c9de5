import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OperatorError } from '../error.ts';
import type { ValueReference, Variable } from './workload.ts';

/** A file that stands for a key of a Secret or ConfigMap. */
function fileOf(data: string, { kind, name, key }: ValueReference): string {
  return join(data, kind === 'Secret' ? 'secrets' : 'configmaps', name, key);
}

/**
 * The values of a workload's variables. A Secret is a folder of files below the data folder, readable by the owner alone; the one
 * that the operator makes in a cluster is made here as well, once, so that uploads go on after a restart.
 *
 * @param made the Secret that is made if it is absent
 * @throws OperatorError `usage` naming every file that is missing
 */
export async function readValues(
  data: string,
  variables: readonly Variable[],
  made: { readonly name: string; readonly key: string },
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  const missing: string[] = [];
  for (const variable of variables) {
    if (!('from' in variable)) {
      values[variable.name] = variable.value;
      continue;
    }
    const { from } = variable;
    const file = fileOf(data, from);
    if (from.kind === 'Secret' && from.name === made.name && from.key === made.key) await makeOnce(file);
    const value = await readFile(file, 'utf8').catch(absent);
    if (value === undefined)
      missing.push(`the ${from.kind} ${from.name} has no key ${from.key}: put the value into ${file}`);
    else values[variable.name] = value;
  }
  if (missing.length > 0) throw new OperatorError('usage', missing.join('\n'));
  return values;
}

async function makeOnce(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, randomBytes(32).toString('hex'), { flag: 'wx', mode: 0o600, flush: true }).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
