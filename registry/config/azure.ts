/** `storage.azure`: a container of Azure Blob Storage. */
import { below, fault, type Place, refine, type Spec, warn } from './check.ts';
import { endpointUrl } from './endpoint.ts';
import { section, withoutEffect } from './section.ts';
import type { AzureConfig } from './types.ts';
import { count, duration, flag, maybeText, oneOf, text } from './values.ts';

const DEFAULT_REALM = 'core.windows.net';
const DEFAULT_RETRIES = 5;
const DEFAULT_DELAY = 100;

const TYPES = ['', 'client_secret', 'shared_key', 'default_credentials'] as const;

const keys = {
  accountname: text({ default: '', example: 'myaccount', doc: 'The storage account. Required.' }),
  accountkey: maybeText({ example: "the account's key", secret: true, doc: 'The key of the account.' }),
  container: text({ default: '', example: 'registry', doc: 'The container. Required; it must exist.' }),
  credentials: section(
    {
      type: oneOf(TYPES, {
        default: '',
        doc: 'How to sign in. Unset: with `accountkey` if there is one, else the environment and managed identity.',
      }),
      clientid: maybeText({ example: 'an application id', doc: 'The application, for `client_secret`.' }),
      tenantid: maybeText({ example: 'a tenant id', doc: 'The tenant, for `client_secret`.' }),
      secret: maybeText({ example: 'its secret', secret: true, doc: 'The secret, for `client_secret`.' }),
    },
    { doc: 'How to sign in.', untyped: true },
  ),
  connectionstring: withoutEffect(
    maybeText({
      example: 'a connection string',
      secret: true,
      doc: 'Distribution reads it and does nothing with it either.',
    }),
    'take it out, and write accountname and accountkey',
  ),
  realm: text({
    default: DEFAULT_REALM,
    example: DEFAULT_REALM,
    doc: 'The domain of the service, such as `core.chinacloudapi.cn`.',
  }),
  serviceurl: maybeText({
    example: 'http://127.0.0.1:10000/devstoreaccount1',
    doc: 'The URL of the service. Unset: `https://ACCOUNTNAME.blob.REALM`.',
  }),
  rootdirectory: text({ default: '', example: 'registry', doc: 'A prefix of all names.' }),
  max_retries: count({
    default: DEFAULT_RETRIES,
    min: -1,
    doc: 'How often a failed call is tried again; 0 means the default, -1 never, and pending copies are aborted.',
  }),
  retry_delay: duration({ default: DEFAULT_DELAY, doc: 'How long before the first of these; 0 means the default.' }),
  skipverify: flag({ default: false, doc: "Takes any certificate of the server's." }),
};

const asWritten = section(keys, {
  doc: 'A container of Azure Blob Storage.',
  untyped: true,
  older: { copy_status_poll_max_retry: 'max_retries', copy_status_poll_delay: 'retry_delay' },
});

export const azure: Spec<AzureConfig> = refine(asWritten, (value, place) => {
  for (const name of ['accountname', 'container'] as const) {
    if (value[name] === '') fault(below(place, name), 'missing', `write storage.azure.${name}`);
  }
  const { type, clientid, tenantid, secret } = value.credentials;
  const chosen = type !== '' ? type : value.accountkey !== undefined ? 'shared_key' : 'default_credentials';
  checkCredentials(value, chosen, place);
  if (chosen === 'shared_key') checkKey(value.accountkey, below(place, 'accountkey'));
  return {
    type: 'azure',
    accountname: value.accountname,
    accountkey: value.accountkey,
    container: value.container,
    credentials: { type: chosen, clientid, tenantid, secret },
    realm: value.realm === '' ? DEFAULT_REALM : value.realm,
    serviceurl: endpointUrl(below(place, 'serviceurl'), value.serviceurl, true, 'path'),
    rootdirectory: value.rootdirectory.replace(/^\/+|\/+$/g, ''),
    maxretries: value.max_retries === 0 ? DEFAULT_RETRIES : value.max_retries,
    retrydelay: value.retry_delay === 0 ? DEFAULT_DELAY : value.retry_delay,
    skipverify: value.skipverify,
  };
});

type Written = ReturnType<typeof asWritten.read>;

/** Standard base64; what stands there is never shown. */
function checkKey(key: string | undefined, place: Place): void {
  if (key === undefined) return;
  const text = key.replace(/[\r\n]/g, '');
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)) return;
  fault(place, 'expected base64', "copy the account's key whole, as Azure shows it");
}

function checkCredentials(
  { accountkey, credentials }: Written,
  chosen: AzureConfig['credentials']['type'],
  place: Place,
): void {
  if (chosen === 'shared_key' && accountkey === undefined) {
    fault(below(place, 'accountkey'), 'missing, though credentials.type is shared_key', "write the account's key");
  }
  if (chosen !== 'shared_key' && accountkey !== undefined) {
    warn(below(place, 'accountkey'), `has no effect with credentials.type ${chosen}`, 'take one of the two out');
  }
  for (const name of ['clientid', 'tenantid', 'secret'] as const) {
    const at = below(place, 'credentials', name);
    if (chosen === 'client_secret' && credentials[name] === undefined) {
      fault(at, 'missing, though credentials.type is client_secret', `write credentials.${name}`);
    }
    if (chosen !== 'client_secret' && credentials[name] !== undefined) {
      warn(at, 'has no effect without type: client_secret', 'write that type, or take it out');
    }
  }
}
