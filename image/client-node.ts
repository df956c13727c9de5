import type { Plugin } from 'esbuild';

/**
 * An esbuild plugin that takes of `@kubernetes/client-node` the class `KubeConfig` alone, the only value of it that the
 * operator uses. The package's main module holds 16 MB of generated API classes; it is loaded when needed, so esbuild
 * cannot see what is used of it and would keep all.
 */
export function kubeConfigOnly(): Plugin {
  return {
    name: 'kube-config-only',
    setup(build) {
      const inside = Symbol('inside');
      build.onResolve({ filter: /^@kubernetes\/client-node$/ }, ({ kind, resolveDir }) =>
        build.resolve('@kubernetes/client-node/dist/config.js', { kind, resolveDir }),
      );
      // Its modules only declare things, though its package.json does not say so: what nobody names may go.
      build.onResolve({ filter: /^\.\.?\// }, async ({ path, kind, resolveDir, importer, pluginData }) => {
        if (pluginData === inside || !importer.includes('/@kubernetes/client-node/dist/')) return undefined;
        const found = await build.resolve(path, { kind, resolveDir, importer, pluginData: inside });
        return { ...found, sideEffects: false };
      });
    },
  };
}
