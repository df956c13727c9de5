import { apiServerFlags, etcdFlags, serviceRange } from './apiserver-flags.ts';

/** Addresses exist only inside the node's own network namespace, so every node may use the same. */
export const network = {
  node: 'node-1',
  address: '10.97.0.1',
  /** ClusterIP of the Service `kubernetes`. */
  apiService: '10.98.0.1',
  services: serviceRange,
  pods: '10.99.0.0/24',
  apiPort: 6443,
} as const;

/** What the files of a node depend on. */
export interface NodePaths {
  /** The node's folder. */
  folder: string;
  /** Name of its control group. */
  cgroup: string;
  /** Folder of the CNI plugins. */
  cniBin: string;
  /** Absolute path. */
  runc: string;
}

/** The image of the sandbox that holds a Pod's namespaces together. */
export const pauseImage = 'localhost/pause:1';

/**
 * Every configuration file of a node by its path below the node's folder. Files under `args/` hold the flags of one program,
 * one to a line: the node's first process starts each with them.
 */
export function nodeFiles(paths: NodePaths): Record<string, string> {
  return {
    'containerd.toml': containerdToml(paths),
    'cni/10-bridge.conflist': JSON.stringify(cniNetwork),
    'kubelet.json': JSON.stringify(kubeletConfiguration(paths), null, 2),
    Corefile: corefile(paths.folder),
    'etc/hosts': `127.0.0.1 localhost\n${network.address} ${network.node}\n`,
    // Empty on purpose: nothing outside can be reached, and nodes do not resolve Service names.
    'etc/resolv.conf': '',
    ...Object.fromEntries(
      Object.entries(programFlags(paths.folder)).map(([name, flags]) => [`args/${name}`, `${flags.join('\n')}\n`]),
    ),
  };
}

function containerdToml({ folder, cniBin, runc }: NodePaths): string {
  const text = JSON.stringify;
  return `version = 3
root = ${text(`${folder}/containerd`)}
state = "/run/containerd"
# opt would create /opt/containerd on the machine, and no plugin talks NRI here.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = ${text(pauseImage)}
[plugins."io.containerd.cri.v1.images".registry]
config_path = ${text(`${folder}/certs.d`)}
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true # root without CAP_SYS_RESOURCE cannot lower it
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [${text(cniBin)}]
conf_dir = ${text(`${folder}/cni`)}
use_internal_loopback = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = ${text(runc)}
SystemdCgroup = false
`;
}

const cniNetwork = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isDefaultGateway: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: network.pods }]], dataDir: '/run/cni' },
    },
  ],
};

function kubeletConfiguration({ folder, cgroup }: NodePaths): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${folder}/pki/ca.crt` },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: `${folder}/pki/kubelet-server.crt`,
    tlsPrivateKeyFile: `${folder}/pki/kubelet-server.key`,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    // The machine's disk may be nearly full without that being this node's business.
    evictionHard: {
      'memory.available': '1%',
      'nodefs.available': '1%',
      'nodefs.inodesFree': '1%',
      'imagefs.available': '1%',
      'imagefs.inodesFree': '1%',
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    serializeImagePulls: false,
    // A ConfigMap or Secret that changed reaches its Pods within seconds instead of a minute and a half.
    syncFrequency: '5s',
    podLogsDir: `${folder}/pod-logs`,
    volumePluginDir: `${folder}/volume-plugins`,
    resolvConf: `${folder}/etc/resolv.conf`,
    clusterDomain: 'cluster.local',
    clusterDNS: [network.address],
  };
}

function corefile(folder: string): string {
  return `cluster.local {
  errors
  kubernetes cluster.local {
    kubeconfig ${folder}/kubeconfig
    ttl 1
  }
}
`;
}

function programFlags(folder: string): Record<string, string[]> {
  // Built one after another, each with a token of its own: at the default rate the last one is up five seconds late.
  const rate = ['--kube-api-qps=500', '--kube-api-burst=1000'];
  const controller = (name: string) => [
    ...['', 'authentication-', 'authorization-'].map((kind) => `--${kind}kubeconfig=${name}.kubeconfig`),
    ...['--leader-elect=false', '--bind-address=127.0.0.1', `--cert-dir=${name}`, '--profiling=false', ...rate],
  ];
  return {
    containerd: ['--config=containerd.toml'],
    etcd: etcdFlags(2379, 2380),
    'kube-apiserver': [
      ...apiServerFlags({ bind: '0.0.0.0', advertise: network.address, port: network.apiPort, etcdPort: 2379 }),
      ...['--kubelet-client-certificate=pki/kubelet-client.crt', '--kubelet-client-key=pki/kubelet-client.key'],
      ...['--kubelet-certificate-authority=pki/ca.crt', '--kubelet-preferred-address-types=InternalIP'],
    ],
    'kube-controller-manager': [
      ...controller('kube-controller-manager'),
      ...['--root-ca-file=pki/ca.crt', '--service-account-private-key-file=pki/sa.key'],
      ...['--cluster-signing-cert-file=pki/ca.crt', '--cluster-signing-key-file=pki/ca.key'],
      '--use-service-account-credentials=true',
      // Its default is a folder of the machine, which it would create.
      `--flex-volume-plugin-dir=${folder}/volume-plugins`,
    ],
    'kube-scheduler': controller('kube-scheduler'),
    kubelet: [
      ...['--config=kubelet.json', '--kubeconfig=kubelet.kubeconfig', `--root-dir=${folder}/kubelet`],
      ...[`--hostname-override=${network.node}`, `--node-ip=${network.address}`],
    ],
    'kube-proxy': [
      ...['--kubeconfig=kube-proxy.kubeconfig', `--hostname-override=${network.node}`],
      ...['--proxy-mode=nftables', `--cluster-cidr=${network.pods}`],
      // Connection tracking limits belong to the whole machine.
      ...[
        '--conntrack-max-per-core=0',
        '--conntrack-tcp-timeout-established=0',
        '--conntrack-tcp-timeout-close-wait=0',
      ],
      ...['--healthz-bind-address=127.0.0.1:10256', '--metrics-bind-address=127.0.0.1:10249'],
    ],
    coredns: ['-conf=Corefile'],
  };
}
