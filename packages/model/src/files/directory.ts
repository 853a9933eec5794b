/** Files of a model directory. */

import { readFile } from 'node:fs/promises';

/** A file that a checkpoint needs is not there or cannot be read. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is a file, not a directory',
  EISDIR: 'it is a directory, not a file',
  EEXIST: 'a file of that name is in the way',
  ENOTEMPTY: 'it is not empty; choose another directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
};

/** A failed file operation in words. */
export function fileProblem(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return PROBLEMS[code] ?? (cause instanceof Error ? cause.message : String(cause));
}

/** A parsed JSON file. Throws CheckpointError when it cannot be read and SyntaxError when it is not JSON. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new CheckpointError(`Cannot read ${path}: ${fileProblem(cause)}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${path}: it is not JSON`, { cause });
  }
}
