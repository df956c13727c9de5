import { basename } from 'node:path';
import { type BuildFailure, build, formatMessages } from 'esbuild';
import { kubeConfigOnly } from './client-node.ts';
import { ImageError } from './error.ts';
import { sourcePosition } from './source-position.ts';

/** A program in one file, and what it loads only when it is configured in files beside it. */
export interface Bundle {
  readonly code: string;
  readonly map: string;
  /** File name to content: parts that are loaded later, and their maps. They have to stand in the same folder. */
  readonly parts: ReadonlyMap<string, string>;
  /** The npm packages in it, as paths from the checkout: `node_modules/NAME`, or deeper for a nested one. */
  readonly packages: readonly string[];
  /** Files that its sources name and read at run time, as paths from the checkout. */
  readonly assets: readonly string[];
}

/** The programs of the image; the sources of each start at `PROGRAM/main.ts`. */
export const PROGRAMS = ['registry', 'operator'] as const;

/**
 * Packages in CommonJS call `require` for Node's own modules and look at `__dirname`, which a module in ESM does not have.
 */
const BANNER = [
  "import { createRequire as berthCreateRequire } from 'node:module';",
  'const require = berthCreateRequire(import.meta.url);',
  'const __filename = import.meta.filename;',
  'const __dirname = import.meta.dirname;',
].join('\n');

/**
 * Bundles a program with all it imports at the start into one ES module; what it imports later is in modules of its own, so
 * that nobody pays for the libraries of a storage that is not theirs. The source maps have no copies of the sources: a stack
 * trace needs only names and lines, and the map is held in memory once one is printed.
 *
 * @param root the checkout, with its dependencies installed
 * @throws ImageError with esbuild's messages
 */
export async function bundle(root: string, program: (typeof PROGRAMS)[number]): Promise<Bundle> {
  const assets = new Set<string>();
  const entry = `${program}/main.ts`;
  const result = await build({
    absWorkingDir: root,
    entryPoints: { [program]: entry },
    // Never written: the place decides only what the map's relative names look like.
    outdir: root,
    outExtension: { '.js': '.mjs' },
    splitting: true,
    // In the program's own folder, from which sources count the way to the files that they read.
    chunkNames: `${program}-[name]-[hash]`,
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
    // A node_modules that is a link must not show in what is made.
    preserveSymlinks: true,
    // Nor must whatever tsconfig.json is found above it.
    tsconfigRaw: { compilerOptions: { strict: true, verbatimModuleSyntax: true } },
    banner: { js: BANNER },
    logLevel: 'silent',
    plugins: [sourcePosition(root, entry, assets), kubeConfigOnly()],
  }).catch(async (error: BuildFailure) => {
    if (!Array.isArray(error.errors)) throw error;
    const messages = await formatMessages(error.errors, { kind: 'error' });
    throw new ImageError(`${program} cannot be bundled:\n${messages.join('').trimEnd()}`);
  });
  const parts = new Map(result.outputFiles.map(({ path, text }) => [basename(path), text]));
  const take = (name: string): string => {
    const text = parts.get(name);
    if (text === undefined) throw new ImageError(`esbuild gave no ${name}`);
    parts.delete(name);
    return text;
  };
  return {
    code: take(`${program}.mjs`),
    map: take(`${program}.mjs.map`),
    parts,
    packages: packagesOf(Object.keys(result.metafile.inputs)),
    assets: [...assets].sort(),
  };
}

/** `node_modules/@scope/name/lib/x.js` is of the package `node_modules/@scope/name`. */
function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.map((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}
