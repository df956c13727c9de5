/**
 * The `_state` of an upload's URL, in Distribution's form, so that both can share a store during a change-over: URL-safe
 * base64 of an HMAC-SHA256 under `http.secret`, followed by JSON with Name, UUID, Offset and StartedAt.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { fault } from '../oci/error.ts';

export interface UploadState {
  readonly name: string;
  readonly id: string;
  /** Bytes stored when the URL was made. */
  readonly offset: number;
}

export interface UploadStates {
  seal(state: UploadState): string;
  /** Throws BLOB_UPLOAD_INVALID for a token that we did not make, or made for another upload. */
  open(token: string, name: string, id: string): UploadState;
}

const macLength = 32;

export function createUploadStates(secret: string, now: () => Date): UploadStates {
  const mac = (message: Buffer): Buffer => createHmac('sha256', secret).update(message).digest();

  return {
    seal({ name, id, offset }) {
      const message = Buffer.from(JSON.stringify({ Name: name, UUID: id, Offset: offset, StartedAt: now() }));
      const token = Buffer.concat([mac(message), message]).toString('base64');
      return encodeURIComponent(token.replaceAll('+', '-').replaceAll('/', '_'));
    },
    open(token, name, id) {
      const bytes = Buffer.from(token, 'base64url');
      const message = bytes.subarray(macLength);
      const isOurs = bytes.length > macLength && timingSafeEqual(bytes.subarray(0, macLength), mac(message));
      const state = isOurs ? (JSON.parse(message.toString('utf8')) as Record<string, unknown>) : {};
      if (state['Name'] !== name || state['UUID'] !== id || typeof state['Offset'] !== 'number') {
        throw fault(
          'BLOB_UPLOAD_INVALID',
          'the upload URL was not made by this registry (is http.secret the same everywhere?)',
        );
      }
      return { name, id, offset: state['Offset'] };
    },
  };
}
