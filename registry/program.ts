/** The `registry` program: its subcommands, thin. A program of one's own runs the same with extensions (`docs/extending.md`). */
import { collectUsage, garbageCollect } from './collect.ts';
import { type LoadOptions, loadConfig } from './config/load.ts';
import { ConfigError } from './config/problem.ts';
import { checkConfig, checkUsage } from './config-check.ts';
import { activatedSocket } from './listen.ts';
import { createAccessLog } from './log/access.ts';
import { openOutput } from './log/output.ts';
import { redactText } from './log/redact.ts';
import { createLogger } from './log.ts';
import { purgeOnce, purgeUsage } from './purge.ts';
import { serve } from './serve.ts';
import type { Extensions } from './service/extensions.ts';
import { listenForSignals } from './signals.ts';
import { createUuids } from './uuid.ts';
import { version } from './version.ts';

const usage = `usage:
  registry serve [CONFIGURATION]   serve the registry; without a path, the one that
                                   REGISTRY_CONFIGURATION_PATH names, or /etc/distribution/config.yml,
                                   or /etc/docker/registry/config.yml
  ${checkUsage}
                                   print what the registry makes of a configuration, without secrets
  ${collectUsage}
                                   delete content that nothing points to; --help tells more
  ${purgeUsage}
                                   delete uploads that were never finished
  registry --version
  registry help
`;

/** What is used of the process. */
type Host = NodeJS.Process;

/** Runs the command that the process was started with, and ends the process. */
export async function run(host: Host, extensions: Extensions = {}): Promise<never> {
  // A fault that nobody foresaw must not take the other clients' requests with it.
  host.on('unhandledRejection', (reason) =>
    console.error(`registry: unhandled rejection: ${redactText(String(reason))}`),
  );
  try {
    return host.exit(await command(host, extensions));
  } catch (error) {
    const warnings = error instanceof ConfigError ? error.warningLines : [];
    for (const warning of warnings) console.error(`warning: ${redactText(warning)}`);
    const message = redactText(error instanceof Error ? error.message : String(error));
    console.error(error instanceof ConfigError ? message : `registry: ${message}`);
    return host.exit(1);
  }
}

async function command(host: Host, extensions: Extensions): Promise<number> {
  const [name, ...args] = host.argv.slice(2);
  const names = {
    registry: Object.keys(extensions.registry ?? {}),
    repository: Object.keys(extensions.repository ?? {}),
  };
  switch (name) {
    case 'serve':
      return serveCommand(host, args, extensions, { extensions: names });
    case 'config':
      return configCommand(host, args, { extensions: names });
    case 'garbage-collect':
      return garbageCollect(args, host.env, { extensions: names });
    case 'purge-uploads':
      return purgeOnce(args, host.env, { extensions: names });
    case '-v':
    case '--version':
      console.log(`registry berth v${version}`);
      return 0;
    case 'help':
    case '-h':
    case '--help':
      console.log(usage);
      return 0;
    default:
      console.error(name === undefined ? usage : `registry: unknown command "${name}"\n\n${usage}`);
      return 1;
  }
}

async function serveCommand(
  host: Host,
  [argument, ...more]: readonly string[],
  extensions: Extensions,
  options: LoadOptions,
): Promise<number> {
  if (argument?.startsWith('-') || more.length > 0) {
    console.error(`registry: serve takes one configuration file and no options\n\n${usage}`);
    return 1;
  }
  const { config, warnings } = await loadConfig(argument, host.env, options);
  const stderr = openOutput(2);
  const log = createLogger(config.log, { stream: stderr, instanceId: createUuids()(), version });
  for (const { path: key, message, remedy } of warnings) log.warn({ key, remedy }, message);
  const accessLog = createAccessLog(config.log.accesslog, { stream: openOutput(1) });
  const signals = listenForSignals({ process: host, log, exit: (code) => host.exit(code) });
  const activated = activatedSocket(host.env, host.pid);
  log.info({ pid: host.pid, node: host.versions.node }, 'starting');
  return await serve(config, { log, accessLog, signals, activated, argv: host.argv, extensions });
}

async function configCommand(
  host: Host,
  [subcommand, ...args]: readonly string[],
  options: LoadOptions,
): Promise<number> {
  if (subcommand !== 'check') {
    console.error(`registry: config has one subcommand: check\n\n${usage}`);
    return 1;
  }
  const output = {
    stdout: (text: string) => host.stdout.write(text),
    stderr: (text: string) => host.stderr.write(text),
  };
  return checkConfig(args, host.env, output, options);
}
