import type { Numbers } from '../op.ts';

/**
 * loss[t] = weight[t] * -log softmax(logits[t])[targets[t]] and dLogits = d(sum of loss) by logits; rows of weight 0
 * give zeros whatever they hold. logits (T, V), targets (T), weight (T) -> loss (T), dLogits (T, V).
 */
export function crossEntropy(T: number, V: number, logits: Numbers, targets: Numbers, weight: Numbers) {
  const loss = new Float64Array(T);
  const dLogits = new Float64Array(T * V);
  for (let t = 0; t < T; t++) {
    if (weight[t] === 0) continue;
    const row = logits.subarray(t * V, (t + 1) * V);
    let most = -Infinity;
    for (let v = 0; v < V; v++) most = Math.max(most, row[v]);
    let total = 0;
    for (let v = 0; v < V; v++) total += Math.exp(row[v] - most);
    loss[t] = weight[t] * (Math.log(total) + most - row[targets[t]]);
    for (let v = 0; v < V; v++) dLogits[t * V + v] = (weight[t] * Math.exp(row[v] - most)) / total;
    dLogits[t * V + targets[t]] -= weight[t];
  }
  return { loss, dLogits };
}
