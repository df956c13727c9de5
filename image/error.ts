/** What stops a build of the image and that a person can do something about; its message says what. */
export class ImageError extends Error {
  override name = 'ImageError';
}
