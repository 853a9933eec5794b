/**
 * Products with a weight (N, K) that may lie in several parts of whole rows: a part gives its own columns of y = x W^T,
 * reads its own columns of dy for dx = dy W, and has its own rows of dW = dy^T x. The format of a weight ends here: where a
 * product has few rows, quantised weights are converted in its kernel, where it has many, they are made float32 in a
 * temporary, a bounded piece of rows at a time, and multiplied as any other.
 */

import {
  dequantise,
  embedding,
  HELD_FORMATS,
  matmulNN,
  matmulNT,
  matmulTN,
  quantisedShape,
  part,
  quantisedEmbedding,
  quantisedMatmulNT,
  type Recording,
  type Slice,
} from '@seal/kernels';
import type { Matrix, MatrixPart } from './matrix.ts';
import type { Step } from './step.ts';

/** Rows of x and y: as many as the operands hold, and as many as a step has. */
export interface BatchRows {
  readonly M: number;
  readonly dynamic: (step: Step) => { readonly M: number };
}

/** Products of at most this many rows convert quantised weights as they read them: more would convert them too often. */
export const FEW_ROWS = 64;
/** Bytes of float32 that a piece of a quantised matrix may take; pieces start at multiples of 64 rows, as parts do. */
const DENSE_BYTES = 64 * 1024 * 1024;
const ROW_MULTIPLE = 64;

/** Rows of a matrix as float32, in a buffer or for the time of their product. */
interface DenseRows {
  readonly firstRow: number;
  readonly rows: number;
  /** Records what makes them, where they are quantised. */
  readonly slice: () => Slice;
}

const columnsFrom = (slice: Slice, column: number) => (column === 0 ? slice : part(slice, column * 4));

/** What the ops over quantised weights read of some rows. */
function quantisedOperands({ slice, scales }: MatrixPart, first: number, rows: number, words: number, scaleWords: number) {
  return {
    data: part(slice, first * words * 4, rows * words * 4),
    ...(scales && { scales: part(scales, first * scaleWords * 4, rows * scaleWords * 4) }),
  };
}

/** A matrix as float32, piece by piece. */
function dense(record: Recording<Step>, { columns: K, format, parts }: Matrix): DenseRows[] {
  if (format === 'f32') return parts.map(({ firstRow, rows, slice }) => ({ firstRow, rows, slice: () => slice }));
  const { words, scaleWords } = quantisedShape(format, K);
  const step = Math.max(ROW_MULTIPLE, Math.floor(DENSE_BYTES / 4 / K / ROW_MULTIPLE) * ROW_MULTIPLE);
  return parts.flatMap((own) =>
    Array.from({ length: Math.ceil(own.rows / step) }, (_, i): DenseRows => {
      const first = i * step;
      const rows = Math.min(step, own.rows - first);
      const slice = () => {
        const y = record.temporary('dense weights', rows * K);
        const sizes = { N: rows, K, format: HELD_FORMATS.indexOf(format) };
        record.run(dequantise, sizes, { ...quantisedOperands(own, first, rows, words, scaleWords), y });
        return y;
      };
      return { firstRow: own.firstRow + first, rows, slice };
    }),
  );
}

/**
 * A matrix as one float32 operand for an op that multiplies `M` rows by it and does more besides; null where it is to be
 * multiplied by the functions below.
 */
export function denseOperand(record: Recording<Step>, w: Matrix, M: number): Slice | null {
  if (w.format !== 'f32' && M <= FEW_ROWS) return null;
  const [only, ...others] = dense(record, w);
  return only && others.length === 0 ? only.slice() : null;
}

/** y[t] = W[tokens[t]]. tokens u32 (T), W (V, C) -> y (T, C), overwritten. */
export function embedTokens(
  record: Recording<Step>,
  { M: T, dynamic }: BatchRows,
  tokens: Slice,
  { columns: C, format, parts }: Matrix,
  y: Slice,
): void {
  const byTokens = (step: Step) => ({ T: dynamic(step).M });
  for (const own of parts) {
    const sizes = { T, V: own.rows, C, first: own.firstRow };
    if (format === 'f32') {
      record.run(embedding, sizes, { tokens, weight: own.slice, y }, byTokens);
    } else {
      const { words, scaleWords } = quantisedShape(format, C);
      const operands = { tokens, ...quantisedOperands(own, 0, own.rows, words, scaleWords), y };
      record.run(quantisedEmbedding, { ...sizes, format: HELD_FORMATS.indexOf(format) }, operands, byTokens);
    }
  }
}

/** y = x W^T + bias, overwritten. x (M, K), W (N, K), bias (N) or none -> y (M, N). */
export function multiplyTransposed(
  record: Recording<Step>,
  { M, dynamic }: BatchRows,
  x: Slice,
  w: Matrix,
  y: Slice,
  bias: Slice | null = null,
): void {
  const { columns: K, rows: N, format } = w;
  const ownBias = (firstRow: number) => bias && { bias: columnsFrom(bias, firstRow) };
  const hasBias = Number(bias !== null);
  if (format !== 'f32' && M <= FEW_ROWS) {
    const { words, scaleWords } = quantisedShape(format, K);
    for (const own of w.parts) {
      const { firstRow, rows } = own;
      const sizes = { M, N: rows, K, format: HELD_FORMATS.indexOf(format), hasBias, ldc: N };
      const operands = { a: x, ...quantisedOperands(own, 0, rows, words, scaleWords), ...ownBias(firstRow), c: columnsFrom(y, firstRow) };
      record.run(quantisedMatmulNT, sizes, operands, dynamic);
    }
    return;
  }
  for (const { firstRow, rows, slice } of dense(record, w)) {
    const sizes = { M, N: rows, K, accumulate: 0, hasBias, lda: K, ldc: N };
    record.run(matmulNT, sizes, { a: x, b: slice(), c: columnsFrom(y, firstRow), ...ownBias(firstRow) }, dynamic);
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
  for (const { firstRow, rows, slice } of dense(record, w)) {
    const sizes = { M, N: K, K: rows, accumulate: Number(accumulate || firstRow > 0), hasBias: 0, lda: N, ldc: K };
    record.run(matmulNN, sizes, { a: columnsFrom(dy, firstRow), b: slice(), c: dx }, dynamic);
  }
}

/** dW = dy^T x over all M rows, added to where `accumulate`. dy (M, N), x (M, K) -> dW (N, K), float32. */
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
