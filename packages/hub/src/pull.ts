/** Loading a model from a hub into the cache. */

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Hub, type Endpoint } from './api.ts';
import { cachedModel, fileSize, linkBlob, writeRef } from './cache.ts';
import { downloadBlob } from './download.ts';
import { HubError, storageError } from './errors.ts';
import { isCommit, parseModelName } from './name.ts';
import { INDEX, selectFiles, selectShards, type RepositoryFile } from './selection.ts';

/** Where to, from where, and whom to tell. */
export interface PullOptions extends Endpoint {
  readonly cacheDirectory: string;
  readonly onProgress?: (progress: PullProgress) => void;
}

/** How far a pull is. */
export interface PullProgress {
  readonly file: string;
  /** Bytes of all files so far, those that were there before included. */
  readonly byteLength: number;
  /** Bytes of all files known to be needed. */
  readonly totalBytes: number;
}

/** A file of a pulled model. */
export interface PulledFile {
  readonly path: string;
  readonly byteLength: number;
  /** `cached` was there whole, `resumed` in part. */
  readonly status: 'loaded' | 'resumed' | 'cached';
}

/** A model that is in the cache now. */
export interface Pulled {
  readonly name: string;
  readonly revision: string;
  readonly commit: string;
  /** The snapshot: a model directory. */
  readonly directory: string;
  readonly files: readonly PulledFile[];
  /** Bytes that came over the network for files. */
  readonly receivedBytes: number;
}

/**
 * Loads what a model needs into the cache: `nameAndRevision` is as `parseModelName` reads it. A branch or tag points at the
 * new commit only when everything is there. Throws RangeError for what is no name, HubError, and the signal's reason.
 */
export async function pull(nameAndRevision: string, options: PullOptions): Promise<Pulled> {
  const wanted = parseModelName(nameAndRevision);
  const hub = new Hub(wanted, options);
  const { commit, files: listed } = await hub.listing();
  const model = cachedModel(options.cacheDirectory, wanted.name);
  const directory = model.snapshot(commit);
  const selection = selectFiles(wanted.name, listed, wanted.gguf);
  const files: PulledFile[] = [];
  let receivedBytes = 0;
  let before = 0;

  const take = async (file: RepositoryFile, totalBytes: number): Promise<void> => {
    const blob = model.blob(file.oid);
    const path = join(directory, file.path);
    const report = (byteLength: number) => options.onProgress?.({ file: file.path, byteLength: before + byteLength, totalBytes });
    try {
      let status: PulledFile['status'] = 'cached';
      // A blob that is none any more makes room; on a file system without links the snapshot holds the file itself.
      if (existsSync(blob) && fileSize(blob) !== file.byteLength) rmSync(blob);
      if (!existsSync(blob) && fileSize(path) !== file.byteLength) {
        const loaded = await downloadBlob(hub, hub.fileUrl(commit, file.path), file, blob, report);
        receivedBytes += loaded.receivedBytes;
        status = loaded.resumedFrom > 0 ? 'resumed' : 'loaded';
      }
      if (existsSync(blob)) linkBlob(blob, path);
      files.push({ path: file.path, byteLength: file.byteLength, status });
      before += file.byteLength;
      report(0);
    } catch (error) {
      throw storageError(path, error);
    }
  };

  // The index comes first: it says which shards there are.
  const first = [...selection.files].sort((a, b) => a.byteLength - b.byteLength);
  const shardsListed = selection.index ? listed.filter(({ path }) => /^model-\d+-of-\d+\.safetensors$/.test(path)) : [];
  const estimate = sum([...first, ...shardsListed]);
  for (const file of first) await take(file, estimate);
  if (selection.index) {
    const shards = selectShards(wanted.name, readIndex(join(directory, INDEX), wanted.name), listed);
    const total = sum([...first, ...shards]);
    for (const shard of shards) await take(shard, total);
  }
  try {
    if (!isCommit(wanted.revision)) writeRef(model.ref(wanted.revision), commit);
  } catch (error) {
    throw storageError(model.ref(wanted.revision), error);
  }
  return { name: wanted.name, revision: wanted.revision, commit, directory, files, receivedBytes };
}

function sum(files: readonly RepositoryFile[]): number {
  return files.reduce((total, { byteLength }) => total + byteLength, 0);
}

function readIndex(path: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new HubError('unusable', `Cannot pull ${name}: its ${INDEX} is not JSON`, { cause });
  }
}
