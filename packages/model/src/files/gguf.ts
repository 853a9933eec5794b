/**
 * Weights of a GGUF file under Hugging Face's names and in its order: rows of queries and keys where they belong, norms of
 * Gemma without the 1 that the format adds. A row is read where it lies in its file when it is asked for, as blocks or as
 * float32.
 */

import { dequantise, ggufName, huggingFaceName, isPermuted, permutedRow, rowBytes, type GgufType } from '@seal/gguf';
import { huggingFaceFiles, openGguf, readBytes, type Gguf, type LocatedTensor } from '@seal/gguf/node';
import { messageOf } from '@seal/files';
import { parseConfig } from '../config.ts';
import type { ModelConfig } from '../model-config.ts';
import type { HeldFormat } from '../matrix.ts';
import { formatOfType, packRows } from './gguf-blocks.ts';
import { matchTensors } from './matching.ts';
import { checkFinite, type DType } from './safetensors.ts';
import { checkRows, rowShape, type SourceTensor, type WeightSource } from './sources.ts';

/** A tensor of a file, under its name in a checkpoint. */
interface Tensor extends SourceTensor {
  readonly blocks: GgufType;
  readonly path: string;
  readonly stored: LocatedTensor;
  /** Rows of a head of queries or keys that the file has in another order; 0 where they lie as they should. */
  readonly headRows: number;
  /** What is added to every value of the file. */
  readonly shift: number;
}

/** The dtype that holds the values of a type exactly. */
function dtypeOf(type: GgufType): DType {
  return type === 'F16' || type === 'BF16' ? type : 'F32';
}

function tensorsOf({ metadata, tensors }: Gguf, { headDim }: ModelConfig): Map<string, Tensor> {
  const architecture = metadata.text('general.architecture') ?? '';
  const isGemma = architecture === 'gemma3';
  return new Map(
    [...tensors].flatMap(([own, stored]): [string, Tensor][] => {
      // The configuration has it.
      if (own === 'rope_freqs.weight') return [];
      const name = huggingFaceName(own, architecture) ?? own;
      const { type, shape, path } = stored;
      const headRows = isPermuted(own, architecture) ? headDim : 0;
      const shift = isGemma && own.endsWith('norm.weight') ? -1 : 0;
      // Of vectors nothing is packed.
      const format = shape.length === 2 ? formatOfType(type) : 'f32';
      return [[name, { dtype: dtypeOf(type), ...(format !== 'f32' && { quantised: format }), blocks: type, shape, path, stored, headRows, shift }]];
    }),
  );
}

/** Configuration and weights of a GGUF file. Throws as `openGguf`, and RangeError when the tensors are not those of the configuration. */
export function readGgufWeights(path: string): { readonly config: ModelConfig; readonly format: ReadonlyMap<string, HeldFormat>; readonly source: WeightSource } {
  const gguf = openGguf(path);
  const architecture = gguf.metadata.text('general.architecture') ?? '';
  const config = parseConfig(huggingFaceFiles(gguf)['config.json'](), path);
  const { found, copies } = matchTensors(config, tensorsOf(gguf, config), {
    place: path,
    format: 'f32',
    check: () => undefined,
    asking: 'the metadata',
    nameOf: (name) => ggufName(name, architecture) ?? name,
  });
  const copy = copies.keys().next();
  if (!copy.done) throw new RangeError(`Cannot use ${path}: tensor ${copy.value} is there twice`);
  const tensors = found as ReadonlyMap<string, Tensor>;
  const format = new Map<string, HeldFormat>([...tensors].map(([name, { quantised }]) => [name, quantised ?? 'f32']));
  return { config, format, source: ggufSource(tensors) };
}

function ggufSource(tensors: ReadonlyMap<string, Tensor>): WeightSource {
  const find = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw new RangeError(`Cannot read tensor ${name}: the model has none of that name`);
    return tensor;
  };
  /** Rows in the order of the checkpoint: `at` gives where a row begins, `rows` how many there are and how they are read. */
  const readBlocks = async (name: string, first: number, count: number): Promise<Uint8Array> => {
    const { shape, path, stored, headRows, blocks } = find(name);
    // A bias is permuted element by element.
    const [rows, columns] = headRows > 0 && shape.length === 1 ? [shape[0], 1] : rowShape(shape);
    checkRows(name, rows, first, count);
    const length = rowBytes(blocks, columns);
    if (headRows === 0) {
      const bytes = new Uint8Array(count * length);
      await readBytes(path, bytes, stored.start + first * length);
      return bytes;
    }
    // Whole heads are read, since a row's place in its head changes.
    const from = Math.floor(first / headRows) * headRows;
    const until = Math.min(Math.ceil((first + count) / headRows) * headRows, rows);
    const heads = new Uint8Array((until - from) * length);
    await readBytes(path, heads, stored.start + from * length);
    const bytes = new Uint8Array(count * length);
    for (let row = first; row < first + count; row++) {
      const at = (permutedRow(row, headRows) - from) * length;
      bytes.set(heads.subarray(at, at + length), (row - first) * length);
    }
    return bytes;
  };
  return {
    tensors,
    readBlocks,
    async readRows(name, first, count, target) {
      const { shape, path, blocks, shift, headRows } = find(name);
      const [rows, columns] = rowShape(shape);
      checkRows(name, rows, first, count);
      const isVector = headRows > 0 && shape.length === 1;
      const bytes = isVector ? await readBlocks(name, 0, columns) : await readBlocks(name, first, count);
      const values = dequantise(blocks, bytes, target?.subarray(0, count * columns));
      checkFinite(values, name, path, first * columns);
      if (shift !== 0) for (let i = 0; i < values.length; i++) values[i] += shift;
      return values;
    },
    async readQuantisedRows(name, first, count) {
      const { quantised, blocks, path, shape } = find(name);
      if (quantised === undefined) throw new TypeError(`Cannot read packed rows of tensor ${name}: it is stored as ${blocks}`);
      const bytes = await readBlocks(name, first, count);
      try {
        return packRows(blocks, bytes, rowShape(shape)[1]);
      } catch (cause) {
        throw new RangeError(`Cannot use ${path}: tensor ${name}, rows from ${first} on: ${messageOf(cause)}; the file is damaged`, { cause });
      }
    },
    async readTensor(name) {
      const { dtype, shape, blocks, shift } = find(name);
      if (blocks !== dtype) throw new TypeError(`Cannot read tensor ${name} whole: it is stored as ${blocks}`);
      if (shift !== 0) throw new TypeError(`Cannot read tensor ${name} as it is stored: the file has ${-shift} added to it`);
      const [rows, columns] = rowShape(shape);
      return { dtype, shape, bytes: await readBlocks(name, 0, shape.length === 1 ? columns : rows) };
    },
  };
}
