/** Files of a model directory. */

import { readFile } from 'node:fs/promises';
import { fileProblem } from '@seal/files/node';

/** A file that a checkpoint needs is not there or cannot be read. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  readonly kind = 'unavailable';
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
