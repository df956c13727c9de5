/** `validation.manifests.urls` and `policy.repository.classes`: patterns are RE2's, classes are told by the configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classRefusal } from '../../../registry/oci/classes.ts';
import { type ManifestMediaType, mediaTypes, parseManifest } from '../../../registry/oci/manifest.ts';
import { createUrlRules } from '../../../registry/oci/urls.ts';

const admits = (allow: readonly string[], deny: readonly string[], url: string): boolean =>
  createUrlRules(allow, deny)?.refusal(url) === undefined;

test('without patterns there are no rules', () => assert.equal(createUrlRules([], []), undefined));

test('a URL is http or https, without a fragment, and one for every client', () => {
  for (const url of ['http://x', 'https://x/a?b=c', 'HTTPS://x', 'https://x/%23', 'https://x/é', 'https://[::1]:80/']) {
    assert.ok(admits(['.'], [], url), url);
  }
  for (const url of [
    '',
    'x',
    '/x',
    '//x/y',
    'ftp://x',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https://x/#f',
    'http://',
  ]) {
    assert.ok(!admits(['.'], [], url), url);
  }
  for (const url of [' https://x', 'https://x\n', 'ht\ttps://x', 'https:\\\\x', 'https://x/a b', 'https://x\0']) {
    assert.ok(!admits(['.*'], [], url), JSON.stringify(url));
  }
});

test('allow has to match, deny must not; each alone is enough', () => {
  assert.ok(admits(['^https://good/'], [], 'https://good/x'));
  assert.ok(!admits(['^https://good/'], [], 'https://bad/x'));
  assert.ok(admits([], ['^https://bad/'], 'https://good/x'));
  assert.ok(!admits([], ['^https://bad/'], 'https://bad/x'));
  assert.ok(!admits(['.'], ['bad'], 'https://good/bad'));
});

test('patterns are unanchored, and each stands for itself', () => {
  assert.ok(admits(['good'], [], 'https://very.good.example/'));
  // Joined without brackets the first would read as `^a|b$`, and the flag would reach over.
  assert.ok(admits(['^https://a', 'b$'], [], 'https://x/b'));
  assert.ok(admits(['(?i)GOOD', 'EXACT'], [], 'https://good/'));
  assert.ok(!admits(['(?i)GOOD', 'EXACT'], [], 'https://exact/'));
});

test('the syntax is RE2', () => {
  assert.ok(admits(['(?i)^HTTPS://EXAMPLE'], [], 'https://example/'));
  assert.ok(admits(['\\Ahttps://x\\z'], [], 'https://x'));
  assert.ok(!admits(['\\Ahttps://x\\z'], [], 'https://x/y'));
  assert.ok(admits(['^https://[[:alpha:]]+$'], [], 'https://abc'));
  assert.ok(!admits(['^https://[[:alpha:]]+$'], [], 'https://ab1'));
  assert.ok(admits(['^https://\\Qa.b\\E/'], [], 'https://a.b/'));
  assert.ok(!admits(['^https://\\Qa.b\\E/'], [], 'https://aXb/'));
  assert.ok(admits(['(?P<host>good)'], [], 'https://good/'));
});

test('a hostile URL comes back, whatever the pattern', () => {
  const rules = createUrlRules(['^https://(?:a|a)*$', '(?:a+)+b$'], []);
  // A matcher that tries one way after the other would need 2^200000 steps.
  assert.notEqual(rules?.refusal(`https://${'a'.repeat(200_000)}!`), undefined);
});

const configured = (mediaType: ManifestMediaType, config: string) =>
  parseManifest(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: { mediaType: config, digest: `sha256:${'0'.repeat(64)}` },
      }),
    ),
  );

test('classes: image and plugin by the media type of the configuration, others are refused, indexes have none', () => {
  const image = configured(mediaTypes.dockerManifest, 'application/vnd.docker.container.image.v1+json');
  const plugin = configured(mediaTypes.dockerManifest, 'application/vnd.docker.plugin.v1+json');
  const oci = configured(mediaTypes.ociManifest, 'application/vnd.oci.image.config.v1+json');
  const chart = configured(mediaTypes.ociManifest, 'application/vnd.cncf.helm.config.v1+json');
  const index = parseManifest(Buffer.from('{"schemaVersion":2,"manifests":[]}'));
  const schema1 = parseManifest(Buffer.from('{"schemaVersion":1}'));
  for (const manifest of [image, plugin, oci, chart, index, schema1])
    assert.equal(classRefusal(manifest, []), undefined);
  for (const manifest of [image, oci, schema1, index]) assert.equal(classRefusal(manifest, ['image']), undefined);
  assert.equal(classRefusal(plugin, ['image']), 'registry does not allow plugin manifest');
  assert.equal(classRefusal(plugin, ['image', 'plugin']), undefined);
  for (const manifest of [image, oci, schema1]) {
    assert.equal(classRefusal(manifest, ['plugin']), 'registry does not allow image manifest');
  }
  assert.equal(classRefusal(chart, ['image']), 'unknown manifest class for application/vnd.cncf.helm.config.v1+json');
  assert.equal(classRefusal(index, ['plugin']), undefined);
});
