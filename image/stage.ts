/**
 * Writes the image's top layer into a folder, for the Dockerfile: `node image/stage.ts DIR`.
 */
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { berthLayer } from './berth-layer.ts';
import { ImageError } from './error.ts';

const root = resolve(fileURLToPath(import.meta.url), '../..');

try {
  const target = process.argv[2];
  if (target === undefined) throw new ImageError('usage: node image/stage.ts DIR');
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
  };
  for (const [path, entry] of (await berthLayer(root, { name, version })).tree) {
    const place = join(target, path);
    await mkdir(dirname(place), { recursive: true });
    if (entry.kind === 'link') await symlink(entry.target, place);
    else if (entry.kind === 'file' && Buffer.isBuffer(entry.content)) {
      await writeFile(place, entry.content);
      await chmod(place, entry.mode);
    }
  }
} catch (error) {
  process.stderr.write(`stage: ${error instanceof ImageError ? error.message : (error as Error).stack}\n`);
  process.exitCode = 1;
}
