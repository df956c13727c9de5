import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execute } from '../tools/execute.ts';

/** Commands of busybox that the image offers. */
const applets = ['sh', 'sleep', 'cat', 'echo', 'env', 'id', 'ls', 'nc', 'nslookup', 'wget', 'httpd', 'touch', 'mkdir'];

/**
 * Writes a small image of static busybox as an OCI archive (a tar of an OCI image layout), as `ctr images import` and
 * `skopeo copy oci-archive:` read it. It sleeps unless it is told another command.
 *
 * @param name the full reference that an import gives it, such as `localhost/pause:1`
 * @param files added to it, path to text: two images with different files have different layers
 */
export async function writeBusyboxArchive(
  target: { file: string; name: string; busybox: string },
  files: Record<string, string> = {},
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'berth-image-'));
  try {
    const root = join(work, 'root');
    await mkdir(join(root, 'bin'), { recursive: true });
    await mkdir(join(root, 'tmp'), { mode: 0o1777 });
    await copyFile(target.busybox, join(root, 'bin/busybox'));
    for (const applet of applets) await symlink('busybox', join(root, 'bin', applet));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    const layerFile = join(work, 'layer.tar');
    const plain = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
    await execute('tar', ['-C', root, ...plain, '-cf', layerFile, '.']);

    const layout = join(work, 'layout');
    const blobs = join(layout, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    const blob = async (mediaType: string, bytes: Buffer) => {
      const hex = createHash('sha256').update(bytes).digest('hex');
      await writeFile(join(blobs, hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    };
    const json = (mediaType: string, value: object) => blob(mediaType, Buffer.from(JSON.stringify(value)));
    const tar = await readFile(layerFile);
    const layer = await blob('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar));
    const config = await json('application/vnd.oci.image.config.v1+json', {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Env: ['PATH=/bin'], Cmd: ['/bin/sleep', '2147483647'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(tar).digest('hex')}`] },
    });
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = await json(mediaType, { schemaVersion: 2, mediaType, config, layers: [layer] });
    const annotations = {
      'io.containerd.image.name': target.name,
      'org.opencontainers.image.ref.name': target.name.slice(target.name.lastIndexOf(':') + 1),
    };
    await writeFile(
      join(layout, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
    );
    await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await execute('tar', ['-C', layout, '-cf', target.file, 'oci-layout', 'index.json', 'blobs']);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
