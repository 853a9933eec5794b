import type { Numbers } from '../op.ts';

/** Scalars of AdamW that all adapters share. */
export interface AdamwSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly decayElements: number;
  readonly maxNorm: number;
}

/**
 * One step of AdamW for each adapter e that is active and whose gradient is finite:
 * g = gradient min(1, maxNorm / (norm + 1e-6)), m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
 * p = p (1 - lr weightDecay) - lr (m / correction1) / (sqrt(v / correction2) + eps).
 */
export function adamw(
  E: number,
  P: number,
  { beta1, beta2, eps, weightDecay, decayElements, maxNorm }: AdamwSettings,
  gradient: Numbers,
  squaredNorm: Numbers,
  schedule: Numbers,
  before: Record<'parameters' | 'm' | 'v', Float64Array>,
) {
  const [parameters, m, v] = [before.parameters.slice(), before.m.slice(), before.v.slice()];
  for (let e = 0; e < E; e++) {
    const [rate, correction1, correction2, active] = schedule.subarray(4 * e, 4 * e + 4);
    if (active < 0.5 || !Number.isFinite(squaredNorm[e])) continue;
    const clip = maxNorm > 0 ? Math.min(1, maxNorm / (Math.sqrt(squaredNorm[e]) + 1e-6)) : 1;
    for (let i = e * P; i < (e + 1) * P; i++) {
      const g = gradient[i] * clip;
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      if (i - e * P < decayElements) parameters[i] *= 1 - rate * weightDecay;
      parameters[i] -= (rate * (m[i] / correction1)) / (Math.sqrt(v[i] / correction2) + eps);
    }
  }
  return { parameters, m, v };
}
