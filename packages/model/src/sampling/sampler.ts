/**
 * Choosing the next token from logits.
 *
 * What thins out the distribution is applied in the order of transformers' logits processors: repetition penalty on the
 * raw logits, temperature, top-k, top-p, min-p; each sees what the one before left, renormalised. Log-probabilities are
 * always those of the model itself, by the raw logits.
 */

/** How to choose; temperature 0 takes the most likely token. What is absent thins out nothing. */
export interface SamplingOptions {
  readonly temperature: number;
  /** Keeps the smallest set of most likely tokens whose probabilities reach this sum. 1 keeps all. */
  readonly topP: number;
  /** Keeps this many most likely tokens, and those as likely as the last of them. */
  readonly topK?: number;
  /** Keeps tokens at least this many times as likely as the most likely one. */
  readonly minP?: number;
  /** Divides the positive logits of tokens that the sequence has, and multiplies the negative ones (Keskar et al. 2019, arXiv 1909.05858). */
  readonly repetitionPenalty?: number;
}

/** Tokens that may be drawn, ascending, and the weight of each; weights need not add up to 1. */
export interface TokenWeights {
  readonly tokens: Uint32Array;
  readonly weights: Float64Array;
}

/** Throws RangeError naming the first option outside its range. */
export function checkSampling({ temperature, topP, topK = 1, minP = 0, repetitionPenalty = 1 }: SamplingOptions): void {
  const refuse = (name: string, value: number, range: string): never => {
    throw new RangeError(`Cannot sample with ${name} ${value}: it must be ${range}`);
  };
  if (!(temperature >= 0 && temperature < Infinity)) refuse('temperature', temperature, 'at least 0');
  if (!(topP > 0 && topP <= 1)) refuse('top-p', topP, 'above 0 and at most 1');
  if (!(Number.isInteger(topK) && topK >= 1)) refuse('top-k', topK, 'a whole number from 1 on');
  if (!(minP >= 0 && minP <= 1)) refuse('min-p', minP, 'from 0 to 1');
  if (!(repetitionPenalty > 0 && repetitionPenalty < Infinity)) refuse('repetition penalty', repetitionPenalty, 'above 0');
}

/** Index of the largest value, the first of equals. */
export function argmaxOf(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}

/**
 * Draws a token; `uniform` is one number in [0, 1), `history` the tokens of the sequence so far, which only a repetition
 * penalty looks at. Probabilities are summed in float64 in order of token id. Throws RangeError when a logit is NaN or
 * none is finite.
 */
export function sampleToken(
  logits: Float32Array,
  options: SamplingOptions,
  uniform: number,
  history: Iterable<number> = [],
): number {
  const scores = penalised(logits, options, history);
  const best = checkedBest(scores);
  if (options.temperature === 0) return best;
  const { tokens, weights } = weigh(scores, best, options);
  let left = uniform * sumOf(weights);
  for (let i = 0; i < tokens.length; i++) {
    left -= weights[i];
    if (left < 0) return tokens[i];
  }
  return best;
}

/** What `sampleToken` draws from at a temperature above 0. */
export function tokenWeights(logits: Float32Array, options: SamplingOptions, history: Iterable<number> = []): TokenWeights {
  const scores = penalised(logits, options, history);
  return weigh(scores, checkedBest(scores), options);
}

/** Log-probability of each token under softmax(logits), in float64: log sum exp is computed once. */
export function logProbabilities(logits: Float32Array): (token: number) => number {
  const most = logits[checkedBest(logits)];
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i] - most);
  const normaliser = most + Math.log(total);
  return (token) => logits[token] - normaliser;
}

/** The `count` most likely tokens, the most likely first, the lower id of equals. */
export function mostLikely(logits: Float32Array, count: number): number[] {
  const tokens: number[] = [];
  if (count < 1) return tokens;
  for (const token of descending(logits)) {
    tokens.push(token);
    if (tokens.length >= count) break;
  }
  return tokens;
}

function checkedBest(scores: Float32Array): number {
  const best = argmaxOf(scores);
  let broken = !Number.isFinite(scores[best]);
  for (let i = 0; i < scores.length; i++) broken ||= Number.isNaN(scores[i]);
  if (broken) throw new RangeError('Cannot sample: the logits are not finite');
  return best;
}

function sumOf(weights: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i];
  return sum;
}

function penalised(logits: Float32Array, { repetitionPenalty: penalty = 1 }: SamplingOptions, history: Iterable<number>): Float32Array {
  if (penalty === 1) return logits;
  const scores = logits.slice();
  for (const token of new Set(history)) scores[token] = logits[token] < 0 ? logits[token] * penalty : logits[token] / penalty;
  return scores;
}

function weigh(scores: Float32Array, best: number, { temperature, topP, topK = Infinity, minP = 0 }: SamplingOptions): TokenWeights {
  const tokens = topK < scores.length ? highest(scores, topK) : ascending(scores.length);
  const weights = new Float64Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) weights[i] = Math.exp((scores[tokens[i]] - scores[best]) / temperature);
  const left = topP < 1 ? nucleus({ tokens, weights }, topP) : { tokens, weights };
  // The most likely token weighs 1.
  return minP > 0 ? only(left, (i) => left.weights[i] >= minP) : left;
}

function ascending(count: number): Uint32Array {
  const all = new Uint32Array(count);
  for (let i = 0; i < count; i++) all[i] = i;
  return all;
}

function only({ tokens, weights }: TokenWeights, keeps: (index: number) => boolean): TokenWeights {
  return { tokens: tokens.filter((_, i) => keeps(i)), weights: weights.filter((_, i) => keeps(i)) };
}

/** The `count` tokens of the highest scores and those that score as the last of them, ascending. */
function highest(scores: Float32Array, count: number): Uint32Array {
  const kept: number[] = [];
  for (const token of descending(scores)) {
    if (kept.length >= count && scores[token] < scores[kept[count - 1]]) break;
    kept.push(token);
  }
  return Uint32Array.from(kept).sort();
}

/** Leaves the most likely tokens that together reach `topP` (Holtzman et al. 2019, arXiv 1904.09751). */
function nucleus(all: TokenWeights, topP: number): TokenWeights {
  const total = sumOf(all.weights);
  const kept = new Uint8Array(all.weights.length);
  let mass = 0;
  for (const i of descending(all.weights)) {
    kept[i] = 1;
    mass += all.weights[i] / total;
    if (mass >= topP) break;
  }
  return only(all, (i) => kept[i] === 1);
}

/** Indices by falling value, the lower of equals first: a heap, so that the first few cost little more than one look at all. */
function* descending(values: Float32Array | Float64Array): Generator<number> {
  const heap = ascending(values.length);
  let size = heap.length;
  const before = (a: number, b: number) => values[a] > values[b] || (values[a] === values[b] && a < b);
  const sink = (start: number) => {
    const moved = heap[start];
    let hole = start;
    for (let child = 2 * hole + 1; child < size; child = 2 * hole + 1) {
      if (child + 1 < size && before(heap[child + 1], heap[child])) child += 1;
      if (!before(heap[child], moved)) break;
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = moved;
  };
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(i);
  while (size > 0) {
    yield heap[0];
    size -= 1;
    heap[0] = heap[size];
    sink(0);
  }
}
