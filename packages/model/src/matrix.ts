/** Matrices on the device: their formats, and the parts that they lie in. */

import type { WeightFormat as QuantisedFormat } from '@seal/kernels';

/** Formats of fewer bits than float32. */
export type { QuantisedFormat };

/** How a matrix lies on the device. */
export type WeightFormat = 'f32' | QuantisedFormat;

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
  readonly format: WeightFormat;
  readonly parts: readonly [MatrixPart, ...MatrixPart[]];
}
