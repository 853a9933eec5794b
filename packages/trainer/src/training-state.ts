/** Where a training stands, as the file that it goes on from. */

import { parseSafetensors, toFloat32, writeSafetensors, type OptimiserState } from '@seal/model';

/** The state after `step` steps. */
export interface TrainingState {
  readonly step: number;
  readonly optimiser: OptimiserState;
  /** What is trained, by name. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** What is trained has its names behind one of these; the second is of files that were written before. */
const TRAINED = /^(?:trained|weights)\./;

/** A state as a safetensors file: the moments `m` and `v`, `step`, and `trained.NAME` for what is trained. */
export function encodeTrainingState({ step, optimiser: { m, v }, tensors }: TrainingState): Uint8Array {
  const vectors = { m, v, step: Float32Array.of(step) };
  return writeSafetensors([
    ...Object.entries(vectors).map(([name, data]) => [name, { shape: [data.length], data }] as const),
    ...[...tensors].map(([name, data]) => [`trained.${name}`, { shape: [data.length], data }] as const),
  ]);
}

/** The state that a file holds; `place` names it in what is thrown where it is damaged. */
export function decodeTrainingState(bytes: Uint8Array<ArrayBuffer>, place: string): TrainingState {
  const stored = parseSafetensors(bytes, place);
  const tensor = (name: string): Float32Array => {
    const found = stored.get(name);
    if (!found) throw new RangeError(`Cannot read ${place}: tensor ${name} is missing`);
    return toFloat32(found, name);
  };
  const [step = NaN] = tensor('step');
  const names = [...stored.keys()].filter((name) => TRAINED.test(name));
  const tensors = new Map(names.map((name) => [name.replace(TRAINED, ''), tensor(name)]));
  return { step, optimiser: { m: tensor('m'), v: tensor('v'), steps: step }, tensors };
}
