/** What the process does with signals. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { suite, test } from 'node:test';
import { silent } from '../../registry/log.ts';
import { listenForSignals } from '../../registry/signals.ts';
import { eventually } from '../support/eventually.ts';
import { startObserved } from './observed.ts';

suite('SIGHUP', () => {
  test('does not end the process, as it does Distribution, and says what it did', async (t) => {
    const server = await startObserved(t);
    server.signal('SIGHUP');
    await server.line('SIGHUP: this configuration has nothing that is read anew; restart to change it');
    assert.equal((await fetch(`${server.url}/v2/`)).status, 200);
    server.signal('SIGTERM');
    assert.equal(await server.ended, 0);
  });

  test('has everything read anew that can be; what fails keeps nothing else from its turn', async () => {
    const process = new EventEmitter();
    const told: unknown[] = [];
    const log = {
      ...silent,
      info: (fields: object, message: string) => void told.push({ ...fields, message }),
      error: (fields: object, message: string) => void told.push({ ...fields, message }),
    };
    const signals = listenForSignals({ process, log, exit: () => assert.fail('ended') });
    const done: string[] = [];
    signals.onReload('first', () => {
      throw new Error('gone');
    });
    signals.onReload('second', async () => void done.push('second'));
    process.emit('SIGHUP');
    process.emit('SIGHUP');
    await eventually(() => assert.equal(told.length, 4));
    assert.deepEqual(done, ['second', 'second']);
    assert.deepEqual(told.filter((line) => (line as { what: string }).what === 'second')[0], {
      what: 'second',
      message: 'SIGHUP: read anew',
    });
  });
});

test('SIGTERM and SIGINT ask to end; the second does not wait', async () => {
  const process = new EventEmitter();
  const codes: number[] = [];
  const signals = listenForSignals({ process, log: silent, exit: (code) => void codes.push(code) });
  process.emit('SIGINT');
  await signals.asked;
  assert.deepEqual(codes, []);
  process.emit('SIGTERM');
  assert.deepEqual(codes, [1]);
});
