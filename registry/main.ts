/** The `registry` program: its subcommands, thin. */
import { collectUsage, garbageCollect } from './collect.ts';
import { loadConfig } from './config/load.ts';
import { ConfigError } from './config/problem.ts';
import { checkConfig, checkUsage } from './config-check.ts';
import { activatedSocket } from './listen.ts';
import { createAccessLog } from './log/access.ts';
import { openOutput } from './log/output.ts';
import { redactText } from './log/redact.ts';
import { createLogger } from './log.ts';
import { purgeOnce, purgeUsage } from './purge.ts';
import { serve } from './serve.ts';
import { listenForSignals } from './signals.ts';
import { createUuids } from './uuid.ts';
import { version } from './version.ts';

const usage = `usage:
  registry serve [CONFIGURATION]   serve the registry; without a path, the one that
                                   REGISTRY_CONFIGURATION_PATH names, or /etc/distribution/config.yml
  ${checkUsage}
                                   print what the registry makes of a configuration, without secrets
  ${collectUsage}
                                   delete content that nothing points to; --help tells more
  ${purgeUsage}
                                   delete uploads that were never finished
  registry --version
  registry help
`;

async function serveCommand(argument: string | undefined, more: readonly string[]): Promise<number> {
  if (argument?.startsWith('-') || more.length > 0) {
    console.error(`registry: serve takes one configuration file and no options\n\n${usage}`);
    return 1;
  }
  const { config, warnings } = await loadConfig(argument, process.env);
  const stderr = openOutput(2);
  const log = createLogger(config.log, { stream: stderr, instanceId: createUuids()(), version });
  for (const { path: key, message, remedy } of warnings) log.warn({ key, remedy }, message);
  const accessLog = createAccessLog(config.log.accesslog, { stream: openOutput(1) });
  const signals = listenForSignals({ process, log, exit: (code) => process.exit(code) });
  const activated = activatedSocket(process.env, process.pid);
  log.info({ pid: process.pid, node: process.versions.node }, 'starting');
  return await serve(config, { log, accessLog, signals, activated, argv: process.argv });
}

async function configCommand(subcommand: string | undefined, args: readonly string[]): Promise<number> {
  if (subcommand !== 'check') {
    console.error(`registry: config has one subcommand: check\n\n${usage}`);
    return 1;
  }
  return checkConfig(args, process.env, {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
  });
}

async function main([command, argument, ...more]: readonly string[]): Promise<number> {
  switch (command) {
    case 'serve':
      return serveCommand(argument, more);
    case 'config':
      return configCommand(argument, more);
    case 'garbage-collect':
      return garbageCollect(process.argv.slice(3), process.env);
    case 'purge-uploads':
      return purgeOnce(process.argv.slice(3), process.env);
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
      console.error(command === undefined ? usage : `registry: unknown command "${command}"\n\n${usage}`);
      return 1;
  }
}

// A fault that nobody foresaw must not take the other clients' requests with it.
process.on('unhandledRejection', (reason) =>
  console.error(`registry: unhandled rejection: ${redactText(String(reason))}`),
);

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const message = redactText(error instanceof Error ? error.message : String(error));
    console.error(error instanceof ConfigError ? message : `registry: ${message}`);
    process.exit(1);
  },
);
