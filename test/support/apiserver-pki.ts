import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../tools/execute.ts';

/** A client or server certificate of the test cluster. */
interface CertificateRequest {
  /** File name without extension. */
  name: string;
  /** In the form of openssl: `/O=system:masters/CN=admin`. Kubernetes takes CN as the user and O as its group. */
  subject: string;
  usage: 'clientAuth' | 'serverAuth';
  /** In the form of openssl: `DNS:localhost,IP:127.0.0.1`. */
  names?: string;
  /** File name of the authority that signs it. Default: `ca`. */
  authority?: string;
}

/** Days: longer than any test cluster lives, short enough that a leaked key is worth nothing. */
const validity = '30';

/**
 * Makes the keys and certificates that an API server cannot do without, in `folder`/pki: an authority, the server's own
 * certificate, an administrator, the front proxy's pair, and the key that signs ServiceAccount tokens.
 *
 * @param serverNames the addresses under which the server is reached, in the form of openssl
 */
export async function serverPki(folder: string, serverNames: string): Promise<void> {
  const pki = join(folder, 'pki');
  await mkdir(pki, { recursive: true });
  await authority(pki, 'ca');
  await authority(pki, 'front-proxy-ca');
  await certificate(pki, { name: 'apiserver', subject: '/CN=kube-apiserver', usage: 'serverAuth', names: serverNames });
  await certificate(pki, { name: 'admin', subject: '/O=system:masters/CN=admin', usage: 'clientAuth' });
  await certificate(pki, {
    name: 'front-proxy',
    subject: '/CN=front-proxy-client',
    usage: 'clientAuth',
    authority: 'front-proxy-ca',
  });
  const signing = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
  });
  await writeFile(join(pki, 'sa.key'), signing.privateKey, { mode: 0o600 });
  await writeFile(join(pki, 'sa.pub'), signing.publicKey);
}

/** Adds the certificates of a node's components, for {@link serverPki}'s folder. */
export async function nodePki(folder: string, node: { name: string; address: string }): Promise<void> {
  const pki = join(folder, 'pki');
  const clients: Record<string, string> = {
    'kube-controller-manager': '/CN=system:kube-controller-manager',
    'kube-scheduler': '/CN=system:kube-scheduler',
    'kube-proxy': '/CN=system:kube-proxy',
    kubelet: `/O=system:nodes/CN=system:node:${node.name}`,
    'kubelet-client': '/O=system:masters/CN=kube-apiserver-kubelet-client',
  };
  for (const [name, subject] of Object.entries(clients)) await certificate(pki, { name, subject, usage: 'clientAuth' });
  await certificate(pki, {
    name: 'kubelet-server',
    subject: `/CN=${node.name}`,
    usage: 'serverAuth',
    names: `DNS:${node.name},IP:${node.address},IP:127.0.0.1`,
  });
}

/**
 * A kubeconfig for one of the client certificates, with everything embedded, so that it can be moved and read from any
 * folder. Written as JSON, which every reader of YAML takes.
 */
export async function kubeconfig(folder: string, client: string, server: string): Promise<string> {
  const base64 = async (file: string) => (await readFile(join(folder, 'pki', file))).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: client } }],
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': await base64('ca.crt') } }],
    users: [
      {
        name: client,
        user: {
          'client-certificate-data': await base64(`${client}.crt`),
          'client-key-data': await base64(`${client}.key`),
        },
      },
    ],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** An authority of its own: `NAME.key` and `NAME.crt` in the folder. */
export async function authority(pki: string, name: string): Promise<void> {
  await openssl(pki, name, `/CN=${name}`, ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'], []);
}

/** A key and a certificate that an authority in the folder signs. */
export async function certificate(pki: string, request: CertificateRequest): Promise<void> {
  const by = request.authority ?? 'ca';
  const extensions = ['basicConstraints=CA:FALSE', 'keyUsage=digitalSignature', `extendedKeyUsage=${request.usage}`];
  if (request.names) extensions.push(`subjectAltName=${request.names}`);
  await openssl(pki, request.name, request.subject, extensions, ['-CA', `${by}.crt`, '-CAkey', `${by}.key`]);
}

/** A fresh P-256 key and its certificate. The configuration is our own, since the machine's may say anything. */
async function openssl(
  pki: string,
  name: string,
  subject: string,
  extensions: string[],
  sign: string[],
): Promise<void> {
  const config = join(pki, `${name}.cnf`);
  await writeFile(
    config,
    ['[req]', 'distinguished_name=dn', 'x509_extensions=ext', '[dn]', '[ext]', ...extensions, ''].join('\n'),
  );
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
  const args = ['req', '-x509', '-config', config, ...key, '-days', validity, '-subj', subject, ...sign];
  await execute('openssl', [...args, '-out', `${name}.crt`], { cwd: pki });
  await rm(config);
}
