import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { listed, runConformance } from '../support/conformance.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { parseChallenge } from './client.ts';
import { dataSets } from './datasets.ts';
import { type Answer, appendQuery, createTransport, digestOf, rewriteQuery } from './http.ts';
import { checkInvariants } from './invariants.ts';
import { parseOptions, UsageError } from './options.ts';

/** The conformance program itself: what it is told, how it speaks, and that it notices what is wrong. */

function answerOf(status: number, headers: Record<string, string> = {}, body = ''): Answer {
  return {
    request: { method: 'GET', url: 'http://registry/v2/a/manifests/b' },
    status,
    lines: Object.entries(headers),
    body: Buffer.from(body),
    header: (name) => headers[name.toLowerCase()],
  };
}

describe('the command line', () => {
  test('a URL loses its slashes and /v2/; core is the default group', () => {
    const options = parseOptions(['http://127.0.0.1:5000/base/v2/']);
    assert.equal(options?.url, 'http://127.0.0.1:5000/base');
    assert.deepEqual(options.groups, ['core']);
    assert.equal(options.strict, false);
  });

  test('groups come as a list, and no more than once each', () => {
    assert.deepEqual(parseOptions(['http://h', '--group', 'core,auth', '--group', 'auth'])?.groups, ['core', 'auth']);
  });

  for (const [what, argv] of Object.entries({
    'no URL': [],
    'a host without scheme': ['127.0.0.1:5000'],
    'two URLs': ['http://a', 'http://b'],
    'an unknown group': ['http://a', '--group', 'cores'],
    'an unknown flag': ['http://a', '--verbose'],
    'a bad name': ['http://a', '--repository', 'A/b'],
    'a password file that is not there': ['http://a', '--password-file', '/nowhere/at/all'],
    'an unknown set of answers': ['http://a', '--strict', 'zot'],
    'no concurrency': ['http://a', '--concurrency', '0'],
    'a bad expression': ['http://a', '--only', '('],
  })) {
    test(`${what} is refused with a sentence`, () => {
      assert.throws(() => parseOptions(argv), UsageError);
    });
  }
});

describe('how it speaks', () => {
  test('queries are appended to what is there, and rewritten with sorted keys', () => {
    const digest = digestOf(Buffer.alloc(0));
    assert.equal(appendQuery('http://h/x?b=1', { digest }), `http://h/x?b=1&digest=${digest.replace(':', '%3A')}`);
    assert.equal(rewriteQuery('http://h/x?b=%7E&a=Zg%3D%3D'), 'http://h/x?a=Zg%3D%3D&b=%7E');
    assert.equal(rewriteQuery('http://h/x'), 'http://h/x');
  });

  test('framing, header lines and query reach the wire as they were said', async (t) => {
    const seen: { headers: string[]; url: string | undefined; body: string }[] = [];
    const url = await serve(t, (request, response) => {
      let body = '';
      request.on('data', (text) => {
        body += String(text);
      });
      request.on('end', () => {
        seen.push({ headers: request.rawHeaders.map((text) => text.toLowerCase()), url: request.url, body });
        response.end();
      });
    });
    const transport = createTransport();
    t.after(async () => transport.close());
    const send = (request: object) => transport.exchange({ method: 'PUT', url: `${url}/a//b?x=%zz`, ...request });
    await send({ framing: 'chunked', body: Buffer.alloc(0), headers: { accept: ['one', 'two'] } });
    await send({ body: Buffer.from('abc') });
    await send({ method: 'DELETE' });
    const [chunked, sized, bare] = seen;
    assert.equal(chunked?.url, '/a//b?x=%zz');
    assert.ok(chunked.headers.includes('chunked') && !chunked.headers.includes('content-length'));
    assert.deepEqual(
      chunked.headers.filter((_, at) => chunked.headers[at - 1] === 'accept'),
      ['one', 'two'],
    );
    assert.deepEqual([sized?.body, sized?.headers.includes('content-length')], ['abc', true]);
    assert.equal(bare?.headers[bare.headers.indexOf('content-length') + 1], '0');
  });

  test('challenges: the scheme, and only quoted parameters', () => {
    const { scheme, parameters } = parseChallenge(
      'Bearer realm="https://a/basic?x=1",service="s",scope="repository:a:pull,push"',
    );
    assert.equal(scheme, 'bearer');
    assert.deepEqual(parameters, { realm: 'https://a/basic?x=1', service: 's', scope: 'repository:a:pull,push' });
    assert.deepEqual(parseChallenge('Basic realm=bare').parameters, {});
  });

  test('every data set is random but whole: its digests are those of its bytes', () => {
    for (const { name, roots } of dataSets()) {
      for (const { manifest } of roots) {
        for (const part of [manifest, ...manifest.blobs, ...manifest.children]) {
          const [algorithm] = part.descriptor.digest.split(':');
          assert.equal(part.descriptor.digest, digestOf(part.bytes, algorithm), name);
        }
      }
    }
  });
});

describe('what it notices in any answer', () => {
  const json = { 'content-type': 'application/json' };
  for (const [what, answer] of Object.entries({
    'a 500': answerOf(500),
    'a 429 without Retry-After': answerOf(429),
    'a code in small letters': answerOf(404, json, '{"errors":[{"code":"name_unknown"}]}'),
    'a code of its own': answerOf(404, json, '{"errors":[{"code":"OUT_OF_COFFEE"}]}'),
    'a list that is empty': answerOf(404, json, '{"errors":[]}'),
    'a body that is no JSON': answerOf(404, json, 'not found'),
    'a Warning with a date': answerOf(200, { warning: '299 - "text" "Wed, 21 Oct 2015 07:28:00 GMT"' }),
    'a Warning of 5000 bytes': answerOf(200, { warning: `299 - "${'x'.repeat(5000)}"` }),
  })) {
    test(what, () => {
      assert.throws(() => checkInvariants(answer, false));
    });
  }

  test('a plain-text 404 is allowed, but not where JSON is promised', () => {
    checkInvariants(answerOf(404, { 'content-type': 'text/plain' }, 'no'), false);
    assert.throws(() => checkInvariants(answerOf(404, { 'content-type': 'text/plain' }, 'no'), true));
  });
});

describe('the groups and the outcome', () => {
  test('limits: a 429 without Retry-After fails, with it passes', async (t) => {
    for (const headers of [{}, { 'retry-after': '1' }]) {
      let asked = 0;
      const url = await serve(t, (_, response) => {
        const refused = asked++ > 300;
        response.writeHead(refused ? 429 : 200, { 'content-type': 'application/json', ...headers });
        response.end(refused ? '{"errors":[{"code":"TOOMANYREQUESTS"}]}' : '{}');
      });
      const { counts, code } = await runConformance(url, '--group', 'limits');
      assert.deepEqual([counts.fail, code], 'retry-after' in headers ? [0, 0] : [1, 1]);
    }
  });

  test('a run of no test has failed', async (t) => {
    const url = await serve(t, (_, response) => response.end());
    const { counts, code } = await runConformance(url, '--only', 'no test is called so');
    assert.deepEqual([counts.tests, code], [0, 1]);
  });

  test('Berth in memory: 0 failed, 0 skipped', async (t) => {
    const root = join(await temporaryFolder(t), 'data');
    const server = await startRegistry(t, { root, config: { storage: { filesystem: undefined, inmemory: {} } } });
    const result = await runConformance(server.url, '--strict', 'berth', '--keep');
    assert.ok(result.counts.tests > 300);
    assert.equal(result.counts.fail, 0, `failed:\n${listed(result, 'fail')}`);
    assert.equal(result.counts.skip, 0, `skipped:\n${listed(result, 'skip')}`);
  });
});

async function serve(t: TestContext, listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
