import { unpack } from '../dequantise/reference.ts';
import * as embedding from '../embedding/reference.ts';
import type { Numbers } from '../op.ts';

/** y[t] = W[tokens[t] - first] where the table of V rows has that row, W (V, C) being what the quantised rows stand for. */
export function forward(
  { V, C, first, format }: Readonly<Record<'V' | 'C' | 'first' | 'format', number>>,
  tokens: Numbers,
  data: Numbers,
  scales: Numbers,
  before: Float64Array,
): Float64Array {
  return embedding.forward(V, C, first, tokens, unpack(V, C, format, data, scales), before);
}
