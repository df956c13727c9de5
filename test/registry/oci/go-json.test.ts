/** JSON as Go writes it: what the digests of converted manifests hang on. The real thing is compared in test/real/schema1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compact, goJson, members } from '../../../registry/oci/go-json.ts';

test('strings: HTML and line separators are escaped, backspace and form feed in long form', () => {
  assert.equal(goJson('<a href="x">&\u2028\u2029'), '"\\u003ca href=\\"x\\"\\u003e\\u0026\\u2028\\u2029"');
  assert.equal(goJson('\b\f\n\r\t\u0001'), '"\\u0008\\u000c\\n\\r\\t\\u0001"');
  assert.equal(goJson('\\b\\\b\\\\f'), '"\\\\b\\\\\\u0008\\\\\\\\f"');
  assert.equal(goJson('\ud800'), '"\ufffd"');
  assert.equal(goJson({ a: ['<'] }, 3), '{\n   "a": [\n      "\\u003c"\n   ]\n}');
});

test('a text is compacted outside its strings, numbers and escapes as they were', () => {
  assert.equal(
    compact('{ "a b" : [ 1.00 , 1e5, "\\u0041 \\" x" ],\n\t"c":\r{} }'),
    '{"a b":[1.00,1e5,"\\u0041 \\" x"],"c":{}}',
  );
  assert.equal(compact('"<"'), '"\\u003c"');
});

test('members are told apart whatever their values hold', () => {
  const found = members('{ "a": {"b": [1, {"c": "},{"}]}, "d\\"": "x,y", "": null, "a": 1.50 }');
  assert.deepEqual(
    [...found],
    [
      ['a', '1.50'],
      ['d"', '"x,y"'],
      ['', 'null'],
    ],
  );
  assert.equal(members('{}').size, 0);
  assert.deepEqual([...members('{"a":[]}')], [['a', '[]']]);
});
