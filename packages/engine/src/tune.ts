/** Which variants of the kernels are the fastest on this adapter: measured and kept, or forgotten. */

import { join } from 'node:path';
import { messageOf, Problem, problemsAs, Stopped } from '@seal/files';
import { isGgufFile } from '@seal/gguf/node';
import { configJson, parseConfig } from '@seal/model';
import { forgetTuning, tuneKernels, tuningPath, writeTuning, type TunedRow, type TuningPlace } from '@seal/tuner';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import type { Hooks } from './events.ts';
import { checkRequest, type RequestOf } from './request.ts';
import { modelDirectory, openDevice } from './session.ts';
import { tuningPlaceOf } from './tuning.ts';

const schema = type({
  'model?': 'string',
  /** Let variants take part that round operands to f16. */
  'f16?': 'boolean',
  /** Remove what was measured instead. */
  'forget?': 'boolean',
});

export type TuneRequest = RequestOf<typeof schema>;

export type TuneDocument =
  | { readonly adapter: string; readonly file: string; readonly halfOperands: boolean; readonly changed: number; readonly rows: readonly TunedRow[] }
  | { readonly adapter: string; readonly file: string; readonly forgotten: boolean };

/** Nothing is written unless everything was measured. */
export async function tune(request: TuneRequest, deps: Deps, { signal, onEvent }: Hooks = {}): Promise<TuneDocument> {
  const { model, f16 = false, forget = false } = checkRequest(schema, request);
  const place = tuningPlaceOf(deps);
  if (!place) throw new Problem('usage', 'Cannot tune: there is no folder to keep what is measured in');
  if (forget) return forgetChoices(place, deps);
  const directory = await modelDirectory(model, deps);
  const config = await problemsAs('unavailable', () => parseConfig(configJson(directory), isGgufFile(directory) ? directory : join(directory, 'config.json')));
  const gpu = await openDevice(deps);
  try {
    const onRow = (row: TunedRow) => onEvent?.({ type: 'measured', row });
    const rows = await problemsAs('training', () => tuneKernels(gpu, config, { halfOperands: f16, onRow, ...(signal && { signal }) }));
    if (rows.length === 0) throw new Problem('unavailable', 'Cannot tune: every op has one variant that runs on this adapter');
    const choices = rows.map(({ op, sizes, variant }) => ({ op, sizes, variant }));
    const kept = writeTuning(place, gpu.description, f16, choices);
    const changed = rows.filter(({ variant, standard }) => variant !== standard).length;
    return { adapter: gpu.description.description, file: kept, halfOperands: f16, changed, rows };
  } catch (error) {
    if (signal?.aborted) throw new Stopped(`${messageOf(signal.reason)}; nothing was written`);
    throw error;
  } finally {
    gpu.close();
  }
}

async function forgetChoices(place: TuningPlace, deps: Deps): Promise<TuneDocument> {
  const gpu = await openDevice(deps);
  try {
    const file = tuningPath(place, gpu.description);
    return { adapter: gpu.description.description, file, forgotten: forgetTuning(place, gpu.description) };
  } finally {
    gpu.close();
  }
}
