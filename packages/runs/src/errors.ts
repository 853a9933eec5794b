/** The failures of a run that a caller tells apart from others. */

/** A run was to be resumed with a configuration other than its own. */
export class ConfigMismatchError extends Error {
  override readonly name = 'ConfigMismatchError';
  readonly kind = 'usage';
}
