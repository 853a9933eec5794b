/** Programs on the PATH. */

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Every program of this name on the PATH, first come first. */
export function pathCandidates(program: string): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).filter((path) => existsSync(path));
}
