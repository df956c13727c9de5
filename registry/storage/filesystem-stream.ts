/** Reading a file as a stream, a window of it if so asked. */
import fs from 'node:fs';
import { addAbortSignal, Readable } from 'node:stream';
import { closeFile, statDescriptor } from './filesystem-calls.ts';
import { DRIVER } from './filesystem-names.ts';
import { openPresent } from './filesystem-read.ts';
import { clamp } from './ranges.ts';
import { type ByteRange, StoreError } from './store.ts';

/** The most that one read asks for. */
const READ_BYTES = 1024 * 1024;

export interface StreamOptions {
  /** The store path, for errors. */
  readonly path: string;
  readonly range: ByteRange | undefined;
  /** Also ends the stream. */
  readonly signal: AbortSignal | undefined;
  /** Told of a directory where a file belongs. */
  readonly onDirectory: (location: string) => void;
}

/** `undefined` if there is no such file. The descriptor is closed when the stream ends or is destroyed. */
export async function openStream(location: string, options: StreamOptions): Promise<Readable | undefined> {
  const { path, range, signal, onDirectory } = options;
  const descriptor = await openPresent(location);
  if (descriptor === undefined) return undefined;
  try {
    const stats = await statDescriptor(descriptor);
    if (stats.isDirectory()) {
      onDirectory(location);
      await closeFile(descriptor);
      return undefined;
    }
    signal?.throwIfAborted();
    const { start, end } = clamp(range, stats.size);
    const stream = readDescriptor(descriptor, path, start, end);
    return signal === undefined ? stream : addAbortSignal(signal, stream);
  } catch (error) {
    await closeFile(descriptor);
    throw error;
  }
}

function readDescriptor(descriptor: number, path: string, start: number, end: number): Readable {
  let position = start;
  // A descriptor must not be closed, and its number given to another file, while a read on it is under way.
  let reading = false;
  let close: (() => void) | undefined;

  return new Readable({
    highWaterMark: READ_BYTES,
    read() {
      const wanted = Math.min(READ_BYTES, end - position);
      if (wanted === 0) {
        this.push(null);
        return;
      }
      reading = true;
      fs.read(descriptor, Buffer.allocUnsafeSlow(wanted), 0, wanted, position, (error, bytes, buffer) => {
        reading = false;
        if (close !== undefined) {
          close();
        } else if (error !== null) {
          this.destroy(new StoreError('failed', DRIVER, path, error));
        } else if (bytes === 0) {
          const short = new Error(`it became ${end - position} bytes shorter while being read`);
          this.destroy(new StoreError('failed', DRIVER, path, short));
        } else {
          position += bytes;
          this.push(bytes === wanted ? buffer : buffer.subarray(0, bytes));
          if (position === end) this.push(null);
        }
      });
    },
    destroy(reason, done) {
      close = () => fs.close(descriptor, (error) => done(reason ?? error));
      if (!reading) close();
    },
  });
}
