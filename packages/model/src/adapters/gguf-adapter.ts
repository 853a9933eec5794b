/**
 * Adapters as GGUF files, which llama.cpp calls LoRA: `<tensor>.lora_a` (R, in) and `.lora_b` (out, R), the rows of B in the
 * file's order, and one alpha for all. llama.cpp scales the update of a tensor by alpha over its rank and knows no other
 * rule, so that what another rule gives is folded into alpha.
 */

import { dequantise, huggingFaceName, isPermuted, permutedRow, quantise, type GgufValue } from '@seal/gguf';
import { openGguf, type Gguf, type LocatedTensor, type WrittenTensor } from '@seal/gguf/node';
import { digest, readWhole } from '@seal/files/node';
import { quoted } from '@seal/files';
import { type ModelConfig, PROJECTIONS } from '../model-config.ts';
import { ggufArchitecture, nameInGguf, permuteRows } from '../files/gguf-writing.ts';
import { layerTensor } from '../parameters.ts';
import { loraLayout, loraScaling, moduleName, scaleOf, type AdaptedModule, type LoraPlace } from './lora.ts';
import type { PeftAdapter } from './peft.ts';

/** (rows, columns) to (columns, rows). */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c];
  return out;
}

/** Metadata and tensors of an adapter, in float32. Throws RangeError for an adapter whose updates are all multiplied with 0. */
export function ggufAdapter(
  { lora, layout, modules, values }: Pick<PeftAdapter, 'lora' | 'layout' | 'modules' | 'values'>,
  config: ModelConfig,
  name: string,
): { readonly metadata: Map<string, GgufValue>; readonly tensors: readonly WrittenTensor[] } {
  const architecture = ggufArchitecture(config);
  const wanted = new Set(modules.map(moduleName));
  const places = layout.places.filter((place) => wanted.has(moduleName(place)));
  const rankOf = (place: LoraPlace): number => scaleOf(lora, place).rank;
  const alphaOf = (place: LoraPlace): number => loraScaling(lora, place) * rankOf(place);
  const alpha = Math.fround(Math.max(...places.map((place) => Math.abs(alphaOf(place)))));
  if (alpha === 0) throw new RangeError('Cannot write the adapter as GGUF: its alpha is 0, which the format reads as no scale at all');
  const tensors = places.flatMap((place): WrittenTensor[] => {
    const tensor = nameInGguf(layerTensor(place.layer, place.projection), architecture);
    const rank = rankOf(place);
    const a = values.slice(place.offsetA, place.offsetA + rank * place.inner);
    const b = transposed(values.slice(place.offsetB, place.offsetB + rank * place.out), rank, place.out);
    const factor = alphaOf(place) / alpha;
    // What alpha lost as a float32 is no factor: a B that is as it was is worth more.
    if (Math.abs(factor - 1) > 2 ** -23) for (let i = 0; i < b.length; i++) b[i] *= factor;
    if (isPermuted(tensor, architecture)) permuteRows(b, rank, config.headDim);
    return [
      { name: `${tensor}.lora_a`, type: 'F32', shape: [rank, place.inner], data: () => [quantise('F32', a)] },
      { name: `${tensor}.lora_b`, type: 'F32', shape: [place.out, rank], data: () => [quantise('F32', b)] },
    ];
  });
  const metadata = new Map<string, GgufValue>([
    ['general.type', { type: 'string', value: 'adapter' }],
    ['general.architecture', { type: 'string', value: architecture }],
    ['general.name', { type: 'string', value: name }],
    ['general.file_type', { type: 'u32', value: 0 }],
    ['adapter.type', { type: 'string', value: 'lora' }],
    ['adapter.lora.alpha', { type: 'f32', value: alpha }],
  ]);
  return { metadata, tensors };
}

/** Both matrices of a module, and the tensor of the model that they are for. */
interface Pair {
  readonly tensor: string;
  readonly a: LocatedTensor;
  readonly b: LocatedTensor;
}

/** The pairs by the modules that they adapt. Throws RangeError for a tensor that is none of a pair or adapts something else. */
function pairsOf({ path, tensors }: Gguf, architecture: string): Map<string, Pair> {
  const refuse = (what: string): never => {
    throw new RangeError(`Cannot use ${path}: ${what}`);
  };
  const pairs = new Map<string, Pair>();
  for (const [name, tensor] of tensors) {
    const [, base, matrix] = /^(.*)\.lora_([ab])$/.exec(name) ?? [];
    if (base === undefined) return refuse(`tensor ${quoted(name)} is neither lora_a nor lora_b of a matrix`);
    const other = tensors.get(`${base}.lora_${matrix === 'a' ? 'b' : 'a'}`) ?? refuse(`tensor ${quoted(name)} has no other half`);
    const module = huggingFaceName(base, architecture)?.replace(/\.weight$/, '') ?? base;
    if (!PROJECTIONS.some((projection) => module.endsWith(`.${projection}`))) refuse(`it adapts ${quoted(base)}, supported are ${PROJECTIONS.join(', ')}`);
    pairs.set(module, matrix === 'a' ? { tensor: base, a: tensor, b: other } : { tensor: base, a: other, b: tensor });
  }
  return pairs;
}

/**
 * Reads an adapter for a model. Ranks may differ between modules: the largest is the adapter's. Throws SyntaxError for a file
 * that is damaged and RangeError for one of another model, or that asks for more than the two matrices.
 */
export function readGgufAdapter(path: string, config: ModelConfig): PeftAdapter {
  const gguf = openGguf(path);
  const { metadata } = gguf;
  const architecture = ggufArchitecture(config);
  const expect = (key: string, wanted: string): void => {
    const found = metadata.text(key);
    if (found !== wanted) throw new RangeError(`Cannot use ${path}: ${key} is ${quoted(found ?? null)}, expected is ${quoted(wanted)}`);
  };
  expect('general.type', 'adapter');
  expect('adapter.type', 'lora');
  expect('general.architecture', architecture);
  const stranger = [...metadata.values.keys()].find((key) => key.startsWith('adapter.') && !['adapter.type', 'adapter.lora.alpha', 'adapter.lora.task_name'].includes(key));
  if (stranger !== undefined) throw new RangeError(`Cannot use ${path}: ${quoted(stranger)} may change what is computed and is not known`);
  const pairs = pairsOf(gguf, architecture);
  if (pairs.size === 0) throw new RangeError(`Cannot use ${path}: it adapts nothing`);
  const rank = Math.max(...[...pairs.values()].map(({ a }) => a.shape[0]));
  const given = metadata.number('adapter.lora.alpha') ?? 0;
  const alpha = given === 0 ? rank : given;
  const targets = PROJECTIONS.filter((projection) => [...pairs.keys()].some((module) => module.endsWith(`.${projection}`)));
  const layout = loraLayout(config, { rank, alpha, targets });
  const places = new Map(layout.places.map((place) => [moduleName(place), place]));
  const values = new Float32Array(layout.stride);
  const bytes = readWhole(path);
  const modules: AdaptedModule[] = [];
  const read = (name: string, { type, shape, start, byteLength }: LocatedTensor, rows: number, columns: number): Float32Array => {
    if (shape.join() !== `${rows},${columns}`) {
      throw new RangeError(`Cannot use ${path}: tensor ${name} is (${shape.join(', ')}), expected (${rows}, ${columns}); it is an adapter of another model`);
    }
    const floats = dequantise(type, bytes.subarray(start, start + byteLength));
    const bad = floats.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new RangeError(`Cannot use ${path}: tensor ${name} is ${floats[bad]} at element ${bad}; the file is damaged`);
    return floats;
  };
  for (const [module, { tensor, a, b }] of pairs) {
    const place = places.get(module);
    if (!place) throw new RangeError(`Cannot use ${path}: it adapts ${module}, the model has ${config.numHiddenLayers} layers`);
    const own = a.shape[0];
    values.set(read(`${tensor}.lora_a`, a, own, place.inner), place.offsetA);
    const stored = read(`${tensor}.lora_b`, b, place.out, own);
    const factor = given === 0 ? 1 : rank / own;
    const rows = isPermuted(tensor, architecture) ? inOrder(stored, own, config.headDim) : stored;
    const transposedB = transposed(rows, place.out, own);
    values.set(factor === 1 ? transposedB : transposedB.map((value) => value * factor), place.offsetB);
    modules.push({ layer: place.layer, projection: place.projection });
  }
  const ordered = layout.places.filter((place) => modules.some(({ layer, projection }) => layer === place.layer && projection === place.projection));
  return {
    lora: { rank, alpha, targets },
    modules: ordered.map(({ layer, projection }) => ({ layer, projection })),
    baseModel: null,
    notes: [],
    layout,
    values,
    digest: digest(bytes),
  };
}

/** Rows of whole heads of a file in the order of a checkpoint. */
function inOrder(values: Float32Array, columns: number, headDim: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row * columns < values.length; row++) {
    const at = permutedRow(row, headDim) * columns;
    out.set(values.subarray(at, at + columns), row * columns);
  }
  return out;
}
