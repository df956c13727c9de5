/** What cannot be read: all of it at once, each with its place and what to write instead. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readConfig } from '../../../registry/config/read.ts';
import { configOf, faultsOf, MINIMAL, warningsOf } from './reading.ts';

suite('faults', () => {
  test('are all reported at once, each with its path and what to write', () => {
    const file = `
version: 0.1
log: {level: loud}
storage: {filesystem: {maxthreads: many}, delete: {enabled: "true"}}
http: {addr: 5, prefix: registry, host: registry.local:5000, draintimeout: soon, headers: {X: nosniff}}
tags: {maxtags: -1}
auth: {htpasswd: {realm: r, path: /p}}
`;
    assert.deepEqual(faultsOf(file, { REGISTRY_HTTP_NET: 'udp' }), [
      'config.yml: log.level: expected one of error, warn, info, debug, got "loud": write info for the default',
      'config.yml: storage.filesystem.maxthreads: expected an integer, got "many": write 100 for the default',
      'config.yml: storage.delete.enabled: expected true or false, got "true": write true without quotes',
      'REGISTRY_HTTP_NET: expected one of tcp, unix, got "udp": write tcp for the default',
      'config.yml: http.headers.X: expected a list, got "nosniff": write [nosniff]',
      'config.yml: http.draintimeout: expected a duration of 0 or more, got "soon": write a number and a unit, such as 30s',
      'config.yml: http.addr: expected host:port, got 5: write ":5000"',
      'config.yml: http.prefix: expected a path that begins and ends with a slash, got registry: write /registry/',
      'config.yml: http.host: expected a URL with http:// or https:// and a host: write https://registry.local:5000',
      'config.yml: tags.maxtags: expected 0 or more, got -1: write 1000',
      'config.yml: auth: the provider htpasswd is not supported by this version: take it out, and put a proxy that authenticates in front',
    ]);
  });

  const notYaml: readonly (readonly [string, string, RegExp])[] = [
    ['an unclosed list', 'version: 0.1\nstorage: [', /^config\.yml: not YAML: line 2, column 11: /],
    ['a tab as indentation', 'http:\n\taddr: x', /^config\.yml: not YAML: line 2, column 1: /],
    ['an unknown tag', 'version: !x 0.1', /^config\.yml: not YAML: line 1, column 10: unknown scalar tag/],
    ['a map as a key', '{a: b}: c', /^config\.yml: not YAML: line 1, column 1: a key must be a plain text/],
    ['nothing', '', /^config\.yml: it is empty: begin with version: 0\.1$/],
    ['only a comment', '# later', /^config\.yml: it is empty/],
    ['a text', 'hello', /^config\.yml: expected a map of keys at the top/],
    ['a list', '- version: 0.1', /^config\.yml: expected a map of keys at the top/],
    ['an alias to what holds it', 'version: 0.1\na: &a [*a]', /too deep or too large/],
    ['aliases that multiply', bomb(), /too deep or too large/],
  ];
  for (const [name, file, expected] of notYaml) {
    test(`a file that is ${name}`, () => {
      const faults = faultsOf(file);
      assert.equal(faults.length, 1);
      assert.match(faults[0] ?? '', expected);
    });
  }

  test('a key that is there twice counts as the last one says, as in Distribution, and that is said', () => {
    const file = `${MINIMAL}http: {addr: ":1", addr: ":2"}\nhealth: {file: [{file: /a, file: /b}]}`;
    assert.equal(configOf(file).http.addr, ':2');
    assert.equal(configOf(file).health.file[0]?.file, '/b');
    assert.deepEqual(warningsOf(file), [
      'config.yml: http.addr: written twice, the last one counts: take one out',
      'config.yml: health.file.0.file: written twice, the last one counts: take one out',
    ]);
  });

  test('a key may replace what a merge key brought, before or after it', () => {
    const file = `${MINIMAL}log: {fields: {a: &a {x: 1, y: 1}, b: {<<: *a, x: 2}, c: {x: 3, <<: *a}, d: {<<: [*a, {z: 1}], z: 2}}}`;
    assert.deepEqual(configOf(file).log.fields, {
      a: { x: 1, y: 1 },
      b: { x: 2, y: 1 },
      c: { x: 3, y: 1 },
      d: { x: 1, y: 1, z: 2 },
    });
    assert.deepEqual(warningsOf(file), []);
  });

  test('a second document is not read, and that is said', () => {
    assert.deepEqual(warningsOf(`${MINIMAL}---\nhttp: {addr: x}`), [
      'config.yml: only its first document is read: take the others out',
    ]);
  });
});

test('faults carry path, message and remedy apart', () => {
  assert.throws(
    () => readConfig({ file: MINIMAL, path: 'c.yml', env: { REGISTRY_TAGS_MAXTAGS: 'x' } }),
    (error: { faults?: unknown }) => {
      assert.deepEqual(error.faults, [
        {
          path: 'REGISTRY_TAGS_MAXTAGS',
          message: 'expected an integer, got "x"',
          remedy: 'write 1000 for the default',
          fromEnvironment: true,
        },
      ]);
      return true;
    },
  );
});

test('faults come with the warnings', () => {
  assert.throws(
    () => readConfig({ file: `${MINIMAL}htpp: {}\nhttp: {net: udp}`, path: 'c.yml', env: {} }),
    (error: { warningLines?: unknown }) => {
      assert.deepEqual(error.warningLines, ['c.yml: htpp: unknown key, ignored: did you mean "http"?']);
      return true;
    },
  );
});

/** A few lines that stand for a billion. */
function bomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 10; level += 1) {
    lines.push(
      `a${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  }
  return lines.join('\n');
}
