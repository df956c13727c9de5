import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** An npm package whose code is part of a bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
}

/**
 * Lists the bundled packages and gathers their licences, which go with every copy of their code.
 *
 * @param root the checkout
 * @param folders the packages, as paths from it
 */
export async function thirdParty(
  root: string,
  folders: readonly string[],
): Promise<{ packages: BundledPackage[]; licenses: string }> {
  const found = new Map<string, { name: string; version: string; text: string }>();
  for (const folder of folders) {
    const manifest = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
    };
    const { name, version, license = 'see the package' } = manifest;
    const files = (await readdir(join(root, folder)))
      .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
      .sort();
    const texts = await Promise.all(files.map((file) => readFile(join(root, folder, file), 'utf8')));
    const body = texts.map((text) => text.replaceAll('\r\n', '\n').trim()).join('\n\n');
    found.set(`${name}@${version}`, { name, version, text: `${name} ${version} (${license})\n\n${body}`.trimEnd() });
  }
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const line = `\n\n${'-'.repeat(80)}\n\n`;
  return {
    packages: sorted.map(({ name, version }) => ({ name, version })),
    licenses: `${sorted.map(({ text }) => text).join(line)}\n`,
  };
}
