/** AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) over an arena of adapters, with clipping by each one's norm. */

import { invocationPerElement, vec4Layouts } from '../layout.ts';
import { defineOp, type Workgroups } from '../op.ts';
import plainCode from './adamw-plain.wgsl.ts';
import code from './adamw.wgsl.ts';
import { adamw as reference, type AdamwSettings } from './reference.ts';

interface AdamwSizes extends AdamwSettings {
  readonly E: number;
  readonly P: number;
}

const arena = { type: 'f32' as const, shape: ({ E, P }: AdamwSizes) => [E, P] };
const parameters = ({ P }: AdamwSizes) => P;
const onceAnAdapter = ([x, y = 1]: Workgroups, { E }: AdamwSizes): Workgroups => [x, y, E];
const constants = ({ beta1, beta2 }: AdamwSizes) => ({ ONE_MINUS_BETA1: 1 - beta1, ONE_MINUS_BETA2: 1 - beta2 });
const plain = invocationPerElement(parameters);

const settings = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1, decayElements: 2 ** 32 - 1, maxNorm: 0 };

/**
 * One step of AdamW as PyTorch defines it (decay apart from the gradient, clipping as clip_grad_norm_), for each
 * adapter on its own. gradient (E, P) f32; squaredNorm (E) f32, from squared-norm-total; schedule (E, 4) f32 =
 * learning rate, 1 - beta1^t, 1 - beta2^t, active (1 or 0) -> parameters, m, v (E, P) f32, updated in place.
 *
 * `maxNorm` 0 means no clipping; only elements below `decayElements` of an adapter decay. An adapter that is not
 * active, or whose squared norm is not finite, keeps parameters, m and v bit for bit.
 */
export const adamw = defineOp({
  name: 'adamw',
  formula: 'p = p (1 - lr weightDecay) - lr mHat / (sqrt(vHat) + eps)',
  source: 'Loshchilov & Hutter 2017, arXiv 1711.05101, algorithm 2, with the decay scaled by lr as PyTorch does',
  params: {
    E: 'u32',
    P: 'u32',
    beta1: 'f32',
    beta2: 'f32',
    eps: 'f32',
    weightDecay: 'f32',
    decayElements: 'u32',
    maxNorm: 'f32',
  },
  inputs: {
    gradient: arena,
    squaredNorm: {
      type: 'f32',
      shape: ({ E }) => [E],
      /** The fourth adapter's gradient has overflowed. */
      draw: ({ E }, uniform) => Float64Array.from({ length: E }, (_, e) => (e === 3 ? Infinity : 1 + 8 * uniform())),
    },
    schedule: {
      type: 'f32',
      shape: ({ E }) => [E, 4],
      /** The third adapter is not active. */
      draw: ({ E }, uniform) =>
        Float64Array.from({ length: E * 4 }, (_, i) => {
          if (i % 4 === 0) return 0.1 * uniform();
          if (i % 4 === 3) return i === 11 ? 0 : 1;
          return 0.1 + 0.9 * uniform();
        }),
    },
  },
  outputs: {
    parameters: { ...arena, mode: 'update' },
    m: { ...arena, mode: 'update' },
    v: {
      ...arena,
      mode: 'update',
      draw: ({ E, P }, uniform) => Float64Array.from({ length: E * P }, () => uniform()),
    },
  },
  variants: [
    ...vec4Layouts(parameters).map((layout) => ({
      ...layout,
      code,
      constants: (sizes: AdamwSizes) => ({ ...layout.constants(), ...constants(sizes) }),
      workgroups: (sizes: AdamwSizes) => onceAnAdapter(layout.workgroups(sizes), sizes),
    })),
    { ...plain, constants, workgroups: (sizes) => onceAnAdapter(plain.workgroups(sizes), sizes), code: plainCode },
  ],
  reference: ({ E, P, ...rest }, { gradient, squaredNorm, schedule }, before) =>
    reference(E, P, rest, gradient, squaredNorm, schedule, before),
  gradient: { none: 'an optimiser step is not differentiated through' },
  cases: [
    { ...settings, E: 1, P: 1 },
    { ...settings, E: 7, P: 33, decayElements: 20 },
    { ...settings, E: 5, P: 1_028, beta2: 0.95, eps: 1e-6, maxNorm: 1.5 },
    { ...settings, E: 7, P: 132, decayElements: 30, maxNorm: 1 },
  ],
  tolerance: { floor: 1e-6, why: 'a division and a square root, each off by up to 2.5 units in the last place' },
});
