import { Readable } from 'node:stream';
import type { Io } from '../../../operator/local/io.ts';

/** An Io whose output can be read. */
export interface RecordedIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
}

export const registryProgram = new URL('../../../bin/registry', import.meta.url).pathname;

/** The commands' surroundings with recorded output. */
export function recordedIo(given: Partial<Io> & { readonly input?: string } = {}): RecordedIo {
  const out: string[] = [];
  const err: string[] = [];
  const { input = '', ...io } = given;
  return {
    stdin: Readable.from([Buffer.from(input)]),
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    operatorImage: 'localhost/berth:0.1.0',
    registryProgram,
    env: { PATH: process.env['PATH'] },
    signal: new AbortController().signal,
    ...io,
    out: () => out.join(''),
    err: () => err.join(''),
  };
}

/** A Registry as YAML (JSON is YAML). */
export function registryFile(spec: object, metadata: object = { name: 'local' }): string {
  return JSON.stringify({ apiVersion: 'berth.dev/v1alpha1', kind: 'Registry', metadata, spec });
}
