/**
 * Frozen weights, matrices quantised: each of them in parts of whole rows with buffers of their own, vectors in float32.
 * Embedding and head decide every token, and are read by one row or once a step: under int4 they are held as int8.
 */

import { quantisedShape, quantiseRows, dequantiseRows, type QuantisedRows } from '@seal/kernels';
import { createStorage, upload } from './buffers.ts';
import { ParameterArena } from './arena.ts';
import { ALIGNMENT, type ParameterLayout, type TensorPlace } from './parameters.ts';
import type { HeldFormat, Holding, Matrix, MatrixPart, QuantisedFormat, WeightFormat } from './matrix.ts';

/** The format of one tensor in a model whose matrices are `format`. */
export function tensorFormat(format: WeightFormat, { name, shape }: Pick<TensorPlace, 'name' | 'shape'>): WeightFormat {
  if (shape.length !== 2) return 'f32';
  const vocabulary = name === 'model.embed_tokens.weight' || name === 'lm_head.weight';
  return format === 'int4' && vocabulary ? 'int8' : format;
}

/** The format of one tensor as a model holds it. */
function heldFormat(holding: Holding, place: TensorPlace): HeldFormat {
  if (typeof holding === 'string') return tensorFormat(holding, place);
  return place.shape.length === 2 ? (holding.get(place.name) ?? 'f32') : 'f32';
}

const ROW_MULTIPLE = 64;

/** Weights of a model that are not all float32. Owns its buffers until `destroy`. */
export class QuantisedWeights {
  #device: GPUDevice;
  /** Vectors, and matrices that are held as float32. */
  #floats: ParameterArena;
  #matrices = new Map<string, Matrix>();

  /** No buffer is larger than `byteLimit`. Throws RangeError where 64 rows of a matrix do not fit. */
  constructor(device: GPUDevice, layout: ParameterLayout, holding: Holding, byteLimit: number) {
    this.#device = device;
    const floats: TensorPlace[] = [];
    for (const place of layout.places.values()) {
      const own = heldFormat(holding, place);
      if (own === 'f32') floats.push(place);
      else this.#matrices.set(place.name, this.#create(place, own, byteLimit));
    }
    this.#floats = new ParameterArena(device, 'vectors', layoutOf(floats), byteLimit);
  }

  #create({ name, shape }: TensorPlace, format: Exclude<HeldFormat, 'f32'>, byteLimit: number): Matrix {
    const [rows = 1, columns = 1] = shape;
    const { words, scaleWords } = quantisedShape(format, columns);
    const most = Math.floor(byteLimit / (words * 4) / ROW_MULTIPLE) * ROW_MULTIPLE;
    const step = rows * words * 4 <= byteLimit ? rows : most;
    if (step === 0) {
      throw new RangeError(
        `Cannot hold tensor ${name} (${shape.join(', ')}) as ${format}: ${ROW_MULTIPLE} of its rows are more than the ` +
          `${byteLimit} bytes that the device binds at most`,
      );
    }
    const buffer = (label: string, elementCount: number) => ({ buffer: createStorage(this.#device, label, elementCount), size: elementCount * 4 });
    const make = (firstRow: number): MatrixPart => {
      const count = Math.min(step, rows - firstRow);
      const slice = buffer('quantised weights', count * words);
      return { firstRow, rows: count, slice, ...(scaleWords > 0 && { scales: buffer('scales', count * scaleWords) }) };
    };
    const others = Array.from({ length: Math.ceil(rows / step) - 1 }, (_, i) => make((i + 1) * step));
    return { rows, columns, format, parts: [make(0), ...others] };
  }

  /** A vector as an operand. */
  slice(name: string): GPUBufferBinding {
    return this.#floats.slice(name);
  }

  /** One tensor by its parts. Throws RangeError for an unknown name. */
  matrix(name: string): Matrix {
    return this.#matrices.get(name) ?? this.#floats.matrix(name);
  }

  /** Overwrites rows of a tensor that is held as float32, from `first` on. */
  writeFloats(name: string, first: number, values: Float32Array): void {
    this.#floats.writeRows(name, first, values);
  }

  /** Overwrites rows of a quantised matrix from `first` on. */
  writeRows(name: string, first: number, { data, scales }: QuantisedRows): void {
    const { columns, format, parts } = this.matrix(name);
    if (format === 'f32') throw new TypeError(`Cannot write packed rows of ${name}: it is held as f32`);
    const { words, scaleWords } = quantisedShape(format, columns);
    const end = first + data.length / words;
    for (const own of parts) {
      const from = Math.max(first, own.firstRow);
      const to = Math.min(end, own.firstRow + own.rows);
      if (from >= to) continue;
      const put = (target: GPUBufferBinding, values: Uint32Array, width: number) =>
        upload(this.#device, target.buffer, values.subarray((from - first) * width, (to - first) * width), (from - own.firstRow) * width * 4);
      put(own.slice, data, words);
      if (own.scales) put(own.scales, scales, scaleWords);
    }
  }

  destroy(): void {
    this.#floats.destroy();
    for (const { parts } of this.#matrices.values()) {
      for (const { slice, scales } of parts) {
        slice.buffer.destroy();
        scales?.buffer.destroy();
      }
    }
  }
}

/** Some tensors of a layout, as if there were no others. */
function layoutOf(places: readonly TensorPlace[]): ParameterLayout {
  let elementCount = 0;
  const moved = places.map((place) => {
    const offset = elementCount;
    elementCount += Math.ceil(place.elementCount / ALIGNMENT) * ALIGNMENT;
    return [place.name, { ...place, offset }] as const;
  });
  return { places: new Map(moved), elementCount, decayElements: 0 };
}

/** The first number that no f16 is near; the bounds of a group must lie within 65,504, the largest f16. */
const BEYOND_HALF = { f16: 65_520, int8: 65_505, int4: 65_505 };

/**
 * Rows of tensor `name` from element `start` on, quantised. Throws RangeError naming the tensor, the element and the remedy
 * where a value is beyond what the format holds.
 */
export function quantiseTensorRows(
  format: QuantisedFormat,
  values: Float32Array,
  columns: number,
  { name, start, remedy }: { readonly name: string; readonly start: number; readonly remedy: string },
): QuantisedRows {
  try {
    return quantiseRows(format, values, columns);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const beyond = values.findIndex((value) => Math.abs(value) >= BEYOND_HALF[format]);
    const what = beyond < 0 ? cause.message : `element ${start + beyond} is ${values[beyond]}, beyond 65504, where f16 ends`;
    throw new RangeError(`Cannot hold tensor ${name} as ${format}: ${what}; use ${remedy}`, { cause });
  }
}

/**
 * What quantising lost of every row (an output channel): root mean square of the difference over that of the row, into
 * `errors`; 0 for a row of zeros.
 */
export function measureChannels(
  format: QuantisedFormat,
  values: Float32Array,
  quantised: QuantisedRows,
  columns: number,
  errors: Float32Array,
): void {
  const kept = dequantiseRows(format, quantised, columns);
  for (let row = 0; row < values.length / columns; row++) {
    let difference = 0;
    let norm = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      difference += (kept[i] - values[i]) ** 2;
      norm += values[i] ** 2;
    }
    errors[row] = norm === 0 ? 0 : Math.sqrt(difference / norm);
  }
}
