/** Adding an adapter to the weights it was trained on. */

import { loraScaling, type AdapterValues, type LoraConfig, type LoraLayout } from './lora.ts';
import type { HostWeights } from './model.ts';
import { layerTensor } from './parameters.ts';

/** W + scaling * (A, B) for every target: sums in float64, rounded once. Returns new tensors for the targets. */
export function mergeAdapter(
  weights: HostWeights,
  layout: LoraLayout,
  lora: LoraConfig,
  values: AdapterValues,
): Map<string, Float32Array> {
  const merged = new Map(weights);
  const { rank } = lora;
  const scaling = loraScaling(lora);
  for (const { layer, projection, inner, out, offsetA, offsetB } of layout.places) {
    const name = layerTensor(layer, projection);
    const base = weights.get(name);
    if (!base) throw new RangeError(`Cannot merge an adapter: tensor ${name} is missing`);
    const sum = Float32Array.from({ length: out * inner }, (_, i) => {
      const n = Math.floor(i / inner);
      const k = i % inner;
      let product = 0;
      for (let r = 0; r < rank; r++) product += values[offsetB + r * out + n] * values[offsetA + r * inner + k];
      return base[i] + scaling * product;
    });
    merged.set(name, sum);
  }
  return merged;
}
