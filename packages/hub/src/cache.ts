/**
 * The cache of the Hugging Face libraries, shared with them: `models--ORGANISATION--NAME/` with `blobs/` by content,
 * `refs/` from branches and tags to commits, `snapshots/COMMIT/` with the files' names as links to blobs.
 *
 * Nothing in it is trusted: a ref may hold anything, a link may lead nowhere.
 */

import { randomUUID } from 'node:crypto';
import { copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, type Stats } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { errorCode, writeWhole } from '@seal/files/node';
import { isGgufFile } from '@seal/gguf/node';
import { HubError } from './errors.ts';
import { isCommit, isModelRequest, parseModelName, type ModelName } from './name.ts';
import { INDEX, indexedNames, selectGguf } from './selection.ts';

/** The paths of one model in a cache. */
export interface CachedModel {
  readonly folder: string;
  blob(oid: string): string;
  ref(revision: string): string;
  snapshot(commit: string): string;
}

/** Where a cache keeps a model. */
export function cachedModel(cacheDirectory: string, name: string): CachedModel {
  const folder = join(cacheDirectory, ['models', ...name.split('/')].join('--'));
  return {
    folder,
    blob: (oid) => join(folder, 'blobs', oid),
    ref: (revision) => join(folder, 'refs', ...revision.split('/')),
    snapshot: (commit) => join(folder, 'snapshots', commit),
  };
}

/** Size of a file behind links, null where there is none: nothing, a directory, a link to nowhere or to itself. */
export function fileSize(path: string): number | null {
  const found = statOf(path);
  return found?.isFile() ? found.size : null;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Points a branch or tag at a commit, at once: a reader sees the old one or the new. */
export function writeRef(path: string, commit: string): void {
  writeWhole(path, commit);
}

/**
 * Gives a blob its name in a snapshot, in place of what is there. Where the file system has no links the file takes the
 * blob's place, as the Hugging Face libraries do it. `link` makes a symbolic link.
 */
export function linkBlob(blob: string, path: string, link: (target: string, path: string) => void = symlinkSync): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    try {
      link(relative(dirname(path), blob), temporary);
    } catch (error) {
      if (!['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'UNKNOWN'].includes(errorCode(error))) throw error;
      copyFileSync(blob, temporary);
      rmSync(blob);
    }
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

const MOST_INDEX_BYTES = 64 * 2 ** 20;

/** The commit of a revision as the cache knows it, null where it does not. Throws HubError for a ref that holds no commit. */
function cachedCommit(model: CachedModel, wanted: ModelName): string | null {
  const { name, revision } = wanted;
  if (isCommit(revision)) return revision;
  const path = model.ref(revision);
  const size = fileSize(path);
  if (size === null) return null;
  const commit = size <= 1_000 ? readFileSync(path, 'utf8').trim() : '';
  if (!isCommit(commit)) {
    throw new HubError('damaged', `Cannot use ${name} from the cache: ${path} holds no commit; delete it`, { verb: pulling(wanted) });
  }
  return commit;
}

/** The verb that loads a model. */
function pulling({ name, revision, gguf }: ModelName): readonly string[] {
  const file = gguf === null ? name : /\.gguf$/i.test(gguf) ? `${name}/${gguf}` : `${name}:${gguf}`;
  return ['pull', revision === 'main' ? file : `${file}@${revision}`];
}

/** What a snapshot lacks of the files it must have, null where it is whole. */
function missingFile(snapshot: string): string | null {
  const here = (file: string) => fileSize(join(snapshot, file)) !== null;
  const isAdapter = lstatSync(join(snapshot, 'adapter_config.json'), { throwIfNoEntry: false }) !== undefined;
  if (isAdapter) return ['adapter_config.json', 'adapter_model.safetensors'].find((file) => !here(file)) ?? null;
  if (!here('config.json')) return 'config.json';
  if (here('model.safetensors')) return null;
  const size = fileSize(join(snapshot, INDEX));
  if (size === null) return 'model.safetensors';
  if (size > MOST_INDEX_BYTES) return INDEX;
  try {
    const names = indexedNames(JSON.parse(readFileSync(join(snapshot, INDEX), 'utf8')));
    return names ? (names.find((file) => !here(file)) ?? null) : INDEX;
  } catch {
    return INDEX;
  }
}

/** The snapshot of a revision, or its GGUF file, where the cache has it whole, without a network. Throws HubError saying what to pull. */
export function cachedSnapshot(cacheDirectory: string, wanted: ModelName): string {
  const model = cachedModel(cacheDirectory, wanted.name);
  const commit = cachedCommit(model, wanted);
  const snapshot = commit === null ? null : model.snapshot(commit);
  if (snapshot === null || !statOf(snapshot)?.isDirectory()) {
    const what = wanted.revision === 'main' ? wanted.name : `${wanted.name} at ${wanted.revision}`;
    throw new HubError('not-found', `Cannot find ${what} in ${cacheDirectory}`, { verb: pulling(wanted) });
  }
  const ggufs = readdirSync(snapshot).filter((file) => /\.gguf$/i.test(file));
  if (wanted.gguf !== null) {
    const chosen = selectGguf(wanted.gguf, ggufs.filter((file) => fileSize(join(snapshot, file)) !== null));
    const [first] = 'parts' in chosen ? chosen.parts : [];
    if (first !== undefined) return join(snapshot, first);
    const problem = 'problem' in chosen ? chosen.problem : '';
    throw new HubError('damaged', `Cannot use ${wanted.name} from the cache: ${problem}`, { verb: pulling(wanted) });
  }
  const missing = missingFile(snapshot);
  if (missing === 'config.json' && ggufs.length > 0) {
    throw new HubError('unusable', `Cannot use ${wanted.name} from the cache: there are GGUF files of it alone; choose one, as ${ggufs.map((file) => `${wanted.name}/${file}`).join(', ')}`);
  }
  if (missing !== null) {
    throw new HubError('damaged', `Cannot use ${wanted.name} from the cache: ${join(snapshot, missing)} is missing or damaged`, { verb: pulling(wanted) });
  }
  return snapshot;
}

/**
 * The directory or GGUF file of a model: an existing one as it is, else what the cache holds of a name as `parseModelName`
 * reads it. Never asks the network. Throws HubError where there is neither.
 */
export async function resolveModel(nameOrDirectory: string, options: { readonly cacheDirectory: string }): Promise<string> {
  const found = statOf(nameOrDirectory);
  if (found?.isDirectory() || (found?.isFile() && isGgufFile(nameOrDirectory))) return nameOrDirectory;
  if (found) throw new HubError('not-found', `Cannot find a model in ${nameOrDirectory}: it is not a directory, nor a GGUF file; name the directory that holds config.json`);
  if (nameOrDirectory === '') throw new HubError('not-found', 'Cannot find a model without a name: give a directory or a hub name');
  if (!isModelRequest(nameOrDirectory)) {
    throw new HubError('not-found', `Cannot find a model in ${nameOrDirectory}: there is no such ${/\.gguf$/i.test(nameOrDirectory) ? 'file' : 'directory'}`);
  }
  let wanted: ModelName;
  try {
    wanted = parseModelName(nameOrDirectory);
  } catch (cause) {
    throw new HubError('not-found', `${cause instanceof Error ? cause.message : String(cause)}; and there is no directory ${nameOrDirectory}`, { cause });
  }
  try {
    return cachedSnapshot(options.cacheDirectory, wanted);
  } catch (error) {
    if (!(error instanceof HubError) || error.problem !== 'not-found') throw error;
    throw new HubError('not-found', `Cannot find a model ${nameOrDirectory}: there is no such directory, and it is not in ${options.cacheDirectory}`, { verb: pulling(wanted) });
  }
}
