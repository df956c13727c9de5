import { Declined, expectBytes, expectHeader, expectStatus } from '../expect.ts';
import type { Answer } from '../http.ts';
import { image, layer } from '../images.ts';
import type { Repository } from '../repository.ts';
import type { Family } from '../suite.ts';

/** Ranges of blobs (clause P6, RFC 9110 section 14) and conditional requests (RFC 9110 section 13). */
export const ranges: Family = (clause) => {
  async function ranged(repository: Repository, digest: string, range: string): Promise<Answer> {
    const answer = await repository.get(`blobs/${digest}`, { range: `bytes=${range}` });
    if (answer.status === 200) throw new Declined(`Range ${range}: answered 200 with the whole blob`);
    return answer;
  }

  for (const algorithm of ['sha256', 'sha512']) {
    for (const [range, first, last] of [
      ['500-1499', 500, 1499],
      ['500-', 500, 2047],
      ['-500', 1548, 2047],
      ['2000-5000', 2000, 2047],
      ['0-0', 0, 0],
    ] as const) {
      clause(`[P6] range ${range} of a ${algorithm} blob of 2048 bytes: 206 with ${first}-${last}`, async (t) => {
        const repository = t.repository();
        const blob = layer(2048, algorithm);
        await repository.pushBlob(blob);
        const answer = await ranged(repository, blob.descriptor.digest, range);
        expectStatus(answer, 206);
        expectHeader(answer, 'content-length', String(last - first + 1));
        const total = t.options.strict ? '2048' : '(2048|\\*)';
        expectHeader(answer, 'content-range', new RegExp(`^bytes ${first}-${last}/${total}$`));
        expectBytes(answer, blob.bytes.subarray(first, last + 1));
      });
    }
  }

  clause('[P6] a range that begins beyond the end: 416', async (t) => {
    const repository = t.repository();
    const blob = layer(2048);
    await repository.pushBlob(blob);
    const answer = await ranged(repository, blob.descriptor.digest, '5000-10000');
    expectStatus(answer, 416);
    if (t.options.strict) expectHeader(answer, 'content-range', 'bytes */2048');
  });

  clause('[P6] a range whose end is before its beginning: 416, or the whole blob', async (t) => {
    const repository = t.repository();
    const blob = layer(2048);
    await repository.pushBlob(blob);
    const answer = await repository.get(`blobs/${blob.descriptor.digest}`, { range: 'bytes=500-0' });
    expectStatus(answer, ...t.accepted(416, 200));
  });

  clause('[P6] an unknown range unit is ignored: 200 with the whole blob', async (t) => {
    const repository = t.repository();
    const blob = layer(2048);
    await repository.pushBlob(blob);
    const answer = await repository.get(`blobs/${blob.descriptor.digest}`, { range: 'pages=1-2' });
    expectStatus(answer, ...t.accepted(200, 416));
    if (answer.status === 200) expectBytes(answer, blob.bytes);
  });

  clause('[P6] several ranges: 206, or 200 with the whole blob', async (t) => {
    const repository = t.repository();
    const blob = layer(2048);
    await repository.pushBlob(blob);
    const answer = await repository.get(`blobs/${blob.descriptor.digest}`, { range: 'bytes=0-9,20-29' });
    expectStatus(answer, 206, 200);
    if (answer.status === 200) expectBytes(answer, blob.bytes);
    else expectHeader(answer, 'content-type', /^multipart\/byteranges;/);
  });

  clause('[P6] a range of a blob that is not there: 404', async (t) => {
    const repository = t.repository();
    await repository.push(image());
    const missing = layer().descriptor.digest;
    expectStatus(await repository.get(`blobs/${missing}`, { range: 'bytes=0-9' }), 404);
  });

  clause('[G2] If-Range with another ETag: 200 with the whole blob', async (t) => {
    const repository = t.repository();
    const blob = layer(2048);
    await repository.pushBlob(blob);
    const answer = await repository.get(`blobs/${blob.descriptor.digest}`, {
      range: 'bytes=0-9',
      'if-range': '"another"',
    });
    expectStatus(answer, 200);
    expectBytes(answer, blob.bytes);
  });

  clause('[G2] If-None-Match with the ETag of a manifest or blob: 304 with ETag, no body', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'latest');
    const digest = pushed.blobs[0]?.descriptor.digest;
    for (const path of ['manifests/latest', `manifests/${pushed.descriptor.digest}`, `blobs/${digest}`]) {
      const etag = (await repository.head(path)).header('etag');
      if (etag === undefined) throw new Declined(`${path} has no ETag`);
      const accepts = { accept: ['application/vnd.oci.image.manifest.v1+json'] };
      for (const method of ['GET', 'HEAD']) {
        const answer = await repository.send(method, path, { headers: { ...accepts, 'if-none-match': etag } });
        expectStatus(answer, 304);
        expectHeader(answer, 'etag', etag);
        if (t.options.strict) expectHeader(answer, 'docker-content-digest', etag.replaceAll('"', ''));
      }
      const list = await repository.get(path, { ...accepts, 'if-none-match': `"other", ${etag}` });
      expectStatus(list, 304);
      expectStatus(await repository.get(path, { ...accepts, 'if-none-match': '"other"' }), 200);
    }
  });

  clause('[G2] If-None-Match never stands for existence: what was never pushed is 404, not 304', async (t) => {
    const repository = t.repository();
    await repository.push(image());
    const { digest } = layer().descriptor;
    for (const path of [`blobs/${digest}`, `manifests/${digest}`]) {
      for (const value of [`"${digest}"`, '*']) {
        expectStatus(await repository.get(path, { 'if-none-match': value }), 404);
        expectStatus(await repository.head(path, { 'if-none-match': value }), 404);
      }
    }
  });
};
