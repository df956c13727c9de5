import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChild } from '../../../operator/local/child.ts';
import { freePort } from '../../../operator/local/port.ts';
import { type Reporter, supervise } from '../../../operator/local/supervise.ts';
import type { HttpProbe, Workload } from '../../../operator/local/workload.ts';

const probe = (path: string, failureThreshold: number): HttpProbe => ({
  path,
  period: 100,
  timeout: 500,
  failureThreshold,
});

const plan: Workload = {
  args: [],
  variables: [],
  overrides: [],
  folders: [],
  files: [],
  startup: probe('/livez', 100),
  liveness: probe('/livez', 3),
  readiness: probe('/readyz', 3),
  grace: 300,
};

/** A server that is ready, and answers what `script` says; `n` counts its requests. */
const serverScript = (answer: string): string => `
  let n = 0;
  process.on('SIGTERM', () => { if (!process.env.STUBBORN) process.exit(0); });
  require('node:http').createServer((request, response) => { n++; ${answer} })
    .listen(Number(process.env.PORT), '127.0.0.1');
`;

interface Run {
  readonly lines: string[];
  readonly end: ReturnType<typeof supervise>;
  said(word: string): Promise<void>;
  stop(): void;
}

async function run(
  t: { after(end: () => Promise<unknown>): void },
  answer: string,
  env = {},
  workload = plan,
): Promise<Run> {
  const port = await freePort(0);
  const lines: string[] = [];
  const waiting: { word: string; done: () => void }[] = [];
  const say = (line: string): void => {
    lines.push(line);
    for (const { word, done } of waiting) if (line.startsWith(word)) done();
  };
  const report: Reporter = {
    starting: () => say('starting'),
    started: () => say('started'),
    ready: () => say('ready'),
    unready: () => say('unready'),
    restarting: (reason, delay) => say(`restarting in ${delay}: ${reason}`),
    stopping: () => say('stopping'),
  };
  const controller = new AbortController();
  const start = () =>
    startChild(process.execPath, ['-e', serverScript(answer)], { PORT: String(port), ...env }, { write: () => {} });
  const end = supervise(workload, port, start, report, controller.signal);
  t.after(() => {
    controller.abort();
    return end;
  });
  const said = (word: string) => new Promise<void>((done) => waiting.push({ word, done }));
  return { lines, end, said, stop: () => controller.abort() };
}

test('a server that hangs is restarted by its liveness probe', async (t) => {
  const hangs = `if (request.url === '/livez' && n > 6) return; response.end();`;
  const { said, lines } = await run(t, hangs);
  await said('restarting');
  assert.deepEqual(lines.slice(0, 3), ['starting', 'started', 'ready']);
  assert.equal(lines.at(-1), 'restarting in 1000: the server did not answer its liveness probe');
});

test('a server that fails its readiness probe is reported, not restarted, and reported again when it is ready', async (t) => {
  const recovers = `response.statusCode = request.url === '/readyz' && n > 3 && n < 20 ? 503 : 200; response.end();`;
  const { said, lines } = await run(t, recovers);
  await said('unready');
  await said('ready');
  assert.deepEqual(lines, ['starting', 'started', 'ready', 'unready', 'ready']);
});

test('a server that does not start in time is ended, and the supervisor gives up', async (t) => {
  const short = { ...plan, startup: probe('/livez', 20) };
  const { end } = await run(t, 'response.statusCode = 503; response.end();', {}, short);
  assert.deepEqual(await end, { type: 'never-ready', reason: 'the server did not start in time' });
});

test('a server that does not end is killed after the grace period', async (t) => {
  const { said, stop, end, lines } = await run(t, 'response.end();', { STUBBORN: '1' });
  await said('ready');
  stop();
  assert.deepEqual(await end, { type: 'stopped' });
  assert.equal(lines.at(-1), 'stopping');
});

test('a program that cannot be started is named', async () => {
  await assert.rejects(
    startChild('/nowhere/registry', [], {}, { write: () => {} }),
    /cannot start \/nowhere\/registry: ENOENT/,
  );
});
