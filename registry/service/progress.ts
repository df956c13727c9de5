/**
 * How far an upload has come, and its digests so far. Node cannot export a hash's state, so a running hash stays in its
 * process; what is recorded is the finished SHA-256 at an offset. With it, the usual PATCH and empty PUT is committed by any
 * replica without reading back; a record is believed only if its offset is the stored size.
 */
import type { Hash } from 'node:crypto';
import { type Algorithm, canonical, type Digest, digestOf, hasher, parseDigest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Cancellable, Store, Upload } from '../storage/store.ts';
import * as keys from './keys.ts';

export interface Progress {
  /** Bytes hashed so far. */
  readonly offset: number;
  update(chunk: Uint8Array): void;
  copy(): Progress;
  digests(): Map<Algorithm, Digest>;
}

/** At offset 0. `hint`: another algorithm that the client announced, hashed beside the canonical one. */
export function startProgress(hint: Algorithm | undefined): Progress {
  const hashes = new Map<Algorithm, Hash>([[canonical, hasher(canonical)]]);
  if (hint !== undefined) hashes.set(hint, hasher(hint));
  return running(hashes, 0);
}

function running(hashes: Map<Algorithm, Hash>, start: number): Progress {
  let offset = start;
  const copies = () => new Map([...hashes].map(([algorithm, hash]) => [algorithm, hash.copy()]));
  return {
    get offset() {
      return offset;
    },
    update(chunk) {
      for (const hash of hashes.values()) hash.update(chunk);
      offset += chunk.length;
    },
    copy: () => running(copies(), offset),
    digests: () => new Map([...copies()].map(([algorithm, hash]) => [algorithm, digestOf(algorithm, hash)])),
  };
}

export async function recordProgress(
  store: Store,
  name: RepositoryName,
  id: string,
  progress: Progress,
  options: Cancellable,
): Promise<void> {
  const record = `${progress.offset} ${progress.digests().get(canonical)}`;
  await store.put(keys.uploadProgress(name, id), Buffer.from(record, 'latin1'), { ...options, durable: false });
}

/** What was recorded for exactly `size` bytes; empty if nothing was. */
export async function recordedProgress(
  store: Store,
  name: RepositoryName,
  id: string,
  size: number,
  options: Cancellable,
): Promise<Map<Algorithm, Digest>> {
  const record = await store.read(keys.uploadProgress(name, id), options);
  const [offset, text] = record?.toString('latin1').split(' ') ?? [];
  const digest = parseDigest(text ?? '');
  return offset === String(size) && digest ? new Map([[canonical, digest]]) : new Map();
}

/** Reads everything that is stored, once, for as many algorithms as asked. */
export async function readDigests(
  upload: Upload,
  algorithms: readonly Algorithm[],
  options: Cancellable,
): Promise<Map<Algorithm, Digest>> {
  const hashes = new Map(algorithms.map((algorithm) => [algorithm, hasher(algorithm)]));
  if (hashes.size > 0) {
    for await (const chunk of (await upload.open({ start: 0 }, options)) ?? []) {
      for (const hash of hashes.values()) hash.update(chunk as Buffer);
    }
  }
  return new Map([...hashes].map(([algorithm, hash]) => [algorithm, digestOf(algorithm, hash)]));
}
