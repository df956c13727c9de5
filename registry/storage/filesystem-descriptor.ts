/** An open file whose reads and close come in the right order. */
import fs from 'node:fs';

export interface OpenFile {
  /** Reads up to `length` bytes at `position` to the start of `buffer`; 0 bytes at the end. One at a time. */
  read(buffer: Buffer, length: number, position: number, done: (error: Error | null, bytes: number) => void): void;
  /**
   * Closes as soon as no read is under way: a closed descriptor's number may be given to another file. Then `done` of
   * a read that was under way is not called. Only the first call counts.
   */
  close(done: (error: Error | null) => void): void;
}

export function holdDescriptor(descriptor: number): OpenFile {
  let reading = false;
  let close: (() => void) | undefined;

  return {
    read(buffer, length, position, done) {
      reading = true;
      fs.read(descriptor, buffer, 0, length, position, (error, bytes) => {
        reading = false;
        if (close === undefined) done(error, bytes);
        else close();
      });
    },
    close(done) {
      close = () => fs.close(descriptor, (error) => done(error ?? null));
      if (!reading) close();
    },
  };
}
