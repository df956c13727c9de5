import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ImageError } from './error.ts';
import { updateInputs } from './fetch.ts';
import { readLock, writeLock } from './inputs.ts';
import { makeImage } from './make.ts';

const USAGE = `Builds Berth's image for amd64 and arm64, without a container engine.

Usage: node image/build.ts [--out DIR] [--fresh]
       node image/build.ts --update

  --out DIR   where image/ (an OCI layout) and berth-ARCH.tar are put; default: out/
  --fresh     compress every layer anew instead of taking it from the cache
  --update    take the newest Debian packages and the pinned Node, write image/inputs.lock.json, then build

Environment: BERTH_TOOLS (the cache; default ~/.cache/berth), BERTH_APT_SOURCES (a file of apt sources to use instead of
the machine's own)
`;

const root = resolve(fileURLToPath(import.meta.url), '../..');

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(root, 'out') },
      fresh: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    devDependencies: { node: string };
  };
  const node = manifest.devDependencies.node;
  if (process.versions.node !== node) {
    throw new ImageError(
      `this is Node ${process.versions.node}; the image is built by the pinned ${node}, whose zlib decides its digest: run make image`,
    );
  }
  const options = {
    root,
    out: resolve(values.out),
    fresh: values.fresh,
    cache: join(process.env['BERTH_TOOLS'] || join(homedir(), '.cache', 'berth'), 'image-inputs'),
    sources: process.env['BERTH_APT_SOURCES'] || undefined,
    signal,
    progress: (line: string) => void process.stderr.write(`image: ${line}\n`),
  };
  const lockPath = join(root, 'image/inputs.lock.json');
  if (values.update) {
    const today = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
    await writeLock(lockPath, await updateInputs(node, today, options));
  }
  const { name, version } = manifest;
  const made = await makeImage({ name, version }, await readLock(lockPath, node), options);
  for (const [architecture, bytes] of made.sizes) {
    const path = relative(process.cwd(), join(options.out, `berth-${architecture}.tar`));
    process.stdout.write(`${path}  ${(bytes / 1e6).toFixed(1)} MB compressed\n`);
  }
  process.stdout.write(`${relative(process.cwd(), join(options.out, 'image'))}  ${made.name}@${made.digest}\n`);
}

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interrupted.abort(new ImageError(`ended by ${name}`)));
}
try {
  await main(interrupted.signal);
} catch (error) {
  const known = error instanceof ImageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`image: ${known ? (error as Error).message : (error as Error).stack}\n`);
  process.exitCode = 1;
}
