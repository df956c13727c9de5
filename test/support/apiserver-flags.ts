/** The range of ClusterIPs. Nothing outside a node's own network namespace ever uses it. */
export const serviceRange = '10.98.0.0/24';

/** Flags of an etcd whose data is worth nothing after the test: it never waits for the disk. Paths are relative. */
export function etcdFlags(clientPort: number, peerPort: number): string[] {
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    ...['--name=test', '--data-dir=etcd', '--unsafe-no-fsync', '--logger=zap', '--log-level=warn'],
    ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`],
    ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=test=${peer}`],
  ];
}

/** Flags of kube-apiserver, with the files that `serverPki` makes. Paths are relative to the cluster's folder. */
export function apiServerFlags(at: { bind: string; advertise: string; port: number; etcdPort: number }): string[] {
  return [
    ...[`--bind-address=${at.bind}`, `--advertise-address=${at.advertise}`, `--secure-port=${at.port}`],
    `--etcd-servers=http://127.0.0.1:${at.etcdPort}`,
    ...['--cert-dir=pki', '--tls-cert-file=pki/apiserver.crt', '--tls-private-key-file=pki/apiserver.key'],
    '--client-ca-file=pki/ca.crt',
    '--service-account-issuer=https://kubernetes.default.svc',
    ...['--service-account-key-file=pki/sa.pub', '--service-account-signing-key-file=pki/sa.key'],
    `--service-cluster-ip-range=${serviceRange}`,
    ...['--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction'],
    ...['--allow-privileged=true', '--profiling=false'],
    ...['--requestheader-client-ca-file=pki/front-proxy-ca.crt', '--requestheader-allowed-names=front-proxy-client'],
    ...['--requestheader-username-headers=X-Remote-User', '--requestheader-group-headers=X-Remote-Group'],
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    ...['--proxy-client-cert-file=pki/front-proxy.crt', '--proxy-client-key-file=pki/front-proxy.key'],
  ];
}
