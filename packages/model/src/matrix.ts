/** Matrices on the device: their formats, and the parts that they lie in. */

import type { HeldFormat as Held, WeightFormat as QuantisedFormat } from '@seal/kernels';

/** Formats of fewer bits than float32. */
export type { QuantisedFormat };

/** How all matrices can be asked to lie on the device. */
export type WeightFormat = 'f32' | QuantisedFormat;

/** How a matrix lies on the device: as it was asked for, or in the blocks that it is stored in. */
export type HeldFormat = 'f32' | Held;

/** How all matrices of a model are held: in one format, or each tensor in the one that it is stored in, by name. */
export type Holding = WeightFormat | ReadonlyMap<string, HeldFormat>;

/** A holding in a word. */
export function holdingName(holding: Holding): WeightFormat | 'stored' {
  return typeof holding === 'string' ? holding : 'stored';
}

/** Whole rows of a matrix; `scales` of those formats that have them. */
export interface MatrixPart {
  readonly firstRow: number;
  readonly rows: number;
  readonly slice: GPUBufferBinding;
  readonly scales?: GPUBufferBinding;
}

/** A matrix on the device, row-major, in order of rows. Every part but the first starts at a multiple of 64 rows. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly format: HeldFormat;
  readonly parts: readonly [MatrixPart, ...MatrixPart[]];
}
