import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type AccessEntry, createAccessLog } from '../../../registry/log/access.ts';

const entry: AccessEntry = {
  remoteAddress: '192.0.2.7',
  time: Date.UTC(2026, 9, 10, 13, 55, 36, 999),
  method: 'GET',
  uri: '/v2/a/manifests/latest',
  httpVersion: '1.1',
  status: 200,
  bytes: 2326,
  userAgent: 'crane/0.20',
};

function line(given: Partial<AccessEntry>): string {
  const lines: string[] = [];
  const stream = { write: (text: string) => void lines.push(text), flushSync() {} };
  createAccessLog({ disabled: false }, { stream })?.({ ...entry, ...given });
  assert.equal(lines.length, 1);
  return lines[0] ?? '';
}

suite('the access log', () => {
  test("is Apache's combined format, in the zone of the process", () => {
    const found = /^(.*) \[(.*)\] (.*)\n$/.exec(line({ user: 'ann', referer: 'https://r' }));
    assert.equal(found?.[1], '192.0.2.7 - ann');
    assert.equal(found?.[3], '"GET /v2/a/manifests/latest HTTP/1.1" 200 2326 "https://r" "crane/0.20"');
    const [, day, month, year, time, zone] =
      /^(\d\d)\/(\w{3})\/(\d{4}):(\S+) ([+-]\d{4})$/.exec(found?.[2] ?? '') ?? [];
    assert.equal(new Date(`${day} ${month} ${year} ${time} GMT${zone}`).getTime(), Date.UTC(2026, 9, 10, 13, 55, 36));
  });

  test('has a dash for who is not known', () => {
    assert.match(line({ remoteAddress: undefined }), /^- - - \[/);
  });

  test('does not show the state of an upload', () => {
    assert.match(line({ uri: '/u?_state=hunter2&digest=d' }), /"GET \/u\?_state=\[redacted\]&digest=d HTTP/);
  });

  test('shows of a referer neither query nor user, and no credentials of whatever a client sends', () => {
    const found = line({
      referer: 'https://u:hunter2@ui.example/a?session=hunter2',
      userAgent: 'x Bearer hunter2hunter2',
    });
    assert.ok(found.endsWith('"https://[redacted]@ui.example/a?[redacted]" "x Bearer [redacted]"\n'), found);
  });

  test('keeps its shape whatever a client sends', () => {
    const odd = line({ userAgent: 'a" 200 1 "b\\\n\u0000\u009b', uri: '/"\r\n', referer: '\t' });
    assert.ok(
      odd.endsWith('"GET /\\"\\x0d\\x0a HTTP/1.1" 200 2326 "\\x09" "a\\" 200 1 \\"b\\\\\\x0a\\x00\\x9b"\n'),
      odd,
    );
  });

  test('is not there when turned off', () => {
    assert.equal(createAccessLog({ disabled: true }, { stream: { write() {}, flushSync() {} } }), undefined);
  });
});
