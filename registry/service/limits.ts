/** Bytes of the largest manifest that is accepted or served (the specification asks for at least 4 megabytes). */
export const maxManifestSize = 4 * 1024 * 1024;
