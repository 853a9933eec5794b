/** Names of models on a hub, `name` or `organisation/name`, and of their revisions. */

/** A model's name with the revision that is asked for. */
export interface ModelName {
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

/** What a hub calls the revision that nobody asked for. */
const DEFAULT_REVISION = 'main';
const PART = '[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?';
const NAME = new RegExp(`^${PART}(?:/${PART})?$`);
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a text can be a model's name on a hub; the cache's folder names need it without `--`. */
export function isModelName(text: string): boolean {
  return text.length <= 96 && NAME.test(text) && !text.includes('--') && !text.includes('..');
}

/** Whether a revision is a full commit. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/**
 * Reads `NAME` or `NAME@REVISION`. Throws RangeError for what is no name on a hub, and for a revision that is no name
 * of git's or would lead out of the cache.
 */
export function parseModelName(text: string): ModelName {
  const at = text.indexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  if (!isModelName(name)) {
    throw new RangeError(`Cannot use ${JSON.stringify(name)} as a model's name: write ORGANISATION/NAME as on its page of the hub`);
  }
  const parts = revision.split('/');
  const sound = revision.length <= 200 && parts.every((part) => /^[A-Za-z0-9_+=#-][A-Za-z0-9_.+=#-]*$/.test(part) && !part.includes('..'));
  if (!sound) throw new RangeError(`Cannot use ${JSON.stringify(revision)} as a revision: write a branch, a tag or a commit`);
  return { name, revision };
}
