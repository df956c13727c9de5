import { join } from 'node:path';
import { type BuildFailure, build, formatMessages } from 'esbuild';
import { kubeConfigOnly } from './client-node.ts';
import { ImageError } from './error.ts';
import { sourcePosition } from './source-position.ts';

/** A program in one file. */
export interface Bundle {
  readonly code: string;
  readonly map: string;
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
 * Bundles a program with all it imports into one ES module and its source map. The map has no copies of the sources: a
 * stack trace needs only names and lines, and the map is held in memory once one is printed.
 *
 * @param root the checkout, with its dependencies installed
 * @throws ImageError with esbuild's messages
 */
export async function bundle(root: string, program: (typeof PROGRAMS)[number]): Promise<Bundle> {
  const assets = new Set<string>();
  const entry = `${program}/main.ts`;
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    // Never written: the place decides only what the map's relative names look like.
    outfile: join(root, `${program}.mjs`),
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
  const output = (suffix: string) => {
    const found = result.outputFiles.find(({ path }) => path.endsWith(suffix));
    if (!found) throw new ImageError(`esbuild gave no ${suffix} for ${program}`);
    return found.text;
  };
  return {
    code: output('.mjs'),
    map: output('.mjs.map'),
    packages: packagesOf(Object.keys(result.metafile.inputs)),
    assets: [...assets].sort(),
  };
}

/** `node_modules/@scope/name/lib/x.js` is of the package `node_modules/@scope/name`. */
function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.map((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}
