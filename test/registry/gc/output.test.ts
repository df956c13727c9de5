/** What `garbage-collect` prints: lines for programs, in few writes; progress for people, on a terminal alone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { collect } from '../../../registry/gc/collect.ts';
import { type CollectOutput, createCollectOutput } from '../../../registry/gc/output.ts';
import { silent } from '../../../registry/log.ts';
import { createGround } from './ground.ts';

interface Shown {
  readonly output: CollectOutput;
  readonly written: string[];
  readonly shown: string[];
  pass(milliseconds: number): void;
}

function printing({ lines = true, terminal = true } = {}): Shown {
  const [written, shown]: [string[], string[]] = [[], []];
  let now = 1_000_000;
  const output = createCollectOutput({
    write: (text) => written.push(text),
    lines,
    terminal: terminal ? (text) => shown.push(text) : undefined,
    clock: () => now,
  });
  return {
    output,
    written,
    shown,
    pass(milliseconds) {
      now += milliseconds;
    },
  };
}

const wipe = '\r\u001b[K';

describe('progress', () => {
  test('takes the place of what was shown before, and is wiped at the end', () => {
    const { output, shown, pass } = printing();
    output.progress('marking: 1 repositories');
    pass(1_000);
    output.progress('marking: 2 repositories');
    output.end();
    assert.deepEqual(shown, [`${wipe}marking: 1 repositories`, `${wipe}marking: 2 repositories`, wipe]);
  });

  test('is shown a few times in a second, however often it is told', () => {
    const { output, shown, pass } = printing();
    for (let count = 0; count < 10_000; count++) {
      output.progress(`deleting manifests: ${count}`);
      pass(1);
    }
    assert.ok(shown.length >= 10 && shown.length <= 100, String(shown.length));
  });

  test('goes nowhere without a terminal; one on which nothing was shown is not wiped', () => {
    const without = printing({ terminal: false });
    without.output.progress('marking');
    without.output.end();
    assert.deepEqual([without.shown, without.written], [[], []]);
    const calm = printing();
    calm.output.line('app');
    calm.output.end();
    assert.deepEqual(calm.shown, []);
  });

  test('is told of a whole run: what is marked, what is deleted', async () => {
    const ground = createGround();
    await ground.image('app', 'v1');
    await ground.image('app');
    const { output, shown } = printing({ lines: false });
    const told: string[] = [];
    const progress = (text: string): void => {
      told.push(text);
      output.progress(text);
    };
    await collect(
      { dryRun: false, untagged: true, cutoff: Date.now() + 60_000, seed: 1 },
      { store: ground.store, log: silent, output: { ...output, progress }, forget: async () => undefined },
    );
    output.end();
    assert.ok(
      told.some((text) => /^marking: 1 repositories, \d+ manifests$/.test(text)),
      told.join('; '),
    );
    assert.ok(told.includes('deleting manifests: 1'), told.join('; '));
    assert.equal(shown.at(-1), wipe);
  });
});

describe('lines', () => {
  test('come in order and whole; the last of them at the end', () => {
    const { output, written, pass } = printing();
    const expected = Array.from({ length: 5_000 }, (_, count) => `app: marking blob ${count}`);
    for (const line of expected) {
      output.line(line);
      pass(1);
    }
    output.end();
    assert.equal(written.join(''), `${expected.join('\n')}\n`);
    assert.ok(written.length < 500, `${written.length} writes`);
  });

  test('are gathered up to a bound', () => {
    const { output, written } = printing();
    for (let count = 0; count < 10_000; count++) output.line('x'.repeat(99));
    output.end();
    assert.equal(written.join('').length, 1_000_000);
    assert.ok(Math.max(...written.map((text) => text.length)) <= 64 * 1024);
  });

  test('that nobody wants are not written', () => {
    const { output, written } = printing({ lines: false });
    output.line('app');
    output.end();
    assert.deepEqual(written, []);
  });
});
