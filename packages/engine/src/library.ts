/** What a program that is no app hands to the verbs. */

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { openGpu } from '@seal/device';
import type { Deps } from './deps.ts';

/**
 * The best device there is, models of the hub in `cacheDirectory`, the version of this package, the clock, and the memory of
 * the machine. Nothing that was measured is used or kept. What differs is put on top.
 *
 * @example
 * const { answer } = await ask({ question: 'who plays the theremin ?' }, libraryDeps('models'));
 */
export function libraryDeps(cacheDirectory: string): Deps {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return {
    openGpu: () => openGpu(),
    hub: { cacheDirectory },
    version: { package: version },
    totalMemory: totalmem(),
    now: () => new Date(),
  };
}
