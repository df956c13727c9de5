import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { precondition, rangeApplies } from '../../../registry/http/conditional.ts';
import { createBaseUrl } from '../../../registry/http/location.ts';
import { foldName, tidied, withoutSlash } from '../../../registry/http/path.ts';
import { parseContentRange, parseRange } from '../../../registry/http/range.ts';
import { createUploadStates } from '../../../registry/http/upload-state.ts';
import type { Digest } from '../../../registry/oci/digest.ts';
import { RegistryError } from '../../../registry/oci/error.ts';

test('names are folded up to the last marker, since a name may contain markers', () => {
  const cases: [string, string][] = [
    ['/v2/a/b/manifests/t', '/v2/a%2Fb/manifests/t'],
    ['/v2/a/blobs/uploads/blobs/sha256:0', '/v2/a%2Fblobs%2Fuploads/blobs/sha256:0'],
    ['/v2/a/blobs/uploads/', '/v2/a/blobs/uploads/'],
    ['/v2/a/b/blobs/uploads/id?_state=x/y', '/v2/a%2Fb/blobs/uploads/id?_state=x/y'],
    ['/v2/manifests/manifests/manifests', '/v2/manifests/manifests/manifests'],
    ['/v2/tags/list/tags/list', '/v2/tags%2Flist/tags/list'],
    ['/v2/a/b/c/referrers/sha256:0?n=1', '/v2/a%2Fb%2Fc/referrers/sha256:0?n=1'],
    ['/v2/_catalog', '/v2/_catalog'],
    ['/v2/', '/v2/'],
    ['/other/a/b/tags/list', '/other/a/b/tags/list'],
  ];
  for (const [url, folded] of cases) assert.equal(foldName(url, '/'), folded, url);
  assert.equal(foldName('/p/v2/a/b/tags/list', '/p/'), '/p/v2/a%2Fb/tags/list');
  assert.equal(foldName('/v2/a/b/tags/list', '/p/'), '/v2/a/b/tags/list');
});

test('Range: RFC 9110 section 14', () => {
  const cases: [string | undefined, number[][] | undefined][] = [
    [undefined, undefined],
    ['bytes=500-1499', [[500, 1499]]],
    ['bytes=500-', [[500, 2047]]],
    ['bytes=-500', [[1548, 2047]]],
    ['bytes=2000-5000', [[2000, 2047]]],
    ['bytes=-5000', [[0, 2047]]],
    ['bytes=500-0', []],
    ['bytes=5000-10000', []],
    ['bytes=-0', []],
    [
      'bytes=0-1, 5-6',
      [
        [0, 1],
        [5, 6],
      ],
    ],
    ['bytes=5000-, 5-6', [[5, 6]]],
    ['bytes=0-9,', [[0, 9]]],
    ['bytes=0-4,2-9', [[0, 9]]],
    ['bytes=0-4,5-9', [[0, 9]]],
    [
      'bytes=100-199,0-9,300-,190-299',
      [
        [100, 2047],
        [0, 9],
      ],
    ],
    [
      'bytes=20-29,0-9,5-14',
      [
        [20, 29],
        [0, 14],
      ],
    ],
    ['bytes=,', undefined],
    ['bytes=', undefined],
    ['bytes=a-b', undefined],
    ['items=0-1', undefined],
    [`bytes=${'0-1,'.repeat(20)}0-1`, undefined],
  ];
  for (const [header, expected] of cases) {
    const spans = parseRange(header, 2048)?.map(({ first, last }) => [first, last]);
    assert.deepEqual(spans, expected, header);
  }
  assert.equal(parseRange('bytes=0-', 0), undefined, 'of empty content the whole is served');
});

test('paths with slashes too many lead to the one that is meant, on this host', () => {
  const cases: [string, string | undefined][] = [
    ['/v2/', undefined],
    ['/v2/a/manifests/..dots', undefined],
    ['/v2/a/blobs/uploads/id?_state=a//b', undefined],
    ['//v2//?n=1', '/v2/?n=1'],
    ['/v2//a/tags/list', '/v2/a/tags/list'],
    ['//evil.example/', '/evil.example/'],
    ['/v2/a/../../../../b', '/b'],
    ['/v2/a/.', '/v2/a'],
    ['//', '/'],
  ];
  for (const [url, expected] of cases) assert.equal(tidied(url), expected, url);
  assert.equal(withoutSlash('/v2/a/tags/list/?n=1'), '/v2/a/tags/list?n=1');
  assert.equal(withoutSlash('/v2/a/blobs/uploads/id/'), '/v2/a/blobs/uploads/id');
  assert.equal(withoutSlash('/v2/a/'), undefined);
});

test('Content-Range of a chunk: digits-digits, no unit, no total', () => {
  assert.deepEqual(parseContentRange('0-1023'), { first: 0, last: 1023 });
  assert.equal(parseContentRange(undefined), undefined);
  for (const bad of ['bytes 0-1', '1', '0-1/2', '-1', '', '0x1-2', `0-${'9'.repeat(30)}`]) {
    assert.throws(
      () => parseContentRange(bad),
      (error) => error instanceof RegistryError && error.code === 'CONTENT_RANGE_INVALID',
      bad,
    );
  }
});

test('preconditions: RFC 9110 section 13', () => {
  const digest = `sha256:${'0'.repeat(64)}` as Digest;
  assert.equal(precondition({ 'if-none-match': `"x", W/"${digest}"` }, digest), 304);
  assert.equal(precondition({ 'if-none-match': '*' }, digest), 304);
  assert.equal(precondition({ 'if-none-match': digest }, digest), 304);
  assert.equal(precondition({ 'if-none-match': '"x"' }, digest), undefined);
  assert.equal(precondition({ 'if-match': '"x"' }, digest), 412);
  assert.equal(precondition({ 'if-match': `"${digest}"` }, digest), undefined);
  assert.equal(precondition({ 'if-match': `W/"${digest}"` }, digest), 412, 'weak tags never match strongly');
  assert.ok(rangeApplies({}, digest) && rangeApplies({ 'if-range': `"${digest}"` }, digest));
  assert.ok(!rangeApplies({ 'if-range': 'Sat, 21 Nov 2026 00:00:00 GMT' }, digest));
});

test('base of URLs: http.host, Forwarded, X-Forwarded, Host, in this order; nothing is injected', () => {
  const request = (headers: object) => ({ headers, socket: {} }) as unknown as IncomingMessage;
  const base = createBaseUrl({ host: undefined, prefix: '/p/', relativeurls: false });
  assert.equal(base(request({ host: 'a:5000' })), 'http://a:5000/p');
  assert.equal(
    base(request({ host: 'a', 'x-forwarded-proto': 'https, http', 'x-forwarded-host': 'b' })),
    'https://b/p',
  );
  assert.equal(base(request({ host: 'a', forwarded: 'for=1;proto=https;host="c:1", for=2' })), 'https://c:1/p');
  assert.equal(
    base(request({ host: 'a', forwarded: 'proto=https', 'x-forwarded-host': 'b' })),
    'https://a/p',
    'the two kinds of headers are not mixed',
  );
  assert.equal(base(request({ host: 'a', 'x-forwarded-host': 'evil/\r\nx' })), '/p');
  assert.equal(base(request({})), '/p');
  assert.equal(
    createBaseUrl({ host: 'https://r.example/x/', prefix: '', relativeurls: true })(request({})),
    'https://r.example/x',
  );
  assert.equal(createBaseUrl({ host: undefined, prefix: '', relativeurls: true })(request({ host: 'a' })), '');
});

test('upload states: ours open again, others and foreign ones do not', () => {
  const states = createUploadStates('secret', () => new Date(0));
  const token = decodeURIComponent(states.seal({ name: 'a/b', id: 'u', offset: 7 }));
  assert.match(token, /^[A-Za-z0-9_=-]+$/);
  assert.equal(states.open(token, 'a/b', 'u').offset, 7);
  const foreign = createUploadStates('other', () => new Date(0));
  for (const attempt of [
    () => foreign.open(token, 'a/b', 'u'),
    () => states.open(token, 'a/c', 'u'),
    () => states.open(token, 'a/b', 'v'),
    () => states.open('', 'a/b', 'u'),
    () => states.open(`${token.slice(0, -6)}AAAA`, 'a/b', 'u'),
  ]) {
    assert.throws(attempt, (error) => error instanceof RegistryError && error.code === 'BLOB_UPLOAD_INVALID');
  }
});
