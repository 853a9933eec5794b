/**
 * Products with a weight (N, K) that may lie in several parts of whole rows: a part gives its own columns of y = x W^T,
 * reads its own columns of dy for dx = dy W, and has its own rows of dW = dy^T x.
 */

import { matmulNN, matmulNT, matmulTN, part, type Recording, type Slice } from '@seal/kernels';
import type { Step } from './linears.ts';

/** A matrix on the device, row-major, in order of rows. Every part but the first starts at a multiple of 64 rows. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly parts: readonly { readonly firstRow: number; readonly rows: number; readonly slice: GPUBufferBinding }[];
}

/** Rows of x and y: as many as the operands hold, and as many as a step has. */
export interface BatchRows {
  readonly M: number;
  readonly dynamic: (step: Step) => { readonly M: number };
}

const columnsFrom = (slice: Slice, column: number) => (column === 0 ? slice : part(slice, column * 4));

/** y = x W^T + bias, overwritten. x (M, K), W (N, K), bias (N) or none -> y (M, N). */
export function multiplyTransposed(
  record: Recording<Step>,
  { M, dynamic }: BatchRows,
  x: Slice,
  w: Matrix,
  y: Slice,
  bias: Slice | null = null,
): void {
  const { columns: K, rows: N } = w;
  for (const { firstRow, rows, slice } of w.parts) {
    const sizes = { M, N: rows, K, accumulate: 0, hasBias: Number(bias !== null), lda: K, ldc: N };
    const own = bias && { bias: columnsFrom(bias, firstRow) };
    record.run(matmulNT, sizes, { a: x, b: slice, c: columnsFrom(y, firstRow), ...own }, dynamic);
  }
}

/** dx = dy W, added to where `accumulate`. dy (M, N), W (N, K) -> dx (M, K). */
export function multiplyBackward(
  record: Recording<Step>,
  { M, dynamic }: BatchRows,
  dy: Slice,
  w: Matrix,
  dx: Slice,
  accumulate: boolean,
): void {
  const { columns: K, rows: N } = w;
  for (const { firstRow, rows, slice } of w.parts) {
    const sizes = { M, N: K, K: rows, accumulate: Number(accumulate || firstRow > 0), hasBias: 0, lda: N, ldc: K };
    record.run(matmulNN, sizes, { a: columnsFrom(dy, firstRow), b: slice, c: dx }, dynamic);
  }
}

/** dW = dy^T x over all M rows, added to where `accumulate`. dy (M, N), x (M, K) -> dW (N, K). */
export function multiplyWeightGradient(
  record: Recording<Step>,
  M: number,
  dy: Slice,
  x: Slice,
  dw: Matrix,
  accumulate: boolean,
): void {
  const { columns: K, rows: N } = dw;
  for (const { firstRow, rows, slice } of dw.parts) {
    const sizes = { M: rows, N: K, K: M, accumulate: Number(accumulate), hasBias: 0, lda: N, ldc: K };
    record.run(matmulTN, sizes, { a: columnsFrom(dy, firstRow), b: x, c: slice });
  }
}
