/** Schema 1's envelope of signatures, its keys, and what a push of one is checked for. */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { RegistryError } from '../../../registry/oci/error.ts';
import { mediaTypes, parseManifest } from '../../../registry/oci/manifest.ts';
import { parseSchema1, schema1Faults } from '../../../registry/oci/schema1.ts';
import { deriveSigningKey, parseKeyFile, signingKey } from '../../../registry/oci/schema1-key.ts';
import { assemble, fits, flaw, parseSigned, signPayload } from '../../../registry/oci/schema1-signature.ts';
import {
  createSigner,
  fingerprintOf,
  openManifest,
  type Signer,
  schema1Manifest,
  signPayload as signByHand,
  signManifest,
} from '../../support/schema1-signer.ts';

const manifest = schema1Manifest('library/old', 'v1', [Buffer.from('below'), Buffer.from('above')]);
const now = new Date('2016-02-03T04:05:06.789Z');

const refused = (work: () => unknown, reason: RegExp): void =>
  assert.throws(
    work,
    (error) => error instanceof RegistryError && error.code === 'MANIFEST_INVALID' && reason.test(error.message),
  );

/** A self-signed certificate on P-256 and its key, made for this file. */
const certificate =
  'MIIBdjCCAR2gAwIBAgIUN9SvYNOpwdF61pRboLNLXIQptIkwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGc2lnbmVyMB4XDTI2MTEyMTE3MzMyOFoXDTM2MTEx' +
  'ODE3MzMyOFowETEPMA0GA1UEAwwGc2lnbmVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpbcJXk8nhX5XSsPtwg7eRttsNH3cEy51gg5EUnhe/PqupWH7' +
  'vfoF1LXbLmGQgXXgUPDsShqzoEAcUKUy20gyIaNTMFEwHQYDVR0OBBYEFEHzb8dpQGJFP+BplgFfJVMGwkKWMB8GA1UdIwQYMBaAFEHzb8dpQGJFP+BplgFf' +
  'JVMGwkKWMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgI0vui5eGzFDqDwpSInvUvNyLG9pLa0zu/Bv36IL/+PgCIBZCbn3hsTdcpo+UL5oK' +
  'H71GHIs8Z5wXO2GWxpT6udGL';
const certified: Signer = {
  alg: 'ES256',
  x5c: [certificate],
  key: createPrivateKey({
    key: Buffer.from(
      'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5Y6y/aTXFJMreZnu6fus3v3z9CIObwhI0Uw5PGRjQjmhRANCAASltwleTyeFfldKw+3CDt5G' +
        '22w0fdwTLnWCDkRSeF78+q6lYfu9+gXUtdsuYZCBdeBQ8OxKGrOgQBxQpTLbSDIh',
      'base64',
    ),
    format: 'der',
    type: 'pkcs8',
  }),
};

describe('signatures of libtrust', () => {
  for (const alg of ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512']) {
    test(`${alg} is verified, and a changed payload is noticed`, () => {
      const { body, payload } = signManifest(manifest, [createSigner(alg)]);
      const signed = parseSigned(body);
      assert.ok(signed.payload.equals(payload));
      assert.equal(flaw(signed), undefined);
      const changed = parseSigned(Buffer.from(body.toString().replace('library/old', 'library/new')));
      assert.match(flaw(changed) ?? '', new RegExp(`^the ${alg} signature does not match`));
    });
  }

  test('the key may stand in a chain of certificates', () => {
    const signed = parseSigned(signManifest(manifest, [certified]).body);
    assert.equal(flaw(signed), undefined);
    const other = { ...certified, key: createSigner('ES256').key };
    assert.match(flaw(parseSigned(signManifest(manifest, [other]).body)) ?? '', /ES256/);
  });

  test('all of several signatures have to hold', () => {
    const signers = [createSigner('ES256'), createSigner('RS256'), certified];
    assert.equal(flaw(parseSigned(signManifest(manifest, signers).body)), undefined);
    let count = 0;
    const tamper = (one: { header: object; signature: string; protected: string }) =>
      ++count === 2 ? { ...one, signature: Buffer.alloc(256, 1).toString('base64url') } : one;
    assert.match(flaw(parseSigned(signManifest(manifest, signers, { tamper }).body)) ?? '', /RS256/);
  });

  test('payloads of any form come out as they went in', () => {
    for (const indent of [0, 1, 3, 10]) {
      const { body, payload } = signManifest(manifest, [createSigner('ES256')], { indent });
      assert.ok(parseSigned(body).payload.equals(payload), `indent ${indent}`);
    }
    const odd = Buffer.from(` {"schemaVersion":1 , "name":"é\u2028" \n\t} \r\n`);
    assert.ok(parseSigned(signByHand(odd, [createSigner('ES256')]).body).payload.equals(odd));
  });

  test('plain JWS is read as well', () => {
    const { body, payload } = signManifest(manifest, [createSigner('ES384')]);
    const { signatures } = JSON.parse(body.toString());
    const plain = Buffer.from(JSON.stringify({ payload: payload.toString('base64url'), signatures }));
    const signed = parseSigned(plain);
    assert.ok(signed.payload.equals(payload));
    assert.equal(flaw(signed), undefined);
  });

  test('an algorithm that does not go with the key does not hold', () => {
    const ec = createSigner('ES256');
    for (const alg of ['ES384', 'RS256', 'none', 'HS256', '']) {
      const { body } = signManifest(manifest, [ec], { tamper: (one) => ({ ...one, header: { ...one.header, alg } }) });
      assert.notEqual(flaw(parseSigned(body)), undefined, alg);
    }
  });
});

describe('malformed envelopes are MANIFEST_INVALID', () => {
  const signer = createSigner('ES256');
  const withProtected = (value: unknown) =>
    signManifest(manifest, [signer], {
      tamper: (one) => ({ ...one, protected: Buffer.from(JSON.stringify(value)).toString('base64url') }),
    }).body;

  const envelopes: readonly (readonly [string, Buffer, RegExp])[] = [
    ['no JSON', Buffer.from('{"signatures":'), /not JSON/],
    ['no object', Buffer.from('[]'), /not a JSON object/],
    ['no signatures', Buffer.from(JSON.stringify(manifest)), /must have signatures/],
    ['an empty list of signatures', Buffer.from('{"signatures":[]}'), /must have signatures/],
    [
      'a signature without a header',
      Buffer.from('{"signatures":[{"signature":"","protected":""}]}'),
      /lacks its header/,
    ],
    ['too many signatures', signManifest(manifest, Array(33).fill(signer)).body, /at most/],
    ['a negative formatLength', withProtected({ formatLength: -1, formatTail: '' }), /lacks formatLength/],
    ['a fractional formatLength', withProtected({ formatLength: 1.5, formatTail: '' }), /lacks formatLength/],
    ['a formatLength beyond the end', withProtected({ formatLength: 1e9, formatTail: '' }), /beyond the end/],
    ['no formatTail', withProtected({ formatLength: 3 }), /lacks formatLength or formatTail/],
    ['a formatTail that is no base64', withProtected({ formatLength: 3, formatTail: '!' }), /base64url/],
    ['a protected header that is a list', withProtected([]), /not a JSON object/],
  ];
  for (const [what, body, reason] of envelopes) test(what, () => refused(() => parseSigned(body), reason));

  test('two signatures that disagree on the payload', () => {
    let count = 0;
    const other = Buffer.from(JSON.stringify({ formatLength: 5, formatTail: '' })).toString('base64url');
    const { body } = signManifest(manifest, [signer, signer], {
      tamper: (one) => (++count === 2 ? { ...one, protected: other } : one),
    });
    refused(() => parseSigned(body), /disagree/);
  });

  test('keys that are none', () => {
    const jwks = [
      { kty: 'oct', k: 'AAAA' },
      { kty: 'EC', crv: 'P-192', x: 'AAAA', y: 'AAAA' },
      { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' },
      {
        kty: 'EC',
        crv: 'P-256',
        x: Buffer.alloc(32, 1).toString('base64url'),
        y: Buffer.alloc(32, 2).toString('base64url'),
      },
      { kty: 'RSA', n: Buffer.alloc(4096, 255).toString('base64url'), e: 'AQAB' },
      { kty: 'RSA', n: Buffer.alloc(256, 255).toString('base64url'), e: Buffer.alloc(200, 255).toString('base64url') },
      {},
    ];
    for (const jwk of jwks) {
      const { body } = signManifest(manifest, [signer], {
        tamper: (one) => ({ ...one, header: { alg: 'ES256', jwk } }),
      });
      refused(() => flaw(parseSigned(body)), /key of a signature cannot be read/);
    }
    const { body } = signManifest(manifest, [signer], {
      tamper: (one) => ({ ...one, header: { alg: 'ES256', x5c: ['AAAA'] } }),
    });
    refused(() => flaw(parseSigned(body)), /key of a signature cannot be read/);
  });

  test("a kid that is another key's", () => {
    const { body } = signManifest(manifest, [signer], {
      tamper: (one) => ({ ...one, header: { ...one.header, jwk: { ...(one.header['jwk'] as object), kid: 'ABCD' } } }),
    });
    refused(() => flaw(parseSigned(body)), /kid/);
  });
});

describe('signing anew', () => {
  for (const alg of ['ES256', 'ES384', 'ES512', 'RS256']) {
    test(`${alg}: an old client opens it, its payload untouched`, () => {
      const { key } = createSigner(alg);
      for (const indent of [0, 3, 12]) {
        const payload = Buffer.from(JSON.stringify(manifest, null, ' '.repeat(Math.min(indent, 10))));
        const signature = signPayload(payload, signingKey(key), now);
        assert.ok(fits(payload, signature));
        const opened = openManifest(assemble(payload, [signature]));
        assert.ok(opened.payload.equals(payload));
        assert.deepEqual(opened.keys, [fingerprintOf(key)]);
      }
    });
  }

  test('several signatures stand side by side; one that goes with another form of the payload is told apart', () => {
    const payload = Buffer.from(JSON.stringify(manifest, null, 3));
    const signatures = [createSigner('ES256'), createSigner('RS256')].map(({ key }) =>
      signPayload(payload, signingKey(key), now),
    );
    assert.equal(openManifest(assemble(payload, signatures)).keys.length, 2);
    const compact = Buffer.from(JSON.stringify(manifest));
    assert.equal(fits(compact, signatures[0] as (typeof signatures)[0]), false);
  });

  test('the time is written in seconds, and the size does not change from one signature to the next', () => {
    const payload = Buffer.from(JSON.stringify(manifest));
    const key = deriveSigningKey('secret');
    const bodies = Array.from({ length: 20 }, () => assemble(payload, [signPayload(payload, key, now)]));
    assert.deepEqual([...new Set(bodies.map(({ length }) => length))].length, 1);
    const { signatures } = JSON.parse(String(bodies[0]));
    const guarded = JSON.parse(Buffer.from(signatures[0].protected, 'base64url').toString());
    assert.equal(guarded.time, '2016-02-03T04:05:06Z');
  });
});

describe('keys', () => {
  test('one secret makes one key, another secret another', () => {
    assert.deepEqual(deriveSigningKey('a').jwk, deriveSigningKey('a').jwk);
    assert.notDeepEqual(deriveSigningKey('a').jwk, deriveSigningKey('b').jwk);
    assert.equal(deriveSigningKey('a').algorithm, 'ES256');
  });

  test('key files: JWK, and PEM in every form that libtrust and openssl write', () => {
    const ec = createSigner('ES384').key;
    const rsa = createSigner('RS256').key;
    const jwk = (key: typeof ec): string =>
      JSON.stringify({ ...key.export({ format: 'jwk' }), kid: fingerprintOf(key) });
    const pem = (key: typeof ec, type: 'sec1' | 'pkcs1' | 'pkcs8'): string =>
      String(key.export({ type, format: 'pem' }));
    const headers = pem(ec, 'sec1').replace('-----\n', '-----\nkeyID: ABCD:EFGH\n\n');
    const parameters = `-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n${pem(ec, 'sec1')}`;
    for (const [content, isJwk, key] of [
      [jwk(ec), true, ec],
      [jwk(rsa), true, rsa],
      [pem(ec, 'sec1'), false, ec],
      [headers, false, ec],
      [parameters, false, ec],
      [pem(ec, 'pkcs8').replaceAll('\n', '\r\n'), false, ec],
      [pem(rsa, 'pkcs1'), false, rsa],
    ] as const) {
      assert.equal(parseKeyFile(content, isJwk).jwk['kid'], fingerprintOf(key), content.slice(0, 40));
    }
  });

  test('a file that is no private key is refused with a sentence that holds nothing of it', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const locked = createSigner('ES256').key.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    });
    const jwk = createSigner('ES256').key.export({ format: 'jwk' });
    const files: readonly (readonly [string, boolean, RegExp])[] = [
      ['SECRET', true, /not JSON/],
      ['{"kty":"EC","d":"SECRET"}', true, /malformed/],
      [JSON.stringify({ ...jwk, kid: 'SECRET' }), true, /kid/],
      ['SECRET', false, /no private key in PEM/],
      ['', false, /no private key in PEM/],
      ['-----BEGIN EC PRIVATE KEY-----\nSECRETSECRET\n-----END EC PRIVATE KEY-----\n', false, /malformed/],
      [String(publicKey.export({ type: 'spki', format: 'pem' })), false, /no private key/],
      [String(privateKey.export({ type: 'pkcs8', format: 'pem' })), false, /only RSA keys and EC keys/],
      [String(locked), false, /encrypted/],
    ];
    for (const [content, isJwk, reason] of files) {
      assert.throws(
        () => parseKeyFile(content, isJwk),
        (error: Error) => reason.test(error.message) && !error.message.includes('SECRET'),
        content.slice(0, 40),
      );
    }
  });
});

describe('the manifest itself', () => {
  test('a stored payload is read as a manifest of its layers', () => {
    const parsed = parseManifest(Buffer.from(JSON.stringify(manifest)));
    assert.equal(parsed.mediaType, mediaTypes.schema1);
    assert.equal(parsed.layers.length, 2);
    assert.equal(parsed.config, undefined);
    const tarsum = { schemaVersion: 1, fsLayers: [{ blobSum: `tarsum.v1+sha256:${'a'.repeat(64)}` }], history: [{}] };
    assert.match(parseManifest(Buffer.from(JSON.stringify(tarsum))).layers[0]?.digest ?? '', /^tarsum/);
  });

  test('names are checked by their grammar, a host in front is one of their forms', () => {
    const faultsOf = (name: string) => schema1Faults({ name, layers: [], historyLength: 0 }).map(({ code }) => code);
    for (const name of [
      'a',
      'library/old',
      'localhost:5000/a/b',
      'Registry.Example.com/a',
      'index.docker.io/library/x',
    ]) {
      assert.deepEqual(faultsOf(name), [], name);
    }
    for (const name of ['', '/', 'Upper', 'a//b', 'a/', 'host:port/a', 'a b', `a/${'b'.repeat(300)}`]) {
      assert.deepEqual(faultsOf(name), ['MANIFEST_NAME_INVALID'], name);
    }
  });

  test('history and layers have to be equally many; other versions and malformed lists are refused', () => {
    const unequal = parseSchema1(Buffer.from(JSON.stringify({ ...manifest, history: [] })));
    assert.deepEqual(
      schema1Faults(unequal).map(({ code }) => code),
      ['MANIFEST_INVALID'],
    );
    for (const wrong of [
      { schemaVersion: 2 },
      { fsLayers: {} },
      { fsLayers: [{}] },
      { fsLayers: [null] },
      { name: 5 },
    ]) {
      refused(() => parseSchema1(Buffer.from(JSON.stringify({ ...manifest, ...wrong }))), /./);
    }
    assert.throws(
      () => parseSchema1(Buffer.from(JSON.stringify({ ...manifest, fsLayers: [{ blobSum: 'sha256:short' }] }))),
      (error) => error instanceof RegistryError && error.code === 'DIGEST_INVALID',
    );
    const deep = `{"schemaVersion":1,"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    refused(() => parseSchema1(Buffer.from(deep)), /levels/);
  });
});
