/** `registry serve`: wires a registry by hand from its configuration, and ends it cleanly. */
import { randomBytes } from 'node:crypto';
import { createApp } from './app.ts';
import { openDescriptors } from './cache/open.ts';
import type { Config } from './config/types.ts';
import { drain } from './drain.ts';
import { createLeases } from './gc/lease.ts';
import { createPurger } from './gc/purger.ts';
import { createHealth } from './health/checks.ts';
import { configuredChecks } from './health/configured.ts';
import { isDeadHere, leaseHolder } from './holder.ts';
import { createDebugServer, type Unready } from './http/debug.ts';
import { createBaseUrl } from './http/location.ts';
import { observeUploads } from './http/observe-uploads.ts';
import { createUploadStates } from './http/upload-state.ts';
import { listen, listenOn } from './listen.ts';
import type { AccessLog } from './log/access.ts';
import type { Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createReadOnlyMode } from './readonly.ts';
import { createReport } from './report.ts';
import { createCollections, noCollections } from './service/collections.ts';
import { type Extensions, extend } from './service/extensions.ts';
import { writtenRoots } from './service/keys.ts';
import { leaseTime } from './service/lease-record.ts';
import { createMemberCheck } from './service/lookup.ts';
import { createServices } from './service/services.ts';
import type { Signals } from './signals.ts';
import { loadSigningKey } from './signing.ts';
import { failureOf, instrument } from './storage/instrument.ts';
import { checkStore, openStore } from './storage/open.ts';
import { wrapRedirects } from './storage/redirect.ts';
import { createUuids } from './uuid.ts';
import { createVars } from './vars.ts';
import { version } from './version.ts';

export interface ServeDependencies {
  readonly log: Logger;
  readonly accessLog: AccessLog | undefined;
  readonly signals: Signals;
  /** The descriptor of a socket that listens already, in place of `http.addr` and `http.net`. */
  readonly activated: number | undefined;
  /** The command line, program first, for `/debug/vars`. */
  readonly argv: readonly string[];
  readonly extensions: Extensions;
}

/** Verified content kept in memory: bytes in all, and of one object. */
const contentLimits = { total: 64 * 1024 * 1024, largest: 1024 * 1024 };
/** Milliseconds between failing readiness and refusing connections. */
const notice = 2_000;

/**
 * Runs until asked to end. Resolves with the exit code: 0, or 1 if requests had to be cut off. Rejects with a sentence for
 * people when it cannot begin.
 */
export async function serve(config: Config, dependencies: ServeDependencies): Promise<number> {
  const { log, accessLog, signals, extensions } = dependencies;
  const context = { log, userAgent: `berth/${version}`, folders: writtenRoots };
  const warning = await checkStore(config.storage.driver, context);
  if (warning !== undefined) log.warn({}, warning);
  const metrics = createMetrics();
  const now = (): Date => new Date();
  const { driver } = config.storage;
  const unwrapped = instrument(await openStore(driver, context), (action, seconds, error) =>
    metrics.observeStorage(driver.type, action, seconds, error === undefined ? undefined : failureOf(error)),
  );
  const s3 = driver.type === 's3' ? driver : undefined;
  const store = await wrapRedirects(unwrapped, config.middleware.storage, { s3, log, now });
  const secret = config.http.secret ?? inventedSecret(log);
  const { enabled, signingkeyfile } = config.compatibility.schema1;
  const clock = (): number => performance.now();
  const descriptors = await openDescriptors({
    config,
    isMember: createMemberCheck(store),
    metrics: metrics.descriptorCache,
    log,
    now: Date.now,
    clock,
    random: Math.random,
  });
  const readOnly = createReadOnlyMode(config.storage.maintenance.readonly, { log });
  await readOnly.start();
  metrics.gauge('registry_read_only', 'Whether writes are refused just now.', () => (readOnly.active() ? 1 : 0));
  const hasUrls = config.middleware.storage.length > 0 || !['filesystem', 'inmemory'].includes(driver.type);
  // Nobody else can reach what lies in memory.
  const isShared = driver.type !== 'inmemory';
  const collections = isShared
    ? createCollections({ store: unwrapped, holder: leaseHolder(), newId: createUuids(), clock, log })
    : noCollections;
  const inner = createServices({
    store,
    collections,
    blobAccess: extensions.blobAccess,
    readOnly: readOnly.active,
    descriptors,
    log,
    policy: config.validation.manifests,
    schema1: { enabled, key: await loadSigningKey(signingkeyfile, secret) },
    classes: config.policy.repository.classes,
    tagLookups: config.storage.tag.concurrencylimit,
    damaged: (kind) => metrics.damaged(kind),
    contentLimits,
    contentObserver: metrics.contentCache,
    redirects: hasUrls && !config.storage.redirect.disable,
    newId: createUuids(),
    now,
    clock,
  });
  const { uploadpurging } = config.storage.maintenance;
  const leases = createLeases({
    store: unwrapped,
    holder: leaseHolder(),
    isDead: isDeadHere,
    newId: createUuids(),
    clock,
    ttl: leaseTime,
  });
  const purger = createPurger(uploadpurging, {
    store: unwrapped,
    leases,
    log,
    metrics,
    random: Math.random,
    now: Date.now,
  });
  const services = await extend(inner, { extensions, middleware: config.middleware, log, store });
  const health = createHealth(configuredChecks(config.health, store), log);
  metrics.gauge('registry_health_check_failing', 'Whether a check fails; one that passes is not there.', () =>
    Object.keys(health.failing() ?? {}).map((check) => [{ check }, 1]),
  );
  let unready: Unready = 'starting';
  const app = createApp({
    services: { ...services, uploads: observeUploads(services.uploads, metrics.uploads) },
    baseUrl: createBaseUrl(config.http),
    states: createUploadStates(secret, now),
    deleteEnabled: config.storage.delete.enabled,
    readOnly: readOnly.active,
    maxCatalog: config.catalog.maxentries,
    maxTags: config.tags.maxtags,
    prefix: config.http.prefix || '/',
    headers: config.http.headers,
    unhealthy: () => health.failing(),
    draining: () => unready === 'draining',
    observer: createReport({
      log,
      accessLog,
      metrics,
      logsSuccess: config.log.level === 'info' || config.log.level === 'debug',
      now: Date.now,
    }),
    log,
    newId: createUuids(),
  });
  const { addr: debugAddr, prometheus } = config.http.debug;
  const debug =
    debugAddr === undefined
      ? undefined
      : createDebugServer({
          failing: () => health.failing(),
          unready: () => unready,
          vars: createVars({ argv: dependencies.argv, redis: config.redis }),
          metrics,
          log,
          prometheus,
        });

  await app.ready();
  try {
    if (debug && debugAddr !== undefined) {
      log.info(
        {},
        `debug server listening ${await listen(debug, { key: 'http.debug.addr', net: 'tcp', addr: debugAddr })}`,
      );
    }
    const { activated } = dependencies;
    if (activated !== undefined)
      log.info({}, 'Using systemd socket activation instead of any configured network listeners');
    const address =
      activated === undefined
        ? await listen(app.server, { key: 'http.addr', ...config.http })
        : await listenOn(app.server, activated);
    log.info({}, `listening on ${address}`);
    health.start();
    if (uploadpurging.enabled) purger.start();
    unready = undefined;
    await signals.asked;
    void purger.stop();
    unready = 'draining';
    const stopping =
      config.http.draintimeout > 0
        ? 'stopping: requests under way are finished, new ones go elsewhere'
        : 'stopping at once, since http.draintimeout is 0';
    log.info({}, stopping);
    const complete = await drain(app.server, { timeout: config.http.draintimeout, notice });
    if (!complete) log.error({}, 'http.draintimeout passed with requests still under way; they were cut off');
    return complete ? 0 : 1;
  } finally {
    await health.stop();
    await purger.stop();
    readOnly.stop();
    app.server.closeAllConnections();
    debug?.close();
    debug?.closeAllConnections();
    await app.close();
    await descriptors.close();
    await collections.close();
    await store.close();
  }
}

function inventedSecret(log: Logger): string {
  log.warn(
    {},
    'http.secret is not set, so this process made one up: uploads cannot be continued after a restart or by other replicas; ' +
      'set it (REGISTRY_HTTP_SECRET), the same everywhere',
  );
  return randomBytes(32).toString('hex');
}
