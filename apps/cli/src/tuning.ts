/** The tuning that the user's cache keeps for an adapter. */

import type { GpuDescription } from '@seal/device';
import { readTuning, type Tuning, type TuningPlace } from '@seal/tuner';
import { cacheFolder } from './cache.ts';
import { say } from './terminal.ts';
import { dawnVersion } from './version.ts';

export function tuningPlace(): TuningPlace {
  return { folder: cacheFolder(), dawn: dawnVersion() };
}

/** The choices for an adapter, or null; a file that cannot be used is named on stderr. */
export function keptTuning(description: GpuDescription): Tuning | null {
  return readTuning(tuningPlace(), description, (text, verb) => say(`seal: ${text} with: npm run -s seal -- ${verb.join(' ')}`));
}
