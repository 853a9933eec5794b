/** Passages that a user wrote, as contexts that the tiny model can read. */

import { parsePassages, type Context } from '@seal/domains';
import { readableContexts } from '@seal/tiny';
import { EXIT, orExit } from './failure.ts';
import { readText } from './files.ts';

/** Reads a passages file, or ends with exit code 3 and a message that names file, place and remedy. */
export async function readPassages(path: string): Promise<Context[]> {
  const text = readText(path, EXIT.data);
  return orExit(EXIT.data, () => readableContexts(parsePassages(text, path), path));
}
