/**
 * Writes test/tools/kubernetes/go.mod and go.sum for another Kubernetes.
 *
 *   node test/tools/bump.ts v1.36.3 v3.6.8     Kubernetes and the etcd that its kubeadm defaults to
 *
 * What is served: `go list -m -versions k8s.io/kubernetes`. The other modules need no script, see docs/testing-tools.md.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute } from './execute.ts';
import { groups } from './groups.ts';

const folder = join(import.meta.dirname, 'kubernetes');

async function bump(kubernetes: string, etcd: string): Promise<void> {
  const go = async (cwd: string, ...args: string[]) => (await execute('go', args, { cwd, deadline: 600_000 })).stdout;
  const download = JSON.parse(await go(tmpdir(), 'mod', 'download', '-json', `k8s.io/kubernetes@${kubernetes}`)) as {
    GoMod: string;
  };
  const upstream = await readFile(download.GoMod, 'utf8');
  // Upstream requires its staging modules at v0.0.0 and replaces them by folders of its own tree. Replacements count in the
  // main module only, so ours names the published modules: Kubernetes v1.X.Y goes with v0.X.Y of each.
  const staging = kubernetes.replace(/^v1\./, 'v0.');
  const replaced = [...upstream.matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map((match) => match[1]);
  const lines = [
    'module berth.dev/test/tools/kubernetes',
    '',
    ...upstream.split('\n').filter((line) => /^(go|godebug) /.test(line)),
    '',
    'replace (',
    ...replaced.map((module) => `\t${module} => ${module} ${staging}`),
    ')',
    '',
  ];
  await rm(join(folder, 'go.sum'), { force: true });
  await writeFile(join(folder, 'go.mod'), lines.join('\n'));
  const programs = Object.values({ ...groups['kubernetes-api'].programs, ...groups['kubernetes-node'].programs });
  // Without its version, `go get` takes the newest Kubernetes, which does not match the replaced modules.
  const versioned = programs.map((program) => `${program}@${program.startsWith('k8s.io/') ? kubernetes : etcd}`);
  await go(folder, 'get', '-tool', ...versioned);
  await go(folder, 'mod', 'tidy');
}

const [kubernetes, etcd] = process.argv.slice(2);
if (kubernetes?.startsWith('v1.') && etcd?.startsWith('v3.')) {
  await bump(kubernetes, etcd);
  console.log(`test/tools/kubernetes/go.mod is for Kubernetes ${kubernetes} and etcd ${etcd}`);
} else {
  console.error('usage: node test/tools/bump.ts KUBERNETES ETCD, such as v1.36.3 v3.6.8');
  process.exitCode = 2;
}
