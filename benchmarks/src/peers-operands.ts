/** The operands that a case hands to other libraries: named as in the formula, shaped as they are stored. */

import type { Numbers, Sizes } from '@seal/kernels';
import type { Problem } from './cases.ts';

/** One operand, row-major. */
export interface PeerOperand {
  readonly name: string;
  readonly values: Numbers;
  readonly shape: readonly number[];
}

/**
 * Without what only our kernels need: arenas are cut to one matrix an adapter, whose tokens are equally many. Throws
 * TypeError where the case has no operand that the problem needs.
 */
export function operandsFor(problem: Problem, sizes: Sizes<string>, inputs: Readonly<Record<string, Numbers>>): PeerOperand[] {
  const take = (name: string, shape: readonly number[], values: Numbers | undefined = inputs[name]): PeerOperand => {
    if (!values) throw new TypeError(`Cannot hand ${name} to a peer: the case has no such operand`);
    return { name, values, shape };
  };
  switch (problem.kind) {
    case 'matmul': {
      const { layout, M, N, K } = problem;
      return [take('a', layout === 'tn' ? [K, M] : [M, K]), take('b', layout === 'nt' ? [N, K] : [K, N])];
    }
    case 'lora-linear': {
      const { T, K, N, R, E } = problem;
      const { stride = 0, offset = 0 } = sizes;
      const { values: arena } = take('arena', [E, stride]);
      const b = Float64Array.from({ length: E * R * N }, (_, i) => arena[Math.floor(i / (R * N)) * stride + offset + (i % (R * N))] ?? NaN);
      return [take('x', [T, K]), take('w', [N, K]), take('h', [E, T / E, R]), take('b', [E, R, N], b)];
    }
    case 'attention': {
      const { T, H, D } = problem;
      return ['q', 'k', 'v'].map((name) => take(name, [T, H, D]));
    }
    case 'rms-norm': {
      const { T, C } = problem;
      return [take('x', [T, C]), take('weight', [C])];
    }
  }
}
