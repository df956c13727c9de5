import assert from 'node:assert/strict';
import { chown, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { stablePort } from '../support/apiserver-process.ts';
import { createPushClient } from '../support/push-client.ts';
import { startServer, temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { execute } from '../tools/execute.ts';
import { buildImage, needsRoot, unpack } from './image.ts';

test('the arm64 image runs under emulation: both programs start, and an image is pushed and pulled', async (t) => {
  if (!needsRoot(t)) return;
  const paths = await requireTool(t, 'qemu-aarch64');
  const folder = await temporaryFolder(t);
  const image = paths && (await buildImage(t, join(folder, 'out')));
  if (!image) return;
  const rootfs = join(folder, 'rootfs');
  await unpack(image, 'arm64', rootfs);
  // The kernel of this machine does not start programs of another processor: the emulator is told what a launcher says.
  await copyFile(paths['qemu-aarch64'], join(rootfs, 'emulator'));
  const emulated = ['--userspec=65532:65532', rootfs, '/emulator', '/usr/local/bin/node', '--use-openssl-ca'];
  const run = (...args: string[]) => execute('chroot', [...emulated, ...args], { deadline: 120_000 });
  assert.match((await run('/usr/local/bin/registry', '--version')).stdout, /^registry berth v/);
  assert.match((await run('/usr/local/bin/operator', '--version')).stdout, /^operator /);

  await mkdir(join(rootfs, 'data'));
  await chown(join(rootfs, 'data'), 65532, 65532);
  const port = await stablePort();
  const server = await startServer(t, {
    command: ['chroot', ...emulated, '/usr/local/bin/registry', 'serve', '/etc/distribution/config.yml'],
    port,
    env: {
      REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`,
      REGISTRY_HTTP_DEBUG_ADDR: `127.0.0.1:${await stablePort()}`,
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/data',
    },
  });
  const client = createPushClient(server.url);
  try {
    const layer = Buffer.alloc(1 << 20, 'arm64');
    const pushed = await client.pushImage('emulated', '1', [layer]);
    assert.deepEqual((await client.pullManifest('emulated', '1')).bytes, pushed.bytes);
  } finally {
    await client.close();
  }
  assert.equal(await server.stop(), 0, server.stderr());
});
