/** A second opinion: the storage suite for S3 and what is special about buckets, on MinIO, which differs where versitygw is weak. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { requireTool } from '../support/tools.ts';

for (const file of ['s3', 's3-extras', 's3-faults']) {
  test(`test/real/${file}.test.ts on MinIO`, async (t) => {
    if (!(await requireTool(t, 'minio'))) return;
    const path = new URL(`../real/${file}.test.ts`, import.meta.url).pathname;
    const env = { ...process.env, BERTH_S3: 'minio', NODE_TEST_CONTEXT: undefined };
    const child = spawn(process.execPath, ['--test', path], { stdio: ['ignore', 'pipe', 'inherit'], env });
    t.after(() => void child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0, text.slice(-8000));
    assert.match(text, /^ℹ pass [1-9]/m);
  });
}
