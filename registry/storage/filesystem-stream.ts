/** Reading a file as a stream, a window of it if so asked. */
import { addAbortSignal, Readable, type Writable } from 'node:stream';
import type { Loan } from './buffers.ts';
import { closeFile, statDescriptor } from './filesystem-calls.ts';
import { holdDescriptor, type OpenFile } from './filesystem-descriptor.ts';
import { DRIVER } from './filesystem-names.ts';
import { openPresent } from './filesystem-read.ts';
import { becameShorter, type SendableStream, sendFile } from './filesystem-send.ts';
import { clamp, type Window } from './ranges.ts';
import { type ByteRange, StoreError } from './store.ts';

/** The most that one read asks for. Against 64 KiB: two to three times the throughput, a third of the CPU. */
const READ_BYTES = 1024 * 1024;

export interface StreamOptions {
  /** The store path, for errors. */
  readonly path: string;
  readonly range: ByteRange | undefined;
  /** Also ends the stream. */
  readonly signal: AbortSignal | undefined;
}

export interface StreamParts {
  /** Told of a directory where a file belongs. */
  readonly onDirectory: (location: string) => void;
  /** Memory for sending. */
  readonly lend: () => Loan;
}

/** `undefined` if there is no such file. The descriptor is closed when the stream ends or is destroyed. */
export async function openStream(
  location: string,
  { path, range, signal }: StreamOptions,
  { onDirectory, lend }: StreamParts,
): Promise<SendableStream | undefined> {
  const descriptor = await openPresent(location);
  if (descriptor === undefined) return undefined;
  const stats = await statDescriptor(descriptor).catch(async (error: unknown) => {
    await closeFile(descriptor);
    throw error;
  });
  if (stats.isDirectory() || signal?.aborted === true) {
    await closeFile(descriptor);
    signal?.throwIfAborted();
    onDirectory(location);
    return undefined;
  }
  const window = clamp(range, stats.size);
  const file = holdDescriptor(descriptor);
  const stream = readFile(file, path, window);
  const sendTo = (target: Writable) => sendFile(stream, target, { path, file, window, lend });
  return Object.assign(signal === undefined ? stream : addAbortSignal(signal, stream), { sendTo });
}

function readFile(file: OpenFile, path: string, { start, end }: Window): Readable {
  let position = start;
  return new Readable({
    highWaterMark: READ_BYTES,
    read() {
      const wanted = Math.min(READ_BYTES, end - position);
      if (wanted === 0) {
        this.push(null);
        return;
      }
      const buffer = Buffer.allocUnsafeSlow(wanted);
      file.read(buffer, wanted, position, (error, bytes) => {
        if (error !== null) {
          this.destroy(new StoreError('failed', DRIVER, path, error));
        } else if (bytes === 0) {
          this.destroy(becameShorter(path, end - position));
        } else {
          position += bytes;
          this.push(bytes === wanted ? buffer : buffer.subarray(0, bytes));
          if (position === end) this.push(null);
        }
      });
    },
    destroy(reason, done) {
      file.close((error) => done(reason ?? error));
    },
  });
}
