/**
 * Adapters in PEFT's directory format: `adapter_config.json` and `adapter_model.safetensors` with PEFT's key names.
 * Numbers are kept as they are: an adapter that is read and written again has the same float32 values.
 */

import { quoted } from '@seal/files';
import { digest } from '@seal/files/node';
import type { ModelConfig } from '../model-config.ts';
import { loraLayout, moduleName, scaleOf, type AdaptedModule, type AdapterValues, type LoraConfig, type LoraLayout, type LoraPlace, type LoraScale } from './lora.ts';
import { adapterConfigFile, parseAdapterConfig, type AdapterConfig } from './peft-config.ts';
import { finiteFloat32, parseSafetensors, writeSafetensors, type StoredTensor } from '../files/safetensors.ts';

const PREFIX = 'base_model.model.';

const key = (module: AdaptedModule, matrix: 'A' | 'B') => `${PREFIX}${moduleName(module)}.lora_${matrix}.weight`;

/** (rows, columns) to (columns, rows). */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c];
  return out;
}

/** The adapter's weights file, for those places of the layout that are adapted. */
export function adapterFile({ places }: Pick<LoraLayout, 'places'>, lora: LoraScale, values: AdapterValues): Uint8Array {
  const tensors = places.flatMap((place) => {
    const { rank } = scaleOf(lora, place);
    const a = values.slice(place.offsetA, place.offsetA + rank * place.inner);
    const b = values.slice(place.offsetB, place.offsetB + rank * place.out);
    return [
      [key(place, 'A'), { shape: [rank, place.inner], data: a }],
      [key(place, 'B'), { shape: [place.out, rank], data: transpose(b, rank, place.out) }],
    ] as const;
  });
  return writeSafetensors(tensors);
}

/** Both files of an adapter directory by name. `modules` are those adapted, all of the layout unless given. */
export function adapterFiles(
  layout: LoraLayout,
  lora: LoraConfig,
  values: AdapterValues,
  baseModel: string | null,
  modules?: readonly AdaptedModule[],
): { 'adapter_model.safetensors': Uint8Array; 'adapter_config.json': string } {
  const places = modules ? placesOf(layout, modules) : layout.places;
  const some = places.length < layout.places.length || lora.layers ? places : undefined;
  return {
    'adapter_model.safetensors': adapterFile({ places }, lora, values),
    'adapter_config.json': `${JSON.stringify(adapterConfigFile(lora, baseModel, some), null, 2)}\n`,
  };
}

function placesOf(layout: LoraLayout, modules: readonly AdaptedModule[]): LoraPlace[] {
  const wanted = new Set(modules.map(moduleName));
  return layout.places.filter((place) => wanted.has(moduleName(place)));
}

/** An adapter as a directory of PEFT's holds it. */
export interface PeftAdapter extends AdapterConfig {
  readonly layout: LoraLayout;
  /** Modules of the layout that are not adapted are zero, and so are rows beyond a module's own rank. */
  readonly values: AdapterValues;
  /** SHA-256 of `adapter_model.safetensors`. */
  readonly digest: string;
}

/**
 * Reads an adapter for a model: the parsed `adapter_config.json` and the bytes of `adapter_model.safetensors`, with the
 * paths that messages name. Throws SyntaxError, RangeError or TypeError naming what is missing, extra, misshapen or not
 * computed.
 */
export function readAdapter(
  config: { readonly json: unknown; readonly place: string },
  weights: { readonly bytes: Uint8Array; readonly place: string },
  model: ModelConfig,
): PeftAdapter {
  const parsed = parseAdapterConfig(config.json, config.place, model);
  const layout = loraLayout(model, parsed.lora);
  const rankOf = (module: AdaptedModule) => scaleOf(parsed.lora, module).rank;
  const { values, notes } = readTensors(weights.bytes, layout, parsed.modules, rankOf, weights.place, parsed.baseModel);
  return { ...parsed, notes: [...parsed.notes, ...notes], layout, values, digest: digest(weights.bytes) };
}

/** Reads the weights of an adapter of one rank. Throws SyntaxError for missing, extra or misshapen tensors. */
export function parseAdapterFile(bytes: Uint8Array, layout: LoraLayout, rank: number, place: string): AdapterValues {
  return readTensors(bytes, layout, layout.places, () => rank, place).values;
}

function readTensors(
  bytes: Uint8Array,
  layout: LoraLayout,
  modules: readonly AdaptedModule[],
  rankOf: (module: AdaptedModule) => number,
  place: string,
  baseModel: string | null = null,
): { readonly values: AdapterValues; readonly notes: readonly string[] } {
  const { tensors, notes } = unwrapped(parseSafetensors(bytes, place), place);
  const values = new Float32Array(layout.stride);
  const take = (name: string, shape: readonly [number, number]): Float32Array => {
    const tensor = tensors.get(name);
    if (!tensor) throw new SyntaxError(`Cannot use ${place}: tensor ${name} is missing`);
    if (tensor.shape.join() !== shape.join()) {
      const found = `tensor ${name} is (${tensor.shape.join(', ')}), expected (${shape.join(', ')})`;
      throw new SyntaxError(`Cannot use ${place}: ${found}${baseModel === null ? '' : `; the adapter was trained on ${quoted(baseModel)}`}`);
    }
    tensors.delete(name);
    return finiteFloat32(tensor, name, place);
  };
  for (const p of placesOf(layout, modules)) {
    const rank = rankOf(p);
    values.set(take(key(p, 'A'), [rank, p.inner]), p.offsetA);
    values.set(transpose(take(key(p, 'B'), [p.out, rank]), p.out, rank), p.offsetB);
  }
  const [extra] = tensors.keys();
  if (extra !== undefined) throw new SyntaxError(`Cannot use ${place}: tensor ${extra} ${whyExtra(extra)}`);
  return { values, notes };
}

/** Why a tensor is none of an adapter's, and what to do about it. */
function whyExtra(name: string): string {
  if (name.includes('.modules_to_save.')) return 'is a module trained whole (modules_to_save), which is not computed; merge the adapter with PEFT and use the merged model';
  if (/\b(embed_tokens|lm_head)\b/.test(name) && !name.includes('.lora_')) {
    return 'is a whole embedding or head saved with the adapter, which is not computed; where it was not trained, save the adapter with save_embedding_layers=False, else merge the adapter with PEFT and use the merged model';
  }
  if (name.endsWith('.lora_magnitude_vector')) return 'is the magnitude of a weight decomposition (DoRA), which is not computed; merge the adapter with PEFT';
  return 'belongs to no target module';
}

/** A model that was wrapped twice before it was saved has the prefix twice, in every name or in none. */
function unwrapped(
  tensors: Map<string, StoredTensor>,
  place: string,
): { readonly tensors: Map<string, StoredTensor>; readonly notes: readonly string[] } {
  const twice = tensors.size > 0 && [...tensors.keys()].every((name) => name.startsWith(PREFIX + PREFIX));
  if (!twice) return { tensors, notes: [] };
  return {
    tensors: new Map([...tensors].map(([name, tensor]) => [name.slice(PREFIX.length), tensor])),
    notes: [`${place}: all names begin with ${PREFIX} twice, it was read once`],
  };
}
