import { createReadStream } from 'node:fs';
import { ImageError } from './error.ts';
import { type Entry, type Tree, withParents } from './tree.ts';

/**
 * Writes a tree as a tar archive in POSIX ustar format, always the same bytes for the same tree: sorted by path, one
 * time for all, numeric owners and no names. Written by hand because the order, the owners and the header's unused fields decide the
 * digest of a layer, and a library is free to change any of them from one version to the next.
 *
 * @param time the modification time of every entry, seconds since 1970
 */
export async function* tar(tree: Tree, time: number): AsyncGenerator<Buffer> {
  const entries = [...withParents(tree)].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const [path, entry] of entries) {
    const size = sizeOf(entry);
    yield header(path, entry, size, time);
    if (entry.kind !== 'file') continue;
    if (Buffer.isBuffer(entry.content)) yield entry.content;
    else yield* exactly(entry.content);
    if (size % BLOCK > 0) yield Buffer.alloc(BLOCK - (size % BLOCK));
  }
  yield Buffer.alloc(2 * BLOCK);
}

const BLOCK = 512;

function sizeOf(entry: Entry): number {
  if (entry.kind !== 'file') return 0;
  return Buffer.isBuffer(entry.content) ? entry.content.length : entry.content.size;
}

/** Streams a file that must not have changed since its size was read: a short body would shift all that follows. */
async function* exactly(content: { path: string; size: number }): AsyncGenerator<Buffer> {
  let seen = 0;
  for await (const chunk of createReadStream(content.path, { highWaterMark: 1 << 20 })) {
    seen += (chunk as Buffer).length;
    yield chunk as Buffer;
  }
  if (seen !== content.size) throw new ImageError(`${content.path} changed while it was read`);
}

function header(path: string, entry: Entry, size: number, time: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const { name, prefix } = split(entry.kind === 'directory' ? `${path}/` : path);
  const owner = entry.kind === 'directory' ? entry.owner : 0;
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  block.write(name, 0);
  octal(entry.kind === 'link' ? 0o777 : entry.mode, 100, 8);
  octal(owner, 108, 8);
  octal(owner, 116, 8);
  octal(size, 124, 12);
  octal(time, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write({ file: '0', link: '2', directory: '5' }[entry.kind], 156, 'latin1');
  if (entry.kind === 'link') {
    if (Buffer.byteLength(entry.target) > 100) throw new ImageError(`the link ${path} is too long for a tar header`);
    block.write(entry.target, 157);
  }
  block.write('ustar\0' + '00', 257, 'latin1');
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** ustar holds a path of up to 255 bytes in two fields, cut at a slash. */
function split(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let cut = path.indexOf('/'); cut > 0 && cut < path.length - 1; cut = path.indexOf('/', cut + 1)) {
    const [prefix, name] = [path.slice(0, cut), path.slice(cut + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { name, prefix };
  }
  throw new ImageError(`the path ${path} is too long for a tar header`);
}
