import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { debFields, unpackDeb } from './debian.ts';
import { cached } from './fetch.ts';
import { type Architecture, type Input, inputsOf, type Lock } from './inputs.ts';
import { directory, type Entry, file, link, merge, readTree, type Tree } from './tree.ts';

/**
 * The lowest layer: Debian's C and C++ libraries, certificates, time zones and licences, the accounts, and the folders
 * that a program expects. It changes only with `--update`.
 *
 * @param scratch a folder to unpack into
 */
export async function baseLayer(
  lock: Lock,
  architecture: Architecture,
  options: { cache: string; scratch: string; rootfs: string; signal: AbortSignal },
): Promise<Tree> {
  const layer: Tree = new Map<string, Entry>([
    ...MERGED.filter((name) => name !== 'lib64' || architecture === 'amd64').map(
      (name) => [name, link(`usr/${name}`)] as const,
    ),
    ...['dev', 'proc', 'sys', 'run', 'usr/bin', 'usr/sbin', 'usr/lib'].map((path) => [path, directory()] as const),
    ['root', directory(0o700)],
    ['tmp', directory(0o1777)],
    ['var/tmp', directory(0o1777)],
    ['var/lib/registry', directory(0o755, 65532)],
    // What the pinned Node's OpenSSL reads by default.
    ['etc/ssl/cert.pem', link('certs/ca-certificates.crt')],
  ]);
  for (const input of inputsOf(lock, architecture).filter(({ type }) => type === 'deb')) {
    const deb = cached(options.cache, input);
    const folder = join(options.scratch, `${input.name}-${architecture}`);
    await unpackDeb(deb, folder, options.signal);
    const fields = await debFields(deb, options.signal);
    // One control file a package is where scanners of images without dpkg look for what is installed.
    layer.set(`var/lib/dpkg/status.d/${input.name}`, file(fields.text));
    for (const [path, entry] of await packageFiles(input, folder)) layer.set(path, entry);
    if (input.name === 'ca-certificates')
      layer.set('etc/ssl/certs/ca-certificates.crt', file(await certificates(folder)));
    await rm(folder, { recursive: true });
  }
  const accounts = await readTree(options.rootfs, (path) => (/^etc\/[^/]+$/.test(path) ? path : undefined));
  return merge(layer, accounts);
}

/** Folders that are links into `usr`, as on an installed Debian; packages of this release still carry files below them. */
const MERGED: readonly string[] = ['bin', 'sbin', 'lib', 'lib64'];

/** What the image takes from each package, beside its copyright. */
const WANTED: Readonly<Record<string, RegExp>> = {
  'base-files': /^(usr\/lib\/os-release|etc\/os-release|etc\/debian_version|usr\/share\/common-licenses\/.*)$/,
  libc6: /^usr\/lib(64)?\/([^/]+-linux-gnu\/)?[^/]+\.so[.\d]*$/,
  'libgcc-s1': /\/libgcc_s\.so/,
  'libstdc++6': /\/libstdc\+\+\.so[.\d]*$/,
  // `right/` counts leap seconds, which nothing here wants.
  tzdata: /^usr\/share\/zoneinfo\/(?!right\/)/,
};

function packageFiles(input: Input, folder: string): Promise<Tree> {
  return readTree(folder, (path) => {
    const top = path.split('/')[0] ?? '';
    const merged = MERGED.includes(top) ? `usr/${path}` : path;
    const copyright = merged === `usr/share/doc/${input.name}` || merged === `usr/share/doc/${input.name}/copyright`;
    return copyright || WANTED[input.name]?.test(merged) ? merged : undefined;
  });
}

/** The package holds single certificates; the one file that programs read is made on installation, in this order. */
async function certificates(folder: string): Promise<string> {
  const mozilla = join(folder, 'usr/share/ca-certificates/mozilla');
  const names = (await readdir(mozilla)).filter((name) => name.endsWith('.crt')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(mozilla, name), 'utf8')));
  return texts.map((text) => `${text.trimEnd()}\n`).join('');
}
