/**
 * Packed causal attention with grouped queries and its gradients. Sequences lie one after another in T; a query sees
 * the keys of its own sequence up to itself, within a sliding window where there is one. The gradients recompute the
 * probabilities from the saved log-sum-exp in two passes, one owning dq and one owning dk and dv, so that nothing is
 * added atomically and bits repeat (Dao 2023, FlashAttention-2, arXiv 2307.08691; there dq is accumulated atomically).
 */

import { ceilDiv, defineOp, fold, type AdapterProfile } from '../op.ts';
import keyValuePlainCode from './attention-backward-key-value-plain.wgsl.ts';
import keyValueCode from './attention-backward-key-value-subgroup.wgsl.ts';
import keyValueWorkgroupCode from './attention-backward-key-value-workgroup.wgsl.ts';
import queryPlainCode from './attention-backward-query-plain.wgsl.ts';
import queryCode from './attention-backward-query-subgroup.wgsl.ts';
import queryWorkgroupCode from './attention-backward-query-workgroup.wgsl.ts';
import deltaCode from './attention-delta.wgsl.ts';
import plainCode from './attention-plain.wgsl.ts';
import code from './attention-subgroup.wgsl.ts';
import workgroupCode from './attention-workgroup.wgsl.ts';
import backwardOperandsCode from './backward-operands.wgsl.ts';
import broadcastCode from './broadcast.wgsl.ts';
import operandsCode from './operands.wgsl.ts';
import queryTileCode from './query-tile.wgsl.ts';
import * as reference from './reference.ts';
import windowCode from './window.wgsl.ts';
import { attentionTileBytes, attentionTilePrelude, keyTile, queryTile } from './workgroup-tile.ts';
import workgroupTileCode from './workgroup-tile.wgsl.ts';

/** What every variant of a pass begins with. */
const forwardCode = operandsCode + windowCode;
const backwardCode = operandsCode + backwardOperandsCode + windowCode;

type Heads = Readonly<Record<'T' | 'H' | 'K' | 'D' | 'window' | 'scale', number>>;

/** Bounds [start, end) of random sequences that fill T, most of them short, longer ones where a window cuts them. */
function drawBounds({ T, window }: Heads, uniform: () => number): Uint32Array {
  const longest = window === 0 ? 60 : 250;
  const bounds = new Uint32Array(2 * T);
  for (let start = 0; start < T; ) {
    const end = Math.min(T, start + 1 + Math.floor(longest * uniform() ** 2));
    for (let t = start; t < end; t++) bounds.set([start, end], 2 * t);
    start = end;
  }
  return bounds;
}

const params = { T: 'u32', H: 'u32', K: 'u32', D: 'u32', window: 'u32', scale: 'f32' } as const;
const queries = { type: 'f32' as const, shape: ({ T, H, D }: Heads) => [T, H * D] };
const keys = { type: 'f32' as const, shape: ({ T, K, D }: Heads) => [T, K * D] };
const bounds = { type: 'u32' as const, shape: ({ T }: Heads) => [T, 2], draw: drawBounds };
const stats = {
  type: 'f32' as const,
  shape: ({ T, H }: Heads) => [T, H, 2],
  draw: ({ T, H }: Heads, uniform: () => number) =>
    Float64Array.from({ length: T * H * 2 }, (_, i) => (i % 2 === 0 ? 3 + uniform() : uniform() - 0.5)),
};
const cases = [
  { T: 1, H: 1, K: 1, D: 4, window: 0, scale: 0.5 },
  { T: 7, H: 3, K: 1, D: 12, window: 0, scale: 0.3 },
  { T: 97, H: 3, K: 3, D: 32, window: 0, scale: 0.1768 },
  { T: 33, H: 2, K: 1, D: 80, window: 0, scale: 0.1118 },
  { T: 129, H: 4, K: 2, D: 32, window: 0, scale: 0.1768 },
  { T: 70, H: 2, K: 2, D: 64, window: 0, scale: 0.125 },
  { T: 129, H: 4, K: 2, D: 32, window: 1, scale: 0.1768 },
  { T: 33, H: 2, K: 1, D: 80, window: 7, scale: 0.1118 },
  { T: 257, H: 3, K: 3, D: 32, window: 33, scale: 0.1768 },
  { T: 150, H: 2, K: 2, D: 64, window: 19, scale: 0.125 },
  { T: 35, H: 2, K: 1, D: 256, window: 0, scale: 0.0625 },
] as const;
const tolerance = { floor: 4e-6, why: 'exp is polynomial on some adapters and sums run over a whole sequence' };

const prelude = ({ D }: { D: number }) => `const D4 = ${D / 4}u;\n`;
const queryPerInvocation = { name: 'plain', prelude, workgroups: ({ T, H }: Heads) => fold(ceilDiv(T * H, 64)) };
const keyPerInvocation = { name: 'plain', prelude, workgroups: ({ T, K }: Heads) => fold(ceilDiv(T * K, 64)) };

/**
 * How many heads and rows of 8 tokens one subgroup takes, so that a loaded key serves two heads of a group where there are
 * two. One for wide heads, whose register arrays take too long to compile. Never two rows: adapters start at multiples of 8
 * tokens, and blocks of keys are counted from the first row's start, so that what is summed together in the second row
 * would depend on the adapter before.
 */
function tile({ H, K, D }: Heads, widest: number): { readonly heads: number; readonly rows: number } {
  return { heads: D <= widest && (H / K) % 2 === 0 ? 2 : 1, rows: 1 };
}

const lanes = {
  name: 'subgroup',
  needs: ['subgroups'] as const,
  supports: ({ subgroupSize }: AdapterProfile) => subgroupSize === 8,
};

const queryPerLane = (widest: number) => ({
  ...lanes,
  prelude: (sizes: Heads) => {
    const { heads, rows } = tile(sizes, widest);
    return (
      `const D4 = ${sizes.D / 4}u;\nconst HEADS = ${heads}u;\n` +
      `const ROWS = ${rows}u;\nconst UNITS = ${heads * rows}u;\n`
    );
  },
  workgroups: (sizes: Heads) => {
    const { heads, rows } = tile(sizes, widest);
    return [ceilDiv(sizes.T, 8 * rows), sizes.H / heads] as const;
  },
});

/** A second row of keys pays only where no second query head shares them. */
const keyRows = ({ H, K, D }: Heads): number => (H === K && D <= 32 ? 2 : 1);
const keyPerLane = {
  ...lanes,
  prelude: (sizes: Heads) => `const D4 = ${sizes.D / 4}u;\nconst ROWS = ${keyRows(sizes)}u;\n`,
  workgroups: (sizes: Heads) => [ceilDiv(sizes.T, 8 * keyRows(sizes)), sizes.K] as const,
};

/** Widest head whose tiles fit: 8 KiB of workgroup memory hold 8 tokens of it. */
const widestTile = 256;
const queriesPerWorkgroup = {
  name: 'workgroup',
  prelude: ({ D }: Heads) => attentionTilePrelude(queryTile, D),
  workgroupBytes: ({ D }: Heads) => attentionTileBytes(queryTile, D),
  supports: (_: AdapterProfile, { D }: Heads) => D <= widestTile,
  workgroups: ({ T, H }: Heads) => [ceilDiv(T, queryTile.rows), H] as const,
};
const keysPerWorkgroup = {
  name: 'workgroup',
  prelude: ({ D }: Heads) => attentionTilePrelude(keyTile, D),
  workgroupBytes: ({ D }: Heads) => attentionTileBytes(keyTile, D),
  supports: (_: AdapterProfile, { D }: Heads) => D <= widestTile,
  workgroups: ({ T, K }: Heads) => [ceilDiv(T, keyTile.rows), K] as const,
};

/**
 * y = softmax(scale q k^T) v with query t of a sequence [start, end) over the keys start..t, of which only the last
 * `window` count where that is not 0 (the query's own among them, as transformers' sliding window has it); query head h
 * reads key/value head floor(h K / H). q (T, H D), k, v (T, K D) f32, bounds (T, 2) u32 = [start, end) of each token's
 * sequence -> y (T, H D), logSumExp (T, H), both overwritten. D is a multiple of 4 and H of K.
 */
export const attention = defineOp({
  name: 'attention',
  formula: 'y = softmax(scale q k^T) v, block-diagonal, causal and within a window',
  source: 'Vaswani et al. 2017, arXiv 1706.03762, equation 1; grouped queries: Ainslie et al. 2023, arXiv 2305.13245',
  params,
  inputs: { q: queries, k: keys, v: keys, bounds },
  outputs: {
    y: { ...queries, mode: 'overwrite' },
    logSumExp: { type: 'f32', mode: 'overwrite', shape: ({ T, H }) => [T, H] },
  },
  variants: [
    { ...queryPerLane(64), code: forwardCode + broadcastCode + code },
    { ...queriesPerWorkgroup, code: forwardCode + workgroupTileCode + queryTileCode + workgroupCode },
    { ...queryPerInvocation, code: forwardCode + plainCode },
  ],
  reference: (sizes, { q, k, v, bounds }) => reference.forward(sizes, q, k, v, bounds),
  gradient: {
    of: ['q', 'k', 'v'],
    through: ['y'],
    reference: (sizes, { q, k, v, bounds }, { y, logSumExp }, dOutputs) => {
      const saved = reference.delta(sizes.T, sizes.H, sizes.D, y, dOutputs.y, logSumExp);
      const { dq, dk, dv } = reference.backward(sizes, q, k, v, dOutputs.y, saved, bounds);
      return { q: dq, k: dk, v: dv };
    },
  },
  cases,
  tolerance,
});

/** stats = (logSumExp, sum over d of y dy). y, dy (T, H D), logSumExp (T, H) -> stats (T, H, 2), overwritten. */
export const attentionDelta = defineOp({
  name: 'attention-delta',
  formula: 'stats = (logSumExp, sum_d y dy)',
  source: 'Dao 2023, arXiv 2307.08691, algorithm 2, line 4',
  params: { T: 'u32', H: 'u32', D: 'u32' },
  inputs: {
    y: { type: 'f32', shape: ({ T, H, D }) => [T, H * D] },
    dy: { type: 'f32', shape: ({ T, H, D }) => [T, H * D] },
    logSumExp: { type: 'f32', shape: ({ T, H }) => [T, H] },
  },
  outputs: { stats: { type: 'f32', mode: 'overwrite', shape: ({ T, H }) => [T, H, 2] } },
  variants: [{ name: 'plain', code: deltaCode, workgroups: ({ T, H }) => fold(ceilDiv(T * H, 64)) }],
  reference: ({ T, H, D }, { y, dy, logSumExp }) => ({ stats: reference.delta(T, H, D, y, dy, logSumExp) }),
  gradient: { none: 'second derivatives are not used' },
  cases: [
    { T: 1, H: 1, D: 4 },
    { T: 33, H: 3, D: 80 },
    { T: 129, H: 4, D: 32 },
  ],
  tolerance: { floor: 1e-6, why: 'a sum of up to 128 products' },
});

const backwardInputs = { q: queries, k: keys, v: keys, dy: queries, stats, bounds };

/**
 * dq = ds k with p = exp(scale q k^T - logSumExp), ds = scale p (dy v^T - delta). q, dy (T, H D), k, v (T, K D),
 * stats (T, H, 2) from attention-delta, bounds (T, 2) u32 -> dq (T, H D), overwritten.
 */
export const attentionBackwardQuery = defineOp({
  name: 'attention-backward-query',
  formula: 'dq = scale p (dy v^T - delta) k, p = exp(scale q k^T - logSumExp)',
  source: 'Dao 2023, arXiv 2307.08691, algorithm 2',
  params,
  inputs: backwardInputs,
  outputs: { dq: { ...queries, mode: 'overwrite' } },
  variants: [
    { ...queryPerLane(32), code: backwardCode + broadcastCode + queryCode },
    { ...queriesPerWorkgroup, code: backwardCode + workgroupTileCode + queryTileCode + queryWorkgroupCode },
    { ...queryPerInvocation, code: backwardCode + queryPlainCode },
  ],
  reference: (sizes, { q, k, v, dy, stats, bounds }) => ({
    dq: reference.backward(sizes, q, k, v, dy, stats, bounds).dq,
  }),
  gradient: { none: 'second derivatives are not used' },
  cases,
  tolerance,
});

/**
 * dk = ds^T q, dv = p^T dy, p and ds as in attention-backward-query, summed over the queries of the sequence and the
 * query heads of the group in a fixed order. Operands as there -> dk, dv (T, K D), overwritten.
 */
export const attentionBackwardKeyValue = defineOp({
  name: 'attention-backward-key-value',
  formula: 'dk = (scale p (dy v^T - delta))^T q, dv = p^T dy, p = exp(scale q k^T - logSumExp)',
  source: 'Dao 2023, arXiv 2307.08691, algorithm 2',
  params,
  inputs: backwardInputs,
  outputs: { dk: { ...keys, mode: 'overwrite' }, dv: { ...keys, mode: 'overwrite' } },
  variants: [
    { ...keyPerLane, code: backwardCode + broadcastCode + keyValueCode },
    { ...keysPerWorkgroup, code: backwardCode + workgroupTileCode + keyValueWorkgroupCode },
    { ...keyPerInvocation, code: backwardCode + keyValuePlainCode },
  ],
  reference: (sizes, { q, k, v, dy, stats, bounds }) => {
    const { dk, dv } = reference.backward(sizes, q, k, v, dy, stats, bounds);
    return { dk, dv };
  },
  gradient: { none: 'second derivatives are not used' },
  cases,
  tolerance,
});
