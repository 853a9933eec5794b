/** What two runs are compared by. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordKinds } from '@seal/runs';

const COMPARED = recordKinds.filter((kind) => kind !== 'events');

/** Every record of a run but its events, without the order in which an interruption may have put them. */
export function contents(dir: string): Record<string, string[]> {
  const lines = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean).sort() : []);
  return Object.fromEntries(COMPARED.map((kind) => [kind, lines(join(dir, `${kind}.jsonl`))]));
}
