/** Attention of one new token a row against a key/value cache. */

import { ceilDiv, defineOp, fold } from '../op.ts';
import groupCode from './attention-decode-group.wgsl.ts';
import plainCode from './attention-decode-plain.wgsl.ts';
import workgroupCode from './attention-decode-workgroup.wgsl.ts';
import operandsCode from './operands.wgsl.ts';
import * as reference from './reference.ts';

type Rows = { readonly B: number; readonly H: number; readonly K: number; readonly D: number };

/** Heads that one invocation of the group form takes: 2 or 3 of those that share a key; 1 where neither divides them. */
const groupHeads = ({ H, K }: Pick<Rows, 'H' | 'K'>) => [2, 3].find((heads) => (H / K) % heads === 0) ?? 1;

/** Positions of one block of the workgroup form, and invocations that share a vec4 of a head between them. */
const KEYS = 64;
const slices = ({ D }: { D: number }) => Math.min(KEYS, Math.floor(512 / D));

/**
 * y = softmax(scale q keyCache^T) valueCache over the first `length` rows of each row's slot, of which only the last
 * `window` count where that is not 0; query head h reads key/value head floor(h K / H). q (B, H D) f32, keyCache,
 * valueCache (slots S, K D) f32 with S rows a slot, slot (B) u32, length (B) u32 from 1 to S, the query's own key
 * included -> y (B, H D), overwritten; a row of length 0 is zero. D is a multiple of 4 and H of K.
 */
export const attentionDecode = defineOp({
  name: 'attention-decode',
  formula: 'y = softmax(scale q keyCache^T) valueCache over the valid rows of a slot',
  source: 'Vaswani et al. 2017, arXiv 1706.03762, equation 1, for the last query only',
  params: { B: 'u32', H: 'u32', K: 'u32', D: 'u32', S: 'u32', slots: 'u32', window: 'u32', scale: 'f32' },
  inputs: {
    q: { type: 'f32', shape: ({ B, H, D }) => [B, H * D] },
    keyCache: { type: 'f32', shape: ({ slots, S, K, D }) => [slots * S, K * D] },
    valueCache: { type: 'f32', shape: ({ slots, S, K, D }) => [slots * S, K * D] },
    slot: {
      type: 'u32',
      shape: ({ B }) => [B],
      draw: ({ B, slots }, uniform) => Uint32Array.from({ length: B }, () => Math.floor(uniform() * slots)),
    },
    length: {
      type: 'u32',
      shape: ({ B }) => [B],
      draw: ({ B, S }, uniform) =>
        Uint32Array.from({ length: B }, (_, b) => [1, S][b] ?? 1 + Math.floor(uniform() * S)),
    },
  },
  outputs: { y: { type: 'f32', mode: 'overwrite', shape: ({ B, H, D }) => [B, H * D] } },
  variants: [
    {
      name: 'group',
      code: operandsCode + groupCode,
      prelude: (sizes) => `const D4 = ${sizes.D / 4}u;\nconst HEADS = ${groupHeads(sizes)}u;\n`,
      supports: ({ subgroupSize }, sizes) => subgroupSize === 8 && groupHeads(sizes) > 1,
      workgroups: ({ B, ...sizes }: Rows) => fold(ceilDiv(B * (sizes.H / groupHeads(sizes)), 8)),
    },
    {
      name: 'workgroup',
      code: operandsCode + workgroupCode,
      prelude: (sizes) => `const D4 = ${sizes.D / 4}u;\nconst KEYS = ${KEYS}u;\nconst SLICES = ${slices(sizes)}u;\n`,
      workgroupBytes: () => 16 * (8 * KEYS + KEYS + 8),
      supports: (_, { D }) => D <= 512,
      workgroups: ({ B, H, K }) => [B, K, ceilDiv(H / K, 4)],
    },
    {
      name: 'plain',
      code: operandsCode + plainCode,
      prelude: ({ D }) => `const D4 = ${D / 4}u;\n`,
      workgroups: ({ B, H }: Rows) => fold(ceilDiv(B * H, 8)),
    },
  ],
  reference: (sizes, { q, keyCache, valueCache, slot, length }) => ({
    y: reference.forward(sizes, q, keyCache, valueCache, slot, length),
  }),
  gradient: { none: 'inference only' },
  cases: [
    { B: 1, H: 1, K: 1, D: 4, S: 1, slots: 1, window: 0, scale: 0.5 },
    { B: 7, H: 3, K: 1, D: 12, S: 33, slots: 3, window: 0, scale: 0.3 },
    { B: 5, H: 2, K: 1, D: 128, S: 40, slots: 5, window: 0, scale: 0.0884 },
    { B: 3, H: 4, K: 4, D: 80, S: 97, slots: 4, window: 0, scale: 0.1118 },
    { B: 33, H: 4, K: 2, D: 32, S: 129, slots: 40, window: 0, scale: 0.1768 },
    { B: 3, H: 14, K: 2, D: 64, S: 150, slots: 3, window: 0, scale: 0.125 },
    { B: 7, H: 3, K: 1, D: 12, S: 33, slots: 3, window: 1, scale: 0.3 },
    { B: 33, H: 4, K: 2, D: 32, S: 129, slots: 40, window: 7, scale: 0.1768 },
    { B: 3, H: 14, K: 2, D: 64, S: 150, slots: 3, window: 97, scale: 0.125 },
    { B: 2, H: 2, K: 1, D: 256, S: 70, slots: 2, window: 0, scale: 0.0625 },
  ],
  tolerance: { floor: 4e-6, why: 'exp is polynomial on some adapters and sums run over a whole slot' },
});
