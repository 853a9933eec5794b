/** Filling the key/value cache that attention-decode reads. */

import { ceilDiv, defineOp, fold } from '../op.ts';
import plainCode from './kv-cache-write-plain.wgsl.ts';
import code from './kv-cache-write.wgsl.ts';
import * as reference from './reference.ts';

/**
 * keyCache[destination[n]] = key[source[n]], valueCache[destination[n]] = value[source[n]]. key, value (T, W) f32,
 * source, destination (N) u32 -> keyCache, valueCache (R, W), the other rows kept. A source row may repeat (one prompt
 * fills several slots), a destination may not. A pair with a source from T on or a destination from R on is skipped,
 * which is how a shorter list is padded.
 */
export const kvCacheWrite = defineOp({
  name: 'kv-cache-write',
  formula: 'keyCache[destination] = key[source], valueCache[destination] = value[source]',
  source: 'Pope et al. 2022, arXiv 2211.05102, section 2.1',
  params: { T: 'u32', N: 'u32', W: 'u32', R: 'u32' },
  inputs: {
    key: { type: 'f32', shape: ({ T, W }) => [T, W] },
    value: { type: 'f32', shape: ({ T, W }) => [T, W] },
    source: {
      type: 'u32',
      shape: ({ N }) => [N],
      draw: ({ T, N }, uniform) => Uint32Array.from({ length: N }, () => Math.floor(uniform() * T)),
    },
    destination: {
      type: 'u32',
      shape: ({ N }) => [N],
      draw: ({ N, R }, uniform) => {
        const rows = Array.from({ length: R }, (_, row) => ({ row, key: uniform() })).sort((a, b) => a.key - b.key);
        return Uint32Array.from({ length: N }, (_, n) => (n % 11 === 10 ? 0xffff_ffff : (rows[n]?.row ?? R)));
      },
    },
  },
  outputs: {
    keyCache: { type: 'f32', mode: 'update', shape: ({ R, W }) => [R, W] },
    valueCache: { type: 'f32', mode: 'update', shape: ({ R, W }) => [R, W] },
  },
  variants: [
    {
      name: 'vec4',
      code,
      supports: (_, { W }) => W % 4 === 0,
      workgroups: ({ N, W }) => fold(ceilDiv(N * (W / 4), 64)),
    },
    { name: 'plain', code: plainCode, workgroups: ({ N, W }) => fold(ceilDiv(N * W, 64)) },
  ],
  reference: (sizes, { key, value, source, destination }, before) => ({
    keyCache: reference.write(sizes, key, source, destination, before.keyCache),
    valueCache: reference.write(sizes, value, source, destination, before.valueCache),
  }),
  gradient: { none: 'inference only' },
  cases: [
    { T: 1, N: 1, W: 4, R: 1 },
    { T: 7, N: 33, W: 7, R: 40 },
    { T: 97, N: 129, W: 64, R: 300 },
    { T: 33, N: 50, W: 12, R: 45 },
  ],
  tolerance: { floor: 0, why: 'numbers are copied' },
});
