/** Adding an adapter to the weights it was trained on. */

import { loraScaling, scaleOf, type AdapterValues, type LoraConfig, type LoraLayout, type LoraPlace } from './lora.ts';
import type { HostWeights } from '../model.ts';
import { layerTensor } from '../parameters.ts';
import type { PeftAdapter } from './peft.ts';
import { rowShape, type WeightSource } from '../files/sources.ts';

/** What is added. */
type Update = Pick<PeftAdapter, 'lora' | 'layout' | 'values'>;

/** Adds scaling * B A to rows [first, first + count) of W: sums in float64 in order of rank, rounded once. */
function addUpdate(rows: Float32Array, first: number, { lora, values }: Update, place: LoraPlace): void {
  const { inner, out, offsetA, offsetB } = place;
  const { rank } = scaleOf(lora, place);
  const scaling = loraScaling(lora, place);
  const product = new Float64Array(inner);
  for (let at = 0, n = first; at < rows.length; at += inner, n++) {
    product.fill(0);
    for (let r = 0; r < rank; r++) {
      const b = values[offsetB + r * out + n];
      for (let k = 0; k < inner; k++) product[k] += b * values[offsetA + r * inner + k];
    }
    for (let k = 0; k < inner; k++) rows[at + k] += scaling * product[k];
  }
}

const tensorOf = ({ layer, projection }: LoraPlace) => layerTensor(layer, projection);

/** W + scaling * (A, B) for every target: sums in float64, rounded once. Returns new tensors for the targets. */
export function mergeAdapter(
  weights: HostWeights,
  layout: LoraLayout,
  lora: LoraConfig,
  values: AdapterValues,
): Map<string, Float32Array> {
  const merged = new Map(weights);
  for (const place of layout.places) {
    const name = tensorOf(place);
    const base = weights.get(name);
    if (!base) throw new RangeError(`Cannot merge an adapter: tensor ${name} is missing`);
    const sum = base.slice();
    addUpdate(sum, 0, { lora, layout, values }, place);
    merged.set(name, sum);
  }
  return merged;
}

/**
 * Weights with an adapter in them, as they are read: no more than the rows that are asked for is held. Quantised matrices
 * are read as float32. Throws RangeError where a target is missing or has another shape.
 */
export function mergedSource(source: WeightSource, adapter: Update): WeightSource {
  const places = new Map(adapter.layout.places.map((place) => [tensorOf(place), place]));
  const tensors = new Map(source.tensors);
  for (const [name, { out, inner }] of places) {
    const tensor = tensors.get(name);
    if (tensor?.shape.join() !== `${out},${inner}`) {
      const what = tensor ? `it is (${tensor.shape.join(', ')})` : 'it is missing';
      throw new RangeError(`Cannot merge an adapter of (${out}, ${inner}) into tensor ${name}: ${what}`);
    }
    tensors.set(name, { dtype: tensor.quantised ? 'F32' : tensor.dtype, shape: tensor.shape });
  }
  const readRows: WeightSource['readRows'] = async (name, first, count, target) => {
    const rows = await source.readRows(name, first, count, target);
    const place = places.get(name);
    if (place) addUpdate(rows, first, adapter, place);
    return rows;
  };
  return {
    tensors,
    readRows,
    ...(source.readBlocks && {
      readBlocks: (name: string, first: number, count: number) =>
        places.has(name) || !source.readBlocks
          ? Promise.reject(new TypeError(`Cannot read blocks of tensor ${name}: an adapter was merged into it`))
          : source.readBlocks(name, first, count),
    }),
    readQuantisedRows: (name, first, count) =>
      places.has(name)
        ? Promise.reject(new TypeError(`Cannot read packed rows of tensor ${name}: an adapter was merged into it`))
        : source.readQuantisedRows(name, first, count),
    async readTensor(name) {
      if (!places.has(name)) return source.readTensor(name);
      const shape = tensors.get(name)?.shape ?? [];
      const { buffer, byteOffset, byteLength } = await readRows(name, 0, rowShape(shape)[0]);
      return { dtype: 'F32', shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
    },
  };
}
