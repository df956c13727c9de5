/**
 * What the tests use of other projects' programs: which programs form a group, and what each is made from.
 *
 * A group is built or fetched as a whole and cached under a hash of what goes into it, so that a bump of one group does
 * not rebuild the others. Two groups may share a Go module (one `go.mod`, one set of versions) and still be built apart,
 * so that a test of the API server does not wait for the kubelet.
 */

/** Programs compiled by `go build` from a module folder beside this file. */
export interface GoGroup {
  kind: 'go';
  /** The folder with `go.mod` and `go.sum`. */
  module: string;
  /** Program name to main package. */
  programs: Readonly<Record<string, string>>;
  /** Build tags. */
  tags?: readonly string[];
  /** Linker flags beside `-s -w`; `version` gives the version that `go.mod` pins for a module. */
  ldflags?: (version: (module: string) => string) => string[];
  /** What a person is told before a cold build. */
  takes: string;
  /** Built only when it is named, or when a test asks for it: too dear for what it adds to every run. */
  onRequest?: boolean;
}

/** Programs taken from packages of the Debian or Ubuntu that the machine runs, unpacked without being installed. */
export interface DebianGroup {
  kind: 'debian';
  packages: readonly string[];
  /** Program name to its path inside the packages. */
  programs: Readonly<Record<string, string>>;
  /** When given, only these files of the packages are kept. */
  keep?: readonly string[];
  takes: string;
}

/** JavaScript programs from packages that a lock file beside this file pins; the tests' own Node runs them. */
export interface NpmGroup {
  kind: 'npm';
  /** The folder with `package.json` and `package-lock.json`. */
  folder: string;
  /** Program name to its path below `node_modules`. */
  programs: Readonly<Record<string, string>>;
  takes: string;
}

export type Group = GoGroup | DebianGroup | NpmGroup;

const kubernetesFlags: GoGroup['ldflags'] = (version) => {
  const gitVersion = version('k8s.io/kubernetes');
  const minor = gitVersion.split('.')[1] ?? '';
  // Left unset, the API server introduces itself as v0.0.0-master and clients warn about the skew.
  return ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((target) => [
    `-X ${target}.gitVersion=${gitVersion}`,
    `-X ${target}.gitMajor=1`,
    `-X ${target}.gitMinor=${minor}`,
    `-X ${target}.gitTreeState=clean`,
  ]);
};

const containerdModule = 'github.com/containerd/containerd/v2';
const distributionModule = 'github.com/distribution/distribution/v3';
const craneModule = 'github.com/google/go-containerregistry';

/** Every group, in the order in which `build.ts` makes them: cheap and often needed first. */
export const groups = {
  debian: {
    kind: 'debian',
    packages: ['docker-registry', 'skopeo', 'nginx', 'wrk', 'strace', 'busybox-static'],
    programs: {
      'docker-registry': 'usr/bin/docker-registry',
      skopeo: 'usr/bin/skopeo',
      nginx: 'usr/sbin/nginx',
      wrk: 'usr/bin/wrk',
      strace: 'usr/bin/strace',
      busybox: 'bin/busybox',
    },
    takes: 'about 20 seconds',
  },
  redis: {
    kind: 'debian',
    packages: ['redis-server', 'redis-tools'],
    programs: { 'redis-server': 'usr/bin/redis-server', 'redis-cli': 'usr/bin/redis-cli' },
    takes: 'about 15 seconds',
  },
  clients: {
    kind: 'go',
    module: 'clients',
    programs: {
      crane: `${craneModule}/cmd/crane`,
      regctl: 'github.com/regclient/regclient/cmd/regctl',
    },
    ldflags: (version) => [`-X ${craneModule}/cmd/crane/cmd.Version=${version(craneModule)}`],
    takes: 'about half a minute',
  },
  distribution: {
    kind: 'go',
    module: 'distribution',
    programs: { distribution: `${distributionModule}/cmd/registry` },
    ldflags: (version) => [`-X ${distributionModule}/version.version=${version(distributionModule)}`],
    takes: 'about a minute',
  },
  s3: {
    kind: 'go',
    module: 'storage',
    programs: {
      versitygw: 'github.com/versity/versitygw/cmd/versitygw',
      'toxiproxy-server': 'github.com/Shopify/toxiproxy/v2/cmd/server',
    },
    takes: 'about a minute and a half on two cores',
  },
  azurite: {
    kind: 'npm',
    folder: 'azurite',
    programs: { 'azurite-blob': 'azurite/dist/src/blob/main.js' },
    takes: 'about half a minute',
  },
  fakegcs: {
    kind: 'go',
    module: 'fakegcs',
    programs: { 'fake-gcs-server': 'github.com/fsouza/fake-gcs-server' },
    takes: 'about half a minute on two cores',
  },
  'kubernetes-api': {
    kind: 'go',
    module: 'kubernetes',
    programs: {
      etcd: 'go.etcd.io/etcd/server/v3',
      'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
      kubectl: 'k8s.io/kubernetes/cmd/kubectl',
    },
    ldflags: kubernetesFlags,
    takes: 'about 4 minutes on two cores',
  },
  'debian-node': {
    kind: 'debian',
    packages: ['runc', 'nftables'],
    programs: { runc: 'usr/sbin/runc', nft: 'usr/sbin/nft' },
    takes: 'about 20 seconds',
  },
  containerd: {
    kind: 'go',
    module: 'containerd',
    programs: {
      containerd: `${containerdModule}/cmd/containerd`,
      'containerd-shim-runc-v2': `${containerdModule}/cmd/containerd-shim-runc-v2`,
      ctr: `${containerdModule}/cmd/ctr`,
      bridge: 'github.com/containernetworking/plugins/plugins/main/bridge',
      'host-local': 'github.com/containernetworking/plugins/plugins/ipam/host-local',
    },
    tags: ['no_btrfs', 'no_devmapper', 'no_zfs'],
    ldflags: (version) => [`-X ${containerdModule}/version.Version=${version(containerdModule)}`],
    takes: 'about a minute on two cores',
  },
  'kubernetes-node': {
    kind: 'go',
    module: 'kubernetes',
    programs: {
      'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
      'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
      kubelet: 'k8s.io/kubernetes/cmd/kubelet',
      'kube-proxy': 'k8s.io/kubernetes/cmd/kube-proxy',
    },
    ldflags: kubernetesFlags,
    takes: 'about 2 minutes on two cores after kubernetes-api, 5 alone',
  },
  coredns: {
    kind: 'go',
    module: 'coredns',
    programs: { coredns: 'berth.dev/test/tools/coredns' },
    takes: 'about a minute on two cores',
  },
  helm: {
    kind: 'go',
    module: 'clients',
    programs: { helm: 'helm.sh/helm/v4/cmd/helm' },
    ldflags: (version) => [`-X helm.sh/helm/v4/internal/version.version=${version('helm.sh/helm/v4')}`],
    takes: 'about 2 minutes on two cores',
  },
  podman: {
    kind: 'debian',
    packages: ['podman'],
    programs: { podman: 'usr/bin/podman', conmon: 'usr/bin/conmon', crun: 'usr/bin/crun' },
    takes: 'about 30 seconds',
  },
  minio: {
    kind: 'go',
    module: 'minio',
    programs: { minio: 'github.com/minio/minio' },
    takes: 'about 2 minutes on two cores',
    onRequest: true,
  },
  qemu: {
    kind: 'debian',
    packages: ['qemu-user-static'],
    programs: { 'qemu-aarch64': 'usr/bin/qemu-aarch64-static' },
    keep: ['usr/bin/qemu-aarch64-static'],
    takes: 'about 30 seconds',
  },
} as const satisfies Record<string, Group>;

export type GroupName = keyof typeof groups;

/** Every program that some group holds. */
export type ProgramName = { [Name in GroupName]: keyof (typeof groups)[Name]['programs'] }[GroupName];

/** The group that holds a program. */
export function groupOf(program: ProgramName): GroupName {
  for (const name of groupNames()) {
    if (program in groups[name].programs) return name;
  }
  throw new Error(`no group holds the program ${program}`);
}

/** The names of all groups, in build order. */
export function groupNames(): GroupName[] {
  return Object.keys(groups) as GroupName[];
}
