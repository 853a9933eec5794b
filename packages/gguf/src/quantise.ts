/** float32 to blocks, for what is written: F32, F16, BF16 and Q8_0, to the bit as gguf-py's `quants.py` has them. */

import { toBfloat, toHalf } from './half.ts';
import { BLOCKS, type GgufType } from './types.ts';

/** The types that are written. */
export const WRITTEN_TYPES = ['F32', 'F16', 'BF16', 'Q8_0'] as const satisfies readonly GgufType[];
export type WrittenType = (typeof WRITTEN_TYPES)[number];

/** The blocks of values, which are whole blocks. Throws RangeError where they are not. A value beyond float16 becomes infinite. */
export function quantise(type: WrittenType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const { elements, bytes } = BLOCKS[type];
  if (values.length % elements !== 0) throw new RangeError(`Cannot write ${values.length} elements as ${type}: a block has ${elements}`);
  const out = new Uint8Array((values.length / elements) * bytes);
  const view = new DataView(out.buffer);
  if (type === 'Q8_0') quantiseQ8(values, view);
  else if (type === 'F32') values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  else if (type === 'F16') for (let i = 0; i < values.length; i++) view.setUint16(2 * i, toHalf(values[i]), true);
  else {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < bits.length; i++) view.setUint16(2 * i, toBfloat(bits[i]), true);
  }
  return out;
}

/** A step of a 127th of the largest, rounded away from zero at ties; every operation in float32. */
function quantiseQ8(values: Float32Array, view: DataView): void {
  for (let from = 0, at = 0; from < values.length; from += 32, at += 34) {
    let most = 0;
    for (let j = 0; j < 32; j++) most = Math.max(most, Math.abs(values[from + j]));
    const step = Math.fround(most / 127);
    const inverse = step === 0 ? 0 : Math.fround(1 / step);
    view.setUint16(at, toHalf(step), true);
    for (let j = 0; j < 32; j++) {
      const scaled = Math.fround(values[from + j] * inverse);
      const size = Math.abs(scaled);
      const whole = Math.floor(size);
      const rounded = whole + Math.floor(2 * (size - whole));
      view.setInt8(at + 2 + j, scaled < 0 ? -rounded : rounded);
    }
  }
}
