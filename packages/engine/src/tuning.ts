/** What was measured of the kernels on an adapter, where the app keeps it. */

import type { GpuDescription } from '@seal/device';
import { readTuning, type Tuning, type TuningPlace } from '@seal/tuner/tuning';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';

type Kept = Pick<Deps, 'tuningFolder' | 'version'>;

/** Null where the app keeps none. */
export function tuningPlaceOf({ tuningFolder: folder, version }: Kept): TuningPlace | null {
  return folder === undefined ? null : { folder, dawn: version.dawn ?? '' };
}

/** The choices that are kept for an adapter, or null; a file that cannot be used is told of. */
export function keptTuning(description: GpuDescription, deps: Kept, hooks: Hooks = {}): Tuning | null {
  const place = tuningPlaceOf(deps);
  return place && readTuning(place, description, (message, verb) => note(hooks, message, verb));
}
