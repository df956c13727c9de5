import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { LogConfig } from '../../../registry/config/types.ts';
import { createLogger } from '../../../registry/log.ts';

const config: LogConfig = {
  level: 'info',
  formatter: 'text',
  fields: { service: 'registry', site: 'a b' },
  accesslog: { disabled: false },
  reportcaller: false,
};

/** What a logger of this configuration writes. */
function written(given: Partial<LogConfig>, use: (log: ReturnType<typeof createLogger>) => void): readonly string[] {
  const lines: string[] = [];
  const stream = { write: (text: string) => void lines.push(text), flushSync() {} };
  use(createLogger({ ...config, ...given }, { stream, instanceId: 'i-1', version: '1.2.3' }));
  assert.ok(
    lines.every((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1),
    'one line each',
  );
  return lines;
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

suite('text', () => {
  test('is what logrus writes', () => {
    const [line = ''] = written({}, (log) =>
      log.info(
        { 'http.response.status': 200, 'vars.name': 'a/b', empty: '', none: undefined, ok: true },
        'response completed',
      ),
    );
    assert.equal(
      line.replace(TIME, 'TIME'),
      'time="TIME" level=info msg="response completed" http.response.status=200 vars.name=a/b empty="" ok=true ' +
        'service=registry site="a b" instance.id=i-1 version=1.2.3\n',
    );
  });

  test('a value can end neither its quotes nor the line', () => {
    const [line = ''] = written({ fields: {} }, (log) => log.warn({ ua: 'x" level=info\nmsg=forged' }, 'a\nb'));
    assert.match(line, /level=warning msg="a\\nb" ua="x\\" level=info\\nmsg=forged" /);
  });

  test('a value that holds itself is no reason to fail', () => {
    const circle: Record<string, unknown> = { a: 1 };
    circle['self'] = circle;
    const [line = ''] = written({}, (log) => log.info({ circle, big: 10n }, 'm'));
    assert.match(line, /circle=.* big=10/);
  });
});

suite('json', () => {
  test("has Distribution's fields", () => {
    const [line = ''] = written({ formatter: 'json' }, (log) => log.warn({ 'vars.name': 'a/b' }, 'm'));
    const { time, ...rest } = JSON.parse(line);
    assert.match(time, TIME);
    assert.deepEqual(rest, {
      level: 'warning',
      msg: 'm',
      'instance.id': 'i-1',
      version: '1.2.3',
      service: 'registry',
      site: 'a b',
      'vars.name': 'a/b',
    });
  });

  test('as logstash wants it', () => {
    const [line = ''] = written({ formatter: 'logstash' }, (log) => log.error({}, 'm'));
    const fields = JSON.parse(line);
    assert.match(fields['@timestamp'], TIME);
    assert.equal(fields['@version'], '1');
    assert.equal(fields.message, 'm');
    assert.equal(fields.level, 'error');
    assert.equal(fields.type, 'log');
    assert.equal(fields.time, undefined);
    assert.equal(fields.msg, undefined);
  });

  test("logstash's type is what the static fields say, if they do", () => {
    const [line = ''] = written({ formatter: 'logstash', fields: { type: 'registry' } }, (log) => log.error({}, 'm'));
    assert.equal(JSON.parse(line).type, 'registry');
  });

  test('a static field that every line has anyway is set aside, as logrus does', () => {
    const fields = { level: 'mine', msg: 'mine', time: 'mine', func: 'mine', 'instance.id': 'mine' };
    const [line = ''] = written({ formatter: 'json', fields }, (log) => log.info({}, 'm'));
    assert.equal(line.match(/"level":/g)?.length, 1, line);
    const { level, msg, func, ...rest } = JSON.parse(line);
    assert.deepEqual([level, msg, func], ['info', 'm', 'mine']);
    assert.deepEqual([rest['fields.level'], rest['fields.msg'], rest['fields.time']], ['mine', 'mine', 'mine']);
    assert.equal(rest['instance.id'], 'i-1');
  });
});

suite('log.reportcaller', () => {
  for (const formatter of ['text', 'json', 'logstash'] as const) {
    test(`${formatter}: names the function and the line that wrote it`, () => {
      const [line = ''] = written({ formatter, reportcaller: true }, function teller(log) {
        log.info({}, 'm');
      });
      const here = import.meta.filename.replaceAll('/', '\\/').replaceAll('.', '\\.');
      assert.match(line, /func(=|":")teller/);
      assert.match(line, new RegExp(`file(=|":)"${here}:\\d+"`));
    });
  }

  test('is off by default, and costs no field', () => {
    const [line = ''] = written({ formatter: 'json' }, (log) => log.info({}, 'm'));
    assert.deepEqual([JSON.parse(line).func, JSON.parse(line).file], [undefined, undefined]);
  });
});

suite('levels', () => {
  const levels = ['debug', 'info', 'warn', 'error'] as const;
  for (const formatter of ['text', 'json'] as const) {
    for (const [index, level] of levels.entries()) {
      test(`${formatter}: ${level} leaves out what is below it`, () => {
        const lines = written({ formatter, level }, (log) => {
          for (const each of levels) log[each]({}, each);
        });
        assert.equal(lines.length, levels.length - index);
      });
    }
  }
});

suite('secrets', () => {
  const SECRET = 'hunter2';
  const fields = [
    { authorization: `Basic ${SECRET}` },
    { 'http.request.header.Authorization': SECRET },
    { headers: { authorization: SECRET, 'Set-Cookie': [SECRET] } },
    { config: { http: { secret: SECRET }, redis: [{ password: SECRET }] } },
    { 'proxy.password': SECRET, access_token: SECRET, secretkey: SECRET },
    { 'http.request.uri': `/v2/a/blobs/uploads/u?_state=${SECRET}&digest=sha256:0` },
    { location: [`/v2/a/blobs/uploads/u?x=y&_state=${SECRET}`] },
    { err: new Error(`GET /x?_state=${SECRET}: failed`) },
    { err: new Error('failed', { cause: new Error(`PUT https://k:${SECRET}@bucket/x`) }) },
    { err: Object.assign(new Error('failed'), { code: 'X', detail: { sent: [`Bearer ${SECRET}`] } }) },
    { 'redis.sentinelpassword': SECRET, sessiontoken: SECRET, credentials: { private_key: SECRET } },
    { headers: { 'X-Custom-Key': [SECRET] } },
    { 'http.request.uri': `/v2/?%5Fstate=${SECRET}` },
    { 'http.request.uri': `/v2/?n=1&Access_Token=${SECRET}` },
    { url: `https://user:${SECRET}@registry.example/v2/` },
    { url: `https://user:p@${SECRET}@registry.example/v2/` },
    {
      url: `https://bucket.example/k?X-Amz-Credential=${SECRET}&X-Amz-Signature=${SECRET}&X-Amz-Security-Token=${SECRET}`,
    },
    { url: `https://cdn.example/k?Policy=${SECRET}&Signature=${SECRET}&Key-Pair-Id=K` },
    { url: `https://a.blob.example/k?sv=2024&sig=${SECRET}` },
    { url: `https://storage.example/k?X-Goog-Signature=${SECRET}` },
    { note: `authorization was Basic ${SECRET}` },
  ];
  for (const formatter of ['text', 'json', 'logstash'] as const) {
    for (const given of fields) {
      test(`${formatter}: ${Object.keys(given)}`, () => {
        const [line = ''] = written({ formatter }, (log) => log.error(given, 'm'));
        assert.ok(line.includes('[redacted]'), line);
        assert.ok(!line.includes(SECRET), line);
      });
    }
  }

  test('a message is no place for them either', () => {
    const [line = ''] = written({}, (log) => log.error({}, `cannot ask https://u:${SECRET}@host/`));
    assert.match(line, /msg="cannot ask https:\/\/\[redacted\]@host\/"/);
  });

  const harmless = [
    'Bearer realm="https://auth.example/token",service="s",scope="repository:a:pull"',
    'Basic authentication is asked for',
    '/v2/a/blobs/uploads/?mount=sha256:00&from=b',
    '/v2/_catalog?n=5&last=token',
    'https://registry.example/a@sha256:00',
    'ann@example.org',
  ];
  for (const text of harmless) {
    test(`"${text}" is none`, () => {
      const [line = ''] = written({ formatter: 'json' }, (log) => log.info({ text }, 'm'));
      assert.equal(JSON.parse(line).text, text);
    });
  }

  test("what is beside them stays, and the caller's object too", () => {
    const given = { uri: '/u?_state=s&digest=d', password: 'p', count: 1 };
    const [line = ''] = written({ formatter: 'json' }, (log) => log.info(given, 'm'));
    const { uri, password, count } = JSON.parse(line);
    assert.deepEqual(
      { uri, password, count },
      { uri: '/u?_state=[redacted]&digest=d', password: '[redacted]', count: 1 },
    );
    assert.equal(given.password, 'p');
  });
});

suite('errors', () => {
  test('with a code become flat fields without a stack', () => {
    const err = Object.assign(new Error('no space', { cause: new Error('ENOSPC') }), {
      code: 'no-space',
      detail: { a: 1 },
    });
    const [line = ''] = written({ formatter: 'json' }, (log) => log.error({ err }, 'm'));
    const fields = JSON.parse(line);
    assert.equal(fields['err.message'], 'no space');
    assert.equal(fields['err.code'], 'no-space');
    assert.deepEqual(fields['err.detail'], { a: 1 });
    assert.equal(fields['err.cause'], 'ENOSPC');
    assert.equal(fields['err.stack'], undefined);
    assert.equal(fields.err, undefined);
  });

  test('that nobody foresaw keep their stack', () => {
    const [line = ''] = written({ formatter: 'json' }, (log) => log.error({ err: new TypeError('x is not y') }, 'm'));
    assert.match(JSON.parse(line)['err.stack'], /TypeError: x is not y\n/);
  });
});
