/** Connections to a bucket's service: kept open, with a deadline on each step, through a proxy where the environment names one. */
import { type Dispatcher, EnvHttpProxyAgent } from 'undici';

/** Milliseconds for a connection, for the answer's head after the request was sent, and between two chunks of a body. */
const CONNECT = 10_000;
const HEAD = 60_000;
const BODY = 60_000;
/** Milliseconds that an idle connection is kept. */
const KEEP = 30_000;

/**
 * As many as are needed: a slow reader of one object must not keep others from the service.
 *
 * @param skipverify takes any certificate
 */
export function createConnections(skipverify: boolean): Dispatcher {
  const tls = { rejectUnauthorized: !skipverify };
  return new EnvHttpProxyAgent({
    connect: { ...tls, timeout: CONNECT },
    requestTls: tls,
    headersTimeout: HEAD,
    bodyTimeout: BODY,
    keepAliveTimeout: KEEP,
  });
}

/** The system's or undici's code of a failure to talk to the service. */
export function connectionCode(error: unknown): string | undefined {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** What a broken connection means, for people; `undefined` for other errors. `where` names the service's address. */
export function connectionFault(error: unknown, where: string): string | undefined {
  switch (connectionCode(error)) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `no host ${where} is known`;
    case 'ECONNREFUSED':
      return `nothing listens at ${where}`;
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${where} cannot be reached`;
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
    case 'ETIMEDOUT':
      return `${where} did not answer in time`;
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return `${where} broke the connection off`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'CERT_HAS_EXPIRED':
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${where} is not to be trusted (its authority can be named in NODE_EXTRA_CA_CERTS)`;
    default:
      return undefined;
  }
}
