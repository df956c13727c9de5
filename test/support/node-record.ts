import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endSandbox, isOurs } from './node-sandbox.ts';

/** What is written down of a node in its folder, so that another process can use or remove it. */
export interface NodeRecord {
  /** Name of its control group. */
  cgroup: string;
  /** PATH of its programs. */
  path: string;
  /** Process id of its first process as seen from outside, once it has one. */
  init?: number;
  /** Process id of who starts it. */
  owner: number;
}

/** Begins the name of every folder that a test makes for its node. */
export const folderPrefix = 'berth-node-';

/** Writes the record of the node in `folder`. */
export async function writeRecord(folder: string, record: NodeRecord): Promise<void> {
  await writeFile(join(folder, 'node.json'), JSON.stringify(record));
}

/** Reads it back; `undefined` where there is no node. */
export async function readRecord(folder: string): Promise<NodeRecord | undefined> {
  const text = await readFile(join(folder, 'node.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as NodeRecord);
}

/** Removes what killed tests left of their nodes: folders and empty control groups. */
export async function sweepNodes(): Promise<void> {
  for (const entry of await readdir(tmpdir())) {
    if (!entry.startsWith(folderPrefix)) continue;
    const folder = join(tmpdir(), entry);
    const record = await readRecord(folder);
    if (!record) continue;
    const alive = await (record.init === undefined ? exists(`/proc/${record.owner}`) : isOurs(record.init, folder));
    if (!alive) await endSandbox(folder, record.cgroup, undefined);
  }
}

/** Whether a path exists. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
