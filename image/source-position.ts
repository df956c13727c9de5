import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path/posix';
import type { Plugin } from 'esbuild';
import { ImageError } from './error.ts';

/**
 * An esbuild plugin that lets our own sources find files beside them from inside a bundle. In a bundle `import.meta` speaks
 * of the bundle; this gives each source the address that it would have if the checkout stood where the bundle stands, so
 * that `../../crds/x.yaml` is right in both.
 *
 * @param root the checkout
 * @param entry the program's main source, the only one for which `import.meta.main` holds
 * @param assets receives what sources name as `new URL('…', import.meta.url)`: paths from the root that must be in the image
 */
export function sourcePosition(root: string, entry: string, assets: Set<string>): Plugin {
  return {
    name: 'source-position',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = relative(root, path);
        if (source.split('/').includes('node_modules')) return undefined;
        const text = await readFile(path, 'utf8');
        const unknown = /import\.meta\.(?!url\b|dirname\b|main\b)\w+/.exec(text);
        if (unknown) throw new ImageError(`${source}: ${unknown[0]} is not carried over into the image's bundle`);
        for (const [, name = ''] of text.matchAll(/new URL\(\s*'(\.[^']*)',\s*import\.meta\.url,?\s*\)/g)) {
          assets.add(join(dirname(source), name));
        }
        const url = (place: string) => `new URL(${JSON.stringify(place)}, import.meta.url)`;
        const contents = text
          .replaceAll(/\bimport\.meta\.url\b/g, `${url(source)}.href`)
          .replaceAll(/\bimport\.meta\.dirname\b/g, `${url(dirname(source))}.pathname`)
          .replaceAll(/\bimport\.meta\.main\b/g, String(source === entry));
        return { contents, loader: 'ts' };
      });
    },
  };
}
