/** Blobs: whole, in ranges, under conditions, absent, damaged, deleted. */
import { digestOf } from '../../support/push-client.ts';
import { digests, layer } from '../content.ts';
import { type Area, exchange, one, step } from '../exchange.ts';

const path = `/v2/app/blobs/${digests.layer}`;
const tag = `"${digests.layer}"`;
const hex = digests.layer.slice(7);

const ranges = [
  ...['bytes=0-0', 'bytes=0-9', 'bytes=10-', 'bytes=-10', 'bytes=990-2000', 'bytes=0-999', 'bytes=-5000', 'bytes=-0'],
  ...[
    'bytes=1000-',
    'bytes=1000-1001',
    'bytes=5000-6000',
    'bytes=9-3',
    'bytes=0-0,5-9',
    'bytes=0-9,2000-',
    'bytes=0-4,2-9',
  ],
  ...['bytes=0-9,5-14', 'bytes=500-509,0-9', 'bytes=', 'bytes=a-b', 'bytes=-', 'octets=0-9', 'bytes 0-9', 'bytes=0-9,'],
  ...[
    'bytes=0-9,x',
    ' bytes=0-9',
    'bytes= 0 - 9',
    'BYTES=0-9',
    'bytes=2000-,3000-',
    `bytes=${Array.from({ length: 20 }, (_, at) => `${at * 10}-${at * 10 + 1}`).join(',')}`,
  ],
];

const conditions: readonly (readonly [string, Record<string, string>])[] = [
  ['If-None-Match', { 'If-None-Match': tag }],
  ['If-None-Match without quotes', { 'If-None-Match': digests.layer }],
  ['If-None-Match in a list', { 'If-None-Match': `"x", ${tag}` }],
  ['If-None-Match weak', { 'If-None-Match': `W/${tag}` }],
  ['If-None-Match *', { 'If-None-Match': '*' }],
  ['If-None-Match another', { 'If-None-Match': '"x"' }],
  ['If-Match', { 'If-Match': tag }],
  ['If-Match *', { 'If-Match': '*' }],
  ['If-Match another', { 'If-Match': '"x"' }],
  ['If-Match weak', { 'If-Match': `W/${tag}` }],
  ['If-Range with Range', { 'If-Range': tag, Range: 'bytes=0-9' }],
  ['If-Range another with Range', { 'If-Range': '"x"', Range: 'bytes=0-9' }],
  ['If-Range a date with Range', { 'If-Range': 'Wed, 21 Oct 2015 07:28:00 GMT', Range: 'bytes=0-9' }],
  ['If-None-Match with Range', { 'If-None-Match': tag, Range: 'bytes=0-9' }],
  ['If-Modified-Since', { 'If-Modified-Since': 'Wed, 21 Oct 2015 07:28:00 GMT' }],
  ['If-Unmodified-Since', { 'If-Unmodified-Since': 'Wed, 21 Oct 2015 07:28:00 GMT' }],
  ['Accept-Encoding', { 'Accept-Encoding': 'gzip' }],
];

export const blobs: Area = {
  name: 'blobs',
  exchanges: [
    one(`GET ${path}`),
    one(`HEAD ${path}`),
    one(`GET /v2/app/blobs/${digests.config}`),
    one(`GET /v2/app/blobs/${digests.largeLayer}`),
    one(`GET /v2/app/blobs/${digestOf(Buffer.alloc(0))}`, {}, 'empty'),
    one(`GET /v2/app/blobs/${digestOf(Buffer.alloc(0))}`, { headers: { Range: 'bytes=0-0' } }, 'empty, a range'),
    one(`GET /v2/app/blobs/${digestOf(Buffer.alloc(0))}`, { headers: { Range: 'bytes=-1' } }, 'empty, its last byte'),
    one(`HEAD ${path}`, { headers: { Range: 'bytes=0-9' } }, 'Range'),
    one(`HEAD ${path}`, { headers: { Range: 'bytes=2000-' } }, 'Range beyond the end'),
    one(`HEAD ${path}`, { headers: { 'If-None-Match': tag } }, 'If-None-Match'),
    ...ranges.map((range) =>
      one(`GET ${path}`, { headers: { Range: range } }, range.length > 100 ? '20 ranges' : range),
    ),
    ...conditions.map(([what, headers]) => one(`GET ${path}`, { headers }, what)),
    one(`GET /v2/app/blobs/${digests.image}`, {}, 'of a manifest'),
    one(`GET /v2/app/blobs/${digests.nowhere}`),
    one(`HEAD /v2/app/blobs/${digests.nowhere}`),
    one(`GET /v2/unknown/blobs/${digests.layer}`),
    one(`GET /v2/z/blobs/${digests.largeLayer}`, {}, 'of another repository'),
    one(`GET /v2/broken/blobs/${digests.nowhere}`, {}, 'link without data'),
    one(`GET /v2/broken/blobs/${digests.largeLayer}`, {}, 'empty link'),
    one('GET /v2/app/blobs/sha256:abc'),
    one(`GET /v2/app/blobs/sha256:${hex.toUpperCase()}`),
    one(`GET /v2/app/blobs/${hex}`, {}, 'without an algorithm'),
    one(`GET /v2/app/blobs/md5:${'a'.repeat(32)}`),
    one(`GET /v2/app/blobs/sha512:${'a'.repeat(128)}`),
    one(`GET /v2/app/blobs/sha384:${'a'.repeat(96)}`),
    one(`GET /v2/app/blobs/sha256:${'a'.repeat(65)}`, {}, '65 digits'),
    exchange(
      'DELETE a blob',
      step('POST /v2/targets/blobs/uploads/'),
      step(`PUT {L}&digest=${digestOf(Buffer.from('doomed'))}`, { body: 'doomed' }),
      step(`DELETE /v2/targets/blobs/${digestOf(Buffer.from('doomed'))}`),
      step(`GET /v2/targets/blobs/${digestOf(Buffer.from('doomed'))}`),
      step(`DELETE /v2/targets/blobs/${digestOf(Buffer.from('doomed'))}`),
    ),
    one(`DELETE /v2/app/blobs/${digests.nowhere}`),
    one(`DELETE /v2/unknown/blobs/${digests.layer}`),
    one('DELETE /v2/app/blobs/sha256:abc'),
    exchange(
      'a blob that is known by its SHA-512',
      step('POST /v2/targets/blobs/uploads/'),
      step(`PUT {L}&digest=${digestOf(Buffer.from('alias'), 'sha512')}`, { body: 'alias' }),
      step(`GET /v2/targets/blobs/${digestOf(Buffer.from('alias'), 'sha512')}`),
      step(`HEAD /v2/targets/blobs/${digestOf(Buffer.from('alias'), 'sha512')}`),
      step(`GET /v2/targets/blobs/${digestOf(Buffer.from('alias'))}`),
    ),
    exchange(
      'the same bytes are pushed again',
      step('POST /v2/app/blobs/uploads/'),
      step(`PUT {L}&digest=${digests.layer}`, { body: layer }),
    ),
  ],
};
