/** Adapters in PEFT's directory format: `adapter_config.json` and `adapter_model.safetensors` with PEFT's key names. */

import { type } from 'arktype';
import type { AdapterValues, LoraConfig, LoraLayout, LoraPlace } from './lora.ts';
import { PROJECTIONS, type Projection } from './parameters.ts';
import { problemsOf } from './problems.ts';
import { finiteFloat32, parseSafetensors, writeSafetensors } from './safetensors.ts';

const key = ({ layer, projection }: LoraPlace, matrix: 'A' | 'B') =>
  `base_model.model.model.layers.${layer}.${projection}.lora_${matrix}.weight`;

/** (rows, columns) to (columns, rows). */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c];
  return out;
}

/** The adapter's weights file. */
export function adapterFile(layout: LoraLayout, rank: number, values: AdapterValues): Uint8Array {
  const tensors = layout.places.flatMap((place) => {
    const a = values.slice(place.offsetA, place.offsetA + rank * place.inner);
    const b = values.slice(place.offsetB, place.offsetB + rank * place.out);
    return [
      [key(place, 'A'), { shape: [rank, place.inner], data: a }],
      [key(place, 'B'), { shape: [place.out, rank], data: transpose(b, rank, place.out) }],
    ] as const;
  });
  return writeSafetensors(tensors);
}

/** `adapter_config.json` as PEFT reads it. */
export function adapterConfigFile({ rank, alpha, targets }: LoraConfig, baseModel: string): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: 'none',
    use_rslora: false,
    fan_in_fan_out: false,
    inference_mode: true,
    target_modules: targets.map((target) => target.split('.').at(-1)),
  };
}

/** Both files of an adapter directory by name. */
export function adapterFiles(
  layout: LoraLayout,
  lora: LoraConfig,
  values: AdapterValues,
  baseModel: string,
): { 'adapter_model.safetensors': Uint8Array; 'adapter_config.json': string } {
  return {
    'adapter_model.safetensors': adapterFile(layout, lora.rank, values),
    'adapter_config.json': `${JSON.stringify(adapterConfigFile(lora, baseModel), null, 2)}\n`,
  };
}

const configSchema = type({
  peft_type: "'LORA'",
  r: '1 <= number.integer <= 4096',
  lora_alpha: 'number',
  target_modules: 'string[] > 0',
  'bias?': "'none'",
  'use_rslora?': 'false',
  'use_dora?': 'false',
  'fan_in_fan_out?': 'false',
});

/** Reads a parsed `adapter_config.json`. Throws SyntaxError naming what is not supported. */
export function parseAdapterConfig(json: unknown, place: string): LoraConfig {
  const file = configSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot use ${place}: ${problemsOf(file)}`);
  const targets = file.target_modules.map((module): Projection => {
    const found = PROJECTIONS.find((projection) => projection.split('.').at(-1) === module || projection === module);
    if (!found) throw new SyntaxError(`Cannot use ${place}: target module ${JSON.stringify(module)} is not one of ${PROJECTIONS.join(', ')}`);
    return found;
  });
  return { rank: file.r, alpha: file.lora_alpha, targets: PROJECTIONS.filter((p) => targets.includes(p)) };
}

/** Reads an adapter's weights. Throws SyntaxError for missing, extra or misshapen tensors. */
export function parseAdapterFile(bytes: Uint8Array, layout: LoraLayout, rank: number, place: string): AdapterValues {
  const tensors = parseSafetensors(bytes, place);
  const values = new Float32Array(layout.stride);
  const take = (name: string, shape: readonly [number, number]): Float32Array => {
    const tensor = tensors.get(name);
    if (!tensor) throw new SyntaxError(`Cannot use ${place}: tensor ${name} is missing`);
    if (tensor.shape.join() !== shape.join()) {
      throw new SyntaxError(`Cannot use ${place}: tensor ${name} is (${tensor.shape.join(', ')}), expected (${shape.join(', ')})`);
    }
    tensors.delete(name);
    return finiteFloat32(tensor, name, place);
  };
  for (const p of layout.places) {
    values.set(take(key(p, 'A'), [rank, p.inner]), p.offsetA);
    values.set(transpose(take(key(p, 'B'), [p.out, rank]), p.out, rank), p.offsetB);
  }
  const [extra] = tensors.keys();
  if (extra !== undefined) throw new SyntaxError(`Cannot use ${place}: tensor ${extra} belongs to no target module`);
  return values;
}
