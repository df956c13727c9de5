/** The files that a configuration names: whether `serve` could use them. Each is looked at, so that one run finds every fault. */
import { createPrivateKey } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Fault } from './problem.ts';
import type { Config } from './types.ts';

/** Bytes; keys and certificates are far smaller. */
const LARGEST = 16 * 1024 * 1024;
/** Milliseconds for all of them; a path may lead to a network that is down. */
const DEADLINE = 30_000;

interface NamedFile {
  /** The key, in dots. */
  readonly path: string;
  readonly file: string;
  /** What is wrong with the content; `undefined`: nothing that can be seen here. */
  readonly wrong: (text: string) => string | undefined;
}

const certificate = (text: string): string | undefined => (text.includes('-----BEGIN ') ? undefined : 'is not PEM');

const privateKey = (text: string): string | undefined => {
  try {
    const { asymmetricKeyType } = createPrivateKey(text);
    if (asymmetricKeyType === 'rsa' || asymmetricKeyType === 'ec') return undefined;
  } catch {
    // The reason is OpenSSL's and tells nobody anything.
  }
  return 'is no private key in PEM without a passphrase, RSA or EC';
};

const json = (text: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return undefined;
  } catch {
    // The reason may hold a piece of the key.
  }
  return 'is not a map in JSON';
};

/** What is wrong with the files that the registry reads at its start, in the order of the keys. Rejects only when `signal` says so. */
export async function checkFiles(config: Config, signal?: AbortSignal): Promise<readonly Fault[]> {
  const deadline = AbortSignal.timeout(DEADLINE);
  const either = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  const reasons = await Promise.all(
    namedFiles(config).map(async (named) => ({ ...named, reason: await reasonAgainst(named, either) })),
  );
  signal?.throwIfAborted();
  return reasons.flatMap(({ path, file, reason }) =>
    reason === undefined
      ? []
      : [{ path, message: `${file}: ${reason}`, remedy: 'name one that can be used', fromEnvironment: false }],
  );
}

function namedFiles({ storage, redis, middleware, compatibility }: Config): readonly NamedFile[] {
  const found: NamedFile[] = [];
  const add = (path: string, file: string | undefined, wrong: NamedFile['wrong']): void => {
    if (file !== undefined && file !== '') found.push({ path, file, wrong });
  };
  if (storage.driver.type === 'gcs') add('storage.gcs.keyfile', storage.driver.keyfile, json);
  if (storage.cache.blobdescriptor === 'redis' && redis?.tls !== undefined) {
    add('redis.tls.certificate', redis.tls.certificate, certificate);
    add('redis.tls.key', redis.tls.key, certificate);
    for (const [index, file] of redis.tls.rootcas.entries()) add(`redis.tls.rootcas.${index}`, file, certificate);
  }
  for (const [index, entry] of middleware.storage.entries()) {
    if (entry.name !== 'cloudfront') continue;
    add(`middleware.storage.${index}.options.privatekey`, entry.privatekey, privateKey);
  }
  const { signingkeyfile } = compatibility.schema1;
  add('compatibility.schema1.signingkeyfile', signingkeyfile, (text) =>
    /\.(json|jwk)$/.test(signingkeyfile ?? '') ? json(text) : certificate(text),
  );
  return found;
}

async function reasonAgainst({ file, wrong }: NamedFile, signal: AbortSignal): Promise<string | undefined> {
  try {
    const is = await stat(file);
    if (is.isDirectory()) return 'it is a folder';
    // A pipe can be read once, and that is for the registry itself.
    if (!is.isFile()) return undefined;
    if (is.size > LARGEST) return `it has ${is.size} bytes`;
    return wrong(await readFile(file, { encoding: 'utf8', signal }));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'there is no such file';
    if (code === 'EACCES') return "this process's user may not read it";
    return code === 'ABORT_ERR' ? `not read within ${DEADLINE / 1000} seconds` : `cannot be read (${code})`;
  }
}
