/** The key that schema 1 manifests are signed with when no signatures of theirs are stored. */
import { readFile } from 'node:fs/promises';
import { deriveSigningKey, parseKeyFile, type SigningKey } from './oci/schema1-key.ts';

/**
 * From `compatibility.schema1.signingkeyfile`, or else made of `http.secret`, so that replicas agree. Rejects with a sentence for
 * people if the file can't be used.
 */
export async function loadSigningKey(file: string | undefined, secret: string): Promise<SigningKey> {
  if (file === undefined) return deriveSigningKey(secret);
  try {
    return parseKeyFile(await readFile(file, 'latin1'), /\.(json|jwk)$/.test(file));
  } catch (error) {
    throw new Error(
      `compatibility.schema1.signingkeyfile: ${file} cannot be used: ${(error as Error).message}; ` +
        'give an EC or RSA private key, as PEM or as JWK in a file that ends in .json, or take the key out',
    );
  }
}
