/** Choosing the next token from logits. */

/** How to choose; temperature 0 takes the most likely token. */
export interface SamplingOptions {
  readonly temperature: number;
  /** Keeps the smallest set of most likely tokens whose probabilities reach this sum. 1 keeps all. */
  readonly topP: number;
}

/** Index of the largest value, the first of equals. */
export function argmaxOf(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}

/**
 * Draws a token; `uniform` is one number in [0, 1). Probabilities are summed in float64 in order of token id. Throws
 * RangeError when a logit is NaN or none is finite.
 */
export function sampleToken(logits: Float32Array, { temperature, topP }: SamplingOptions, uniform: number): number {
  const best = argmaxOf(logits);
  if (!Number.isFinite(logits[best]) || logits.some(Number.isNaN)) throw new RangeError('Cannot sample: the logits are not finite');
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]) / temperature));
  const allowed = topP < 1 ? nucleus(weights, topP) : weights;
  const total = allowed.reduce((sum, weight) => sum + weight, 0);
  let left = uniform * total;
  for (let token = 0; token < allowed.length; token++) {
    left -= allowed[token];
    if (left < 0) return token;
  }
  return best;
}

/** Zeroes all but the most likely tokens that together reach `topP` (Holtzman et al. 2019, arXiv 1904.09751). */
function nucleus(weights: Float64Array, topP: number): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b);
  const kept = new Float64Array(weights.length);
  let mass = 0;
  for (const token of order) {
    kept[token] = weights[token];
    mass += weights[token] / total;
    if (mass >= topP) break;
  }
  return kept;
}
