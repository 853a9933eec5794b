/** Names of models on a hub, `name` or `organisation/name`, and of their revisions. */

/** A model's name with the revision and the file that are asked for. */
export interface ModelName {
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** The GGUF file that is asked for: its name, or the part that tells it from others, such as Q4_K_M. Null for a model of safetensors. */
  readonly gguf: string | null;
}

/** What a hub calls the revision that nobody asked for. */
const DEFAULT_REVISION = 'main';
const PART = '[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?';
const NAME = new RegExp(`^${PART}(?:/${PART})?$`);
const VARIANT = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a text can be a model's name on a hub; the cache's folder names need it without `--`. */
export function isModelName(text: string): boolean {
  return text.length <= 96 && NAME.test(text) && !text.includes('--') && !text.includes('..');
}

/** Whether a revision is a full commit. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** A name and the GGUF file behind it, `NAME:Q4_K_M` or `ORGANISATION/NAME/FILE.gguf`; null where there is none. */
function splitFile(text: string): readonly [name: string, gguf: string | null] {
  const [name = '', variant, ...more] = text.split(':');
  if (variant !== undefined) return more.length === 0 ? [name, variant] : [text, null];
  const parts = text.split('/');
  const file = parts.at(-1) ?? '';
  return parts.length === 3 && /\.gguf$/i.test(file) ? [parts.slice(0, 2).join('/'), file] : [text, null];
}

/** Whether a text can be a model's name with what may stand behind it. */
export function isModelRequest(text: string): boolean {
  return isModelName(splitFile(text.split('@')[0] ?? '')[0]);
}

/**
 * Reads `NAME` or `NAME@REVISION`, where the name may be followed by a GGUF file's variant or be that of the file:
 * `NAME:Q4_K_M`, `ORGANISATION/NAME/FILE.gguf`. Throws RangeError for what is no name on a hub, and for a revision that is no
 * name of git's or would lead out of the cache.
 */
export function parseModelName(text: string): ModelName {
  const at = text.indexOf('@');
  const [name, gguf] = splitFile(at < 0 ? text : text.slice(0, at));
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  if (!isModelName(name)) {
    throw new RangeError(`Cannot use ${JSON.stringify(name)} as a model's name: write ORGANISATION/NAME as on its page of the hub`);
  }
  if (gguf !== null && (!VARIANT.test(gguf) || gguf.includes('..'))) {
    throw new RangeError(`Cannot use ${JSON.stringify(gguf)} as a GGUF file of ${name}: write a part of its name, as in ${name}:Q4_K_M`);
  }
  const parts = revision.split('/');
  const sound = revision.length <= 200 && parts.every((part) => /^[A-Za-z0-9_+=#-][A-Za-z0-9_.+=#-]*$/.test(part) && !part.includes('..'));
  if (!sound) throw new RangeError(`Cannot use ${JSON.stringify(revision)} as a revision: write a branch, a tag or a commit`);
  return { name, revision, gguf };
}
