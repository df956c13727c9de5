/** Output on real pipes, in a process of its own where its end or its reader's matters. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite, type TestContext, test } from 'node:test';
import { openOutput } from '../../../registry/log/output.ts';
import { eventually } from '../../support/eventually.ts';

/** A process that runs these statements with `out` on its standard output; it is ended with the test. */
function program(t: TestContext, statements: string) {
  const module = new URL('../../../registry/log/output.ts', import.meta.url).href;
  const code = `import { openOutput } from ${JSON.stringify(module)}; const out = openOutput(1); ${statements}`;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

function file(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'output-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'log');
  const fd = openSync(path, 'a');
  t.after(() => closeSync(fd));
  return { fd, read: () => readFileSync(path, 'utf8') };
}

suite('output', () => {
  test('gathers lines and writes them in their order', async (t) => {
    const { fd, read } = file(t);
    const output = openOutput(fd, { delay: 1 });
    const lines = Array.from({ length: 5000 }, (_, index) => `line ${index} ü\n`);
    for (const line of lines) output.write(line);
    await eventually(() => assert.equal(read(), lines.join('')));
    output.write('later\n');
    await eventually(() => assert.equal(read(), `${lines.join('')}later\n`));
  });

  test('flushSync writes at once', (t) => {
    const { fd, read } = file(t);
    const output = openOutput(fd, { delay: 60_000 });
    output.write('a\n');
    assert.equal(read(), '');
    output.flushSync();
    assert.equal(read(), 'a\n');
  });

  test('a descriptor that is none is swallowed', async () => {
    const output = openOutput(99_999, { delay: 1 });
    output.write('a\n');
    output.flushSync();
    output.write('b\n');
    await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

suite('output of a process', () => {
  test('is whole though the process exits at once', async (t) => {
    const child = program(t, `for (let i = 0; i < 2000; i++) out.write('line ' + i + '\\n'); process.exit(3);`);
    const [written, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.equal(code, 3);
    assert.equal(written.split('\n').length - 1, 2000);
  });

  test('does not keep the process alive', async (t) => {
    const child = program(t, `out.write('a\\n');`);
    const [written] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.equal(written, 'a\n');
  });

  test('whose reader goes away costs nothing: the process lives on and ends as it likes', async (t) => {
    const statements = `
      const timer = setInterval(() => out.write('x'.repeat(1000) + '\\n'), 1);
      setTimeout(() => { clearInterval(timer); out.write('end\\n'); console.error('alive'); process.exit(0); }, 300);`;
    const child = program(t, statements);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.equal(said, 'alive\n');
    assert.equal(code, 0);
  });

  test('whose reader sleeps drops whole lines instead of gathering them', async (t) => {
    const statements = `
      let i = 0;
      const timer = setInterval(() => {
        for (const end = i + 1000; i < end; i++) out.write(String(i).padStart(999, '0') + '\\n');
        if (i < 40_000) return;
        clearInterval(timer);
        console.error('written');
      }, 1);`;
    const child = program(t, statements);
    await once(child.stderr, 'data');
    const written = await text(child.stdout);
    assert.ok(written.length > 1_000_000 && written.length < 30_000_000, `${written.length} of 40000000 bytes arrived`);
    const lines = written.slice(0, -1).split('\n');
    assert.ok(lines.every((line, index) => line.length === 999 && Number(line) >= index));
  });
});
