/**
 * Frozen weights in a quantised format: every matrix in parts of whole rows with buffers of their own, vectors in float32.
 * Embedding and head decide every token, and are read by one row or once a step: under int4 they are held as int8.
 */

import { quantisedShape, quantiseRows, dequantiseRows, type QuantisedRows } from '@seal/kernels';
import { createStorage, upload } from './buffers.ts';
import { ParameterArena } from './arena.ts';
import type { ParameterLayout, TensorPlace } from './parameters.ts';
import type { Matrix, MatrixPart, QuantisedFormat, WeightFormat } from './matrix.ts';

/** The format of one tensor in a model whose matrices are `format`. */
export function tensorFormat(format: WeightFormat, { name, shape }: Pick<TensorPlace, 'name' | 'shape'>): WeightFormat {
  if (shape.length !== 2) return 'f32';
  const vocabulary = name === 'model.embed_tokens.weight' || name === 'lm_head.weight';
  return format === 'int4' && vocabulary ? 'int8' : format;
}

const ROW_MULTIPLE = 64;

/** Weights of a model in a quantised format. Owns its buffers until `destroy`. */
export class QuantisedWeights {
  #device: GPUDevice;
  #vectors: ParameterArena;
  #matrices = new Map<string, Matrix>();

  /** No buffer is larger than `byteLimit`. Throws RangeError where 64 rows of a matrix do not fit. */
  constructor(device: GPUDevice, layout: ParameterLayout, format: QuantisedFormat, byteLimit: number) {
    this.#device = device;
    const places = [...layout.places.values()];
    this.#vectors = new ParameterArena(device, 'vectors', vectorLayout(places), byteLimit);
    for (const place of places) {
      const own = tensorFormat(format, place);
      if (own !== 'f32') this.#matrices.set(place.name, this.#create(place, own, byteLimit));
    }
  }

  #create({ name, shape }: TensorPlace, format: QuantisedFormat, byteLimit: number): Matrix {
    const [rows = 1, columns = 1] = shape;
    const { words, groups } = quantisedShape(format, columns);
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
      return { firstRow, rows: count, slice, ...(groups > 0 && { scales: buffer('scales', count * groups) }) };
    };
    const others = Array.from({ length: Math.ceil(rows / step) - 1 }, (_, i) => make((i + 1) * step));
    return { rows, columns, format, parts: [make(0), ...others] };
  }

  /** A vector as an operand. */
  slice(name: string): GPUBufferBinding {
    return this.#vectors.slice(name);
  }

  /** One tensor by its parts. Throws RangeError for an unknown name. */
  matrix(name: string): Matrix {
    return this.#matrices.get(name) ?? this.#vectors.matrix(name);
  }

  /** Overwrites a vector. */
  writeVector(name: string, values: Float32Array): void {
    this.#vectors.writeRows(name, 0, values);
  }

  /** Overwrites rows of a matrix from `first` on. */
  writeRows(name: string, first: number, { data, scales }: QuantisedRows): void {
    const { columns, format, parts } = this.matrix(name);
    if (format === 'f32') throw new TypeError(`Cannot write packed rows of ${name}: it is held as f32`);
    const { words, groups } = quantisedShape(format, columns);
    const end = first + data.length / words;
    for (const own of parts) {
      const from = Math.max(first, own.firstRow);
      const to = Math.min(end, own.firstRow + own.rows);
      if (from >= to) continue;
      const put = (target: GPUBufferBinding, values: Uint32Array, width: number) =>
        upload(this.#device, target.buffer, values.subarray((from - first) * width, (to - first) * width), (from - own.firstRow) * width * 4);
      put(own.slice, data, words);
      if (own.scales) put(own.scales, scales, groups);
    }
  }

  destroy(): void {
    this.#vectors.destroy();
    for (const { parts } of this.#matrices.values()) {
      for (const { slice, scales } of parts) {
        slice.buffer.destroy();
        scales?.buffer.destroy();
      }
    }
  }
}

/** The vectors of a layout, as if there were no matrices. */
function vectorLayout(places: readonly TensorPlace[]): ParameterLayout {
  const vectors = places.filter(({ shape }) => shape.length !== 2);
  const start = vectors[0]?.offset ?? 0;
  const moved = vectors.map((place) => [place.name, { ...place, offset: place.offset - start }] as const);
  const last = moved.at(-1)?.[1];
  return { places: new Map(moved), elementCount: last ? last.offset + last.elementCount : 0, decayElements: 0 };
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
