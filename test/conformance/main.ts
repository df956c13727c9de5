import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { createTransport, NoAnswer } from './http.ts';
import { type Options, parseOptions, UsageError, usage } from './options.ts';

/** The conformance program: exit code 0 when all tests passed or were declined, 1 when one failed, 2 for wrong use. */

interface Result {
  readonly name: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** Why it failed or was skipped. */
  readonly reason?: string;
  readonly milliseconds: number;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  await expectRegistry(options);
  const results = await runSuite(options);
  const count = (outcome: Result['outcome']) => results.filter((result) => result.outcome === outcome).length;
  const counts = { tests: results.length, pass: count('pass'), fail: count('fail'), skip: count('skip') };
  if (options.output === 'json') {
    process.stdout.write(`${JSON.stringify({ url: options.url, groups: options.groups, counts, results }, null, 2)}\n`);
  } else {
    process.stdout.write(`${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped\n`);
  }
  if (results.length === 0) process.stderr.write('conformance: no test ran; does --only match a name?\n');
  return counts.fail > 0 || results.length === 0 ? 1 : 0;
}

async function expectRegistry(options: Options): Promise<void> {
  const transport = createTransport();
  try {
    await transport.exchange({ method: 'GET', url: `${options.url}/v2/` });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new UsageError(`no registry at ${options.url}: ${error.message}; is it running?`);
  } finally {
    transport.close();
  }
}

async function runSuite(options: Options): Promise<Result[]> {
  process.env['BERTH_CONFORMANCE'] = JSON.stringify(options);
  const stream = run({
    files: [fileURLToPath(new URL('all.ts', import.meta.url))],
    isolation: 'none',
    concurrency: true,
    ...(options.only === undefined ? {} : { testNamePatterns: [new RegExp(options.only)] }),
  });
  const results: Result[] = [];
  const record = (event: {
    name: string;
    skip?: string | boolean;
    details: { type?: string | undefined; duration_ms: number; error?: Error };
  }) => {
    if (event.details.type === 'suite') return;
    const failure = event.details.error;
    const reason = failure === undefined ? event.skip : reasonOf(failure);
    results.push({
      name: event.name,
      outcome: failure !== undefined ? 'fail' : event.skip === undefined ? 'pass' : 'skip',
      ...(reason === undefined ? {} : { reason: String(reason) }),
      milliseconds: Math.round(event.details.duration_ms),
    });
  };
  stream.on('test:pass', record);
  stream.on('test:fail', record);
  if (options.output === 'text') stream.compose(spec).pipe(process.stdout, { end: false });
  else stream.resume();
  await new Promise((resolve) => stream.on('end', resolve));
  return results;
}

function reasonOf(failure: Error): string {
  return failure.cause instanceof Error ? failure.cause.message : failure.message;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`conformance: ${error.message}\n${usage}\n`);
  process.exitCode = 2;
}
