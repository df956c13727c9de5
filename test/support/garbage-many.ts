/** Collecting garbage from trees of many blobs, with an eye on memory. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRawTree, imageOf } from './raw-tree.ts';
import { peakMemory } from './registry-process.ts';

const program = new URL('../../registry/main.ts', import.meta.url).pathname;

export interface Planted {
  readonly blobs: number;
  readonly manifests: number;
  /** Content without a tag, manifests included. */
  readonly garbage: number;
}

/** Images of nine layers, four of ten without a tag, a thousand blobs in each repository. */
export function plantMany(root: string, blobs: number): Planted {
  const tree = createRawTree(root);
  const perImage = 11;
  const images = Math.ceil(blobs / perImage);
  let untagged = 0;
  for (let number = 0; number < images; number++) {
    const name = `team${number % 7}/app${Math.floor(number / 90)}`;
    const blob = (part: number) => tree.blob(name, `${number} ${part}`);
    const isTagged = number % 10 < 6;
    if (!isTagged) untagged++;
    const layers = Array.from({ length: perImage - 2 }, (_, part) => blob(part));
    tree.manifest(name, isTagged ? `v${number}` : undefined, imageOf(blob(-1), layers));
  }
  return { blobs: images * perImage, manifests: images, garbage: untagged * perImage };
}

export interface Collected {
  readonly peak: number;
  readonly summary: {
    readonly marked: number;
    readonly eligible: { readonly blobs: number; readonly manifests: number; readonly layerLinks: number };
    readonly deleted: { readonly blobs: number; readonly manifests: number };
    readonly seconds: number;
  };
}

/** Runs the command, its heap held to `heap` MiB. The peak is of the whole process, in MiB. */
export async function collectMany(root: string, heap: number, ...flags: readonly string[]): Promise<Collected> {
  const config = join(root, 'config.json');
  await writeFile(
    config,
    JSON.stringify({ version: '0.1', log: { level: 'warn' }, storage: { filesystem: { rootdirectory: root } } }),
  );
  const args = [
    `--max-old-space-size=${heap}`,
    '--max-semi-space-size=8',
    program,
    'garbage-collect',
    '-m',
    '-o',
    'json',
  ];
  const child = spawn(process.execPath, [...args, ...flags, config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr = (stderr + chunk).slice(-10_000);
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let peak = 0;
  for (let isOver = false; !isOver; ) {
    // The peak is the kernel's own, so it need not be caught in the act.
    peak = Math.max(peak, (await peakMemory(child.pid ?? 0).catch(() => 0)) || 0);
    isOver = await Promise.race([ended.then(() => true), sleep(50, false)]);
  }
  assert.equal(await ended, 0, stderr);
  return { peak, summary: JSON.parse(stdout) as Collected['summary'] };
}

/** Everything is as it should be after a run that deleted. */
export function assertCollected(root: string, planted: Planted, { summary }: Collected): void {
  assert.equal(summary.marked, planted.blobs - planted.garbage);
  assert.equal(summary.deleted.blobs, planted.garbage);
  const left = globSync('docker/registry/v2/blobs/sha256/*/*/data', { cwd: root });
  assert.equal(left.length, planted.blobs - planted.garbage);
}
