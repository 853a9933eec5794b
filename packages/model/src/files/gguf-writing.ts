/**
 * Models as GGUF files: tensors under that format's names and in its order of rows, metadata made from the files of a
 * directory, or carried over from the file that a model came from.
 */

import { configMetadata, ggufName, isPermuted, permutedRow, quantise, tokenizerMetadata, BLOCKS, type GgufType, type GgufValue, type TextDocuments, type WrittenType } from '@seal/gguf';
import { openGguf, type WrittenTensor } from '@seal/gguf/node';
import { ropeFrequencies } from '@seal/kernels';
import type { ModelConfig } from '../model-config.ts';
import { inverseFrequencies } from '../rope.ts';
import { rowRanges, rowShape, type WeightSource } from './sources.ts';

/** Types by their short names. */
export const GGUF_DTYPES = { f32: 'F32', f16: 'F16', bf16: 'BF16', q8_0: 'Q8_0' } as const satisfies Readonly<Record<string, WrittenType>>;
export type GgufDtype = keyof typeof GGUF_DTYPES;

/** What `general.file_type` calls a file whose matrices are of a type. */
const FILE_TYPES: Readonly<Record<GgufDtype, number>> = { f32: 0, f16: 1, q8_0: 7, bf16: 32 };

/** Architectures by the `model_type` of families that are called otherwise there. */
const ARCHITECTURES: Readonly<Record<string, string>> = { gemma3_text: 'gemma3' };

/** What a GGUF file calls a family. */
export function ggufArchitecture({ family }: Pick<ModelConfig, 'family'>): string {
  return ARCHITECTURES[family] ?? family;
}

/** The name of a tensor in a file. Throws RangeError where the architecture has none for it. */
export function nameInGguf(name: string, architecture: string): string {
  const own = ggufName(name, architecture);
  if (own === null) throw new RangeError(`Cannot write tensor ${name} as GGUF: the architecture ${architecture} has none such`);
  return own;
}

/** Puts rows of whole heads into the order of a file, in place. */
export function permuteRows(values: Float32Array, columns: number, headDim: number): void {
  const given = values.slice();
  for (let row = 0; row * columns < values.length; row++) {
    values.set(given.subarray(row * columns, (row + 1) * columns), permutedRow(row, headDim) * columns);
  }
}

/** Row ranges of a matrix that is read by whole heads of `rows` rows. */
function* headRanges(shape: readonly number[], rows: number): Generator<readonly [first: number, count: number]> {
  const [all] = shape;
  const [[, most] = [0, all]] = rowRanges(shape);
  const step = Math.max(rows, Math.floor(most / rows) * rows);
  for (let first = 0; first < all; first += step) yield [first, Math.min(step, all - first)];
}

/** Blocks of values. Throws RangeError where one becomes infinite. */
function blocks(type: WrittenType, values: Float32Array, name: string): Uint8Array {
  const most = type === 'F16' ? 65_519.996 : type === 'Q8_0' ? 127 * 65_519.99 : type === 'BF16' ? 3.3961775e38 : Infinity;
  const large = values.find((value) => Math.abs(value) > most);
  if (large !== undefined) throw new RangeError(`Cannot write tensor ${name} as ${type}: a value is ${large}, which is beyond it; use \`dtype\` f32`);
  return quantise(type, values);
}

/**
 * The tensors of a model, matrices as `dtype` and vectors as float32; where a row is no whole number of blocks, its matrix is
 * F16, as llama.cpp has it. Nothing is read before a tensor's data is asked for.
 */
export function ggufTensors(source: WeightSource, config: ModelConfig, dtype: GgufDtype, signal?: AbortSignal): WrittenTensor[] {
  const architecture = ggufArchitecture(config);
  return [...source.tensors].map(([from, { shape }]) => {
    const name = nameInGguf(from, architecture);
    const [, columns] = rowShape(shape);
    const wanted: WrittenType = GGUF_DTYPES[dtype];
    const type: WrittenType & GgufType = shape.length === 1 ? 'F32' : columns % BLOCKS[wanted].elements === 0 ? wanted : 'F16';
    const headDim = isPermuted(name, architecture) ? config.headDim : 0;
    // What reading takes away is added again.
    const shift = architecture === 'gemma3' && name.endsWith('norm.weight') ? 1 : 0;
    async function* data(): AsyncGenerator<Uint8Array> {
      const isVector = shape.length === 1;
      for (const [first, count] of headDim > 0 && !isVector ? headRanges(shape, headDim) : rowRanges(shape)) {
        signal?.throwIfAborted();
        const values = await source.readRows(from, first, count);
        if (headDim > 0) permuteRows(values, isVector ? 1 : columns, headDim);
        if (shift !== 0) for (let i = 0; i < values.length; i++) values[i] += shift;
        yield blocks(type, values, name);
      }
    }
    return { name, type, shape, data };
  });
}

const u32 = (value: number): GgufValue => ({ type: 'u32', value });
const text = (value: string): GgufValue => ({ type: 'string', value });

/** What a file is written from, beside the weights. */
export interface GgufModel {
  readonly config: ModelConfig;
  /** The directory or the file that the model came from. */
  readonly directory: string;
  readonly name: string;
  /** What a directory's files say of texts; a GGUF file's own keys are carried over instead. */
  readonly texts: TextDocuments | null;
}

/** Keys that describe the one file, or how it was made, and not the model. */
const OF_THE_FILE = /^(split\.|quantize\.|general\.(file_type|quantization_version|alignment|type|name)$)/;

/** Metadata of a model's file, and the tensor that some rotary scalings are. Throws RangeError for what has no keys. */
export function ggufMetadata({ config, directory, name, texts }: GgufModel, dtype: GgufDtype): { readonly metadata: Map<string, GgufValue>; readonly extra: readonly WrittenTensor[] } {
  const own = texts === null ? openGguf(directory) : null;
  const carried = own
    ? [...own.metadata.values].filter(([key]) => !OF_THE_FILE.test(key))
    : [...configMetadata(config, directory), ...(texts ? tokenizerMetadata(texts, directory) : [])];
  const metadata = new Map<string, GgufValue>([
    ['general.type', text('model')],
    ['general.name', text(name)],
    ...carried,
    ['general.file_type', u32(FILE_TYPES[dtype])],
    ...(dtype === 'q8_0' ? ([['general.quantization_version', u32(2)]] as const) : []),
  ]);
  const factors = ropeFactors(config);
  if (factors === null) return { metadata, extra: [] };
  const data = () => [quantise('F32', Float32Array.from(factors))];
  return { metadata, extra: [{ name: 'rope_freqs.weight', type: 'F32', shape: [factors.length], data }] };
}

/** What the plain rotary frequencies are divided by; null where that is one number for all of them. */
function ropeFactors(config: ModelConfig): readonly number[] | null {
  const { ropeScaling, headDim, ropeTheta } = config;
  if (ropeScaling === null || ropeScaling.type === 'linear') return null;
  if (ropeScaling.type === 'longrope') return ropeScaling.factors;
  const scaled = inverseFrequencies(config);
  return [...ropeFrequencies(headDim, ropeTheta)].map((frequency, pair) => frequency / scaled[pair]);
}
