/** Uploads: the state machine in order and out of order, its tokens, mounts. */
import { digestOf } from '../../support/push-client.ts';
import { digests, nowhere } from '../content.ts';
import { type Area, exchange, one, type Step, step } from '../exchange.ts';

const begin = step('POST /v2/targets/blobs/uploads/');
const octets = { 'Content-Type': 'application/octet-stream' };
const of = (text: string): string => digestOf(Buffer.from(text));
const patch = (body: string, headers: Readonly<Record<string, string>> = {}, target = '{L}'): Step =>
  step(`PATCH ${target}`, { headers: { ...octets, ...headers }, body });
const put = (text: string, body = '', target = '{L}&'): Step =>
  step(`PUT ${target}digest=${of(text)}`, { headers: octets, body });
const status = step('GET {L}');

const orders = [
  exchange('POST, PUT with everything', begin, put('monolith', 'monolith')),
  exchange('POST, PATCH, PUT', begin, patch('one piece'), put('one piece')),
  exchange('POST, PATCH, PATCH, PUT with the rest', begin, patch('a '), patch('few '), put('a few pieces', 'pieces')),
  exchange(
    'Content-Range in order',
    begin,
    patch('01234', { 'Content-Range': '0-4' }),
    patch('56789', { 'Content-Range': '5-9' }),
    put('0123456789'),
  ),
  exchange(
    'a PATCH in chunks',
    begin,
    step('PATCH {L}', { headers: octets, body: 'chunked', chunked: true }),
    put('chunked'),
  ),
  exchange(
    'a PUT in chunks',
    begin,
    step(`PUT {L}&digest=${of('chunked put')}`, { headers: octets, body: 'chunked put', chunked: true }),
  ),
  exchange('the empty blob', begin, put('')),
  exchange('an empty PATCH', begin, patch(''), status, put('')),
  exchange('status', begin, status, patch('12345'), status, step('HEAD {L}'), step('GET {P}')),
  exchange(
    'cancelled',
    begin,
    patch('12345'),
    step('DELETE {L}'),
    status,
    step('DELETE {L}'),
    patch('more'),
    put('12345'),
  ),
  exchange('cancelled without its state', begin, step('DELETE {P}')),
  exchange('without its state', begin, patch('12345', {}, '{P}'), put('12345', '', '{P}?')),
  exchange(
    'after it was finished',
    begin,
    put('finished', 'finished'),
    step('GET {L0}'),
    step('PATCH {L0}', { headers: octets, body: 'x' }),
    step(`PUT {L0}&digest=${of('finished')}`),
  ),
  exchange(
    'content by SHA-384',
    begin,
    step(`PUT {L}&digest=${digestOf(Buffer.from('sha384'), 'sha384')}`, { body: 'sha384' }),
  ),
];

const refusals = [
  exchange('PUT without a digest', begin, step('PUT {L}', { headers: octets, body: 'x' }), step('GET {L0}')),
  exchange('PUT with an empty digest', begin, step('PUT {L}&digest=', { headers: octets, body: 'x' })),
  exchange(
    'PUT with a malformed digest',
    begin,
    step('PUT {L}&digest=sha256:abc', { headers: octets, body: 'x' }),
    step('GET {L0}'),
  ),
  exchange(
    'PUT with an unknown algorithm',
    begin,
    step(`PUT {L}&digest=md5:${'a'.repeat(32)}`, { headers: octets, body: 'x' }),
  ),
  exchange(
    'PUT with another digest',
    begin,
    step(`PUT {L}&digest=${of('other')}`, { headers: octets, body: 'this' }),
    step('GET {L0}'),
  ),
  exchange('PATCH, then PUT with another digest', begin, patch('this'), put('other'), step('GET {L0}')),
  exchange(
    'PUT with two digests',
    begin,
    step(`PUT {L}&digest=${of('x')}&digest=${of('y')}`, { headers: octets, body: 'x' }),
  ),
  exchange(
    'PATCH out of order',
    begin,
    patch('01234', { 'Content-Range': '0-4' }),
    patch('789', { 'Content-Range': '7-9' }),
    status,
  ),
  exchange('PATCH that begins too late', begin, patch('567', { 'Content-Range': '5-7' }), status),
  exchange(
    'PATCH again at an offset that is taken',
    begin,
    patch('01234', { 'Content-Range': '0-4' }),
    patch('01234', { 'Content-Range': '0-4' }),
  ),
  exchange('PATCH with an old state', begin, patch('01234'), step('PATCH {L0}', { headers: octets, body: '56789' })),
  exchange('PUT with an old state', begin, patch('01234'), step(`PUT {L0}&digest=${of('01234')}`)),
  exchange('Content-Range that spans more', begin, patch('01234', { 'Content-Range': '0-9' }), status),
  exchange('Content-Range that spans less', begin, patch('01234', { 'Content-Range': '0-2' }), status),
  exchange('Content-Range with a unit', begin, patch('01234', { 'Content-Range': 'bytes 0-4' })),
  exchange('Content-Range with a total', begin, patch('01234', { 'Content-Range': 'bytes 0-4/5' })),
  exchange('Content-Range garbage', begin, patch('01234', { 'Content-Range': 'garbage' })),
  exchange('Content-Range backwards', begin, patch('01234', { 'Content-Range': '4-0' })),
  exchange(
    'Content-Range with a PUT',
    begin,
    step(`PUT {L}&digest=${of('01234')}`, { headers: { ...octets, 'Content-Range': '0-4' }, body: '01234' }),
  ),
  exchange(
    'Content-Range out of place with a PUT',
    begin,
    patch('01234'),
    step(`PUT {L}&digest=${of('0123456789')}`, { headers: { ...octets, 'Content-Range': '3-7' }, body: '56789' }),
  ),
  exchange(
    'Content-Range in a PATCH in chunks',
    begin,
    step('PATCH {L}', { headers: { ...octets, 'Content-Range': '3-7' }, body: '34567', chunked: true }),
  ),
  exchange('PATCH without a type', begin, step('PATCH {L}', { body: '12345' })),
  exchange('PATCH as text', begin, patch('12345', { 'Content-Type': 'text/plain' })),
  exchange('PATCH as JSON', begin, patch('{}', { 'Content-Type': 'application/json' })),
  exchange(
    'PATCH as octets with a parameter',
    begin,
    patch('12345', { 'Content-Type': 'application/octet-stream; charset=utf-8' }),
  ),
  exchange('PATCH as a form', begin, patch('a=b', { 'Content-Type': 'application/x-www-form-urlencoded' })),
  exchange(
    'PUT as text',
    begin,
    step(`PUT {L}&digest=${of('text')}`, { headers: { 'Content-Type': 'text/plain' }, body: 'text' }),
  ),
  exchange(
    'PUT as a form',
    begin,
    step(`PUT {L}&digest=${of('a=b')}`, {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'a=b',
    }),
  ),
];

const uuid = '0190e0f0-0000-7000-8000-000000000000';
const states = [
  exchange(
    'a garbage state',
    begin,
    patch('12345', {}, '{P}?_state=garbage'),
    step('DELETE {P}?_state=garbage'),
    put('x', 'x', '{P}?_state=garbage&'),
  ),
  exchange(
    'a state with a changed signature',
    begin,
    patch('12345', {}, '{P}?_state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB7Ik5hbWUiOiJ0YXJnZXRzIn0%3D'),
  ),
  exchange('an empty state', begin, patch('12345', {}, '{P}?_state=')),
  exchange(
    'the state of another upload',
    begin,
    begin,
    step('GET {L0}'),
    step('PATCH {P}?x=1', { headers: octets, body: 'x' }),
  ),
  exchange(
    'an upload of another repository',
    begin,
    step('GET {L}'),
    step(`PATCH /v2/app/blobs/uploads/${uuid}`, { headers: octets, body: 'x' }),
  ),
  one(`GET /v2/targets/blobs/uploads/${uuid}`),
  one(`HEAD /v2/targets/blobs/uploads/${uuid}`),
  one(`PATCH /v2/targets/blobs/uploads/${uuid}`, { headers: octets, body: 'x' }),
  one(`PUT /v2/targets/blobs/uploads/${uuid}?digest=${of('x')}`, { headers: octets, body: 'x' }),
  one(`DELETE /v2/targets/blobs/uploads/${uuid}`),
  one('GET /v2/targets/blobs/uploads/not-a-uuid'),
  one('GET /v2/targets/blobs/uploads/..'),
  one('GET /v2/targets/blobs/uploads/a%20b'),
  one('GET /v2/targets/blobs/uploads/a=b'),
  one(`GET /v2/unknown/blobs/uploads/${uuid}`),
];

const beginnings = [
  one('POST /v2/targets/blobs/uploads'),
  one('POST /v2/brand/new/blobs/uploads/'),
  one('POST /v2/targets/blobs/uploads/', { headers: octets, body: 'ignored' }, 'with a body'),
  one(
    `POST /v2/targets/blobs/uploads/?digest=${of('in one request')}`,
    { headers: octets, body: 'in one request' },
    'with digest and body',
  ),
  one(
    `POST /v2/targets/blobs/uploads/?digest=${of('other')}`,
    { headers: octets, body: 'this' },
    'with another digest and body',
  ),
  one('POST /v2/targets/blobs/uploads/?digest=sha256:abc', { headers: octets, body: 'this' }, 'malformed digest'),
  one('POST /v2/UPPER/blobs/uploads/'),
  one('POST /v2/targets/blobs/uploads/?digest-algorithm=sha512'),
  one('POST /v2/targets/blobs/uploads/?digest-algorithm=md5'),
];

const mount = (digest: string, from: string | undefined): string =>
  `POST /v2/targets/blobs/uploads/?mount=${digest}${from === undefined ? '' : `&from=${encodeURIComponent(from)}`}`;
const mounts = [
  exchange('mount', step(mount(digests.largeLayer, 'app')), step(`HEAD /v2/targets/blobs/${digests.largeLayer}`)),
  one(mount(digests.layer, 'lib/many'), {}, 'what is here already'),
  one(mount(digests.layer, 'targets'), {}, 'from itself'),
  one(mount(digests.nowhere, 'app')),
  one(mount(digests.layer, 'unknown')),
  one(mount(of('nothing anywhere'), undefined), {}, 'no source'),
  one(mount('sha256:abc', 'app')),
  one(mount(digests.layer, 'UPPER')),
  one(mount('', 'app')),
  one(mount(digests.layer, '')),
  one('POST /v2/targets/blobs/uploads/?from=app', {}, 'no mount'),
  one(mount(digests.nowhere, 'broken'), {}, 'link without data'),
  one(mount(digestOf(nowhere, 'sha512'), 'app'), {}, 'SHA-512'),
];

export const uploads: Area = { name: 'uploads', exchanges: [...beginnings, ...orders, ...refusals] };
export const uploadStates: Area = { name: 'upload states', exchanges: states };
export const mountsArea: Area = { name: 'mounts', exchanges: mounts };
