/**
 * Which stored tensors are those that a configuration asks for, whatever kind of file they lie in: tied heads that are stored
 * once or twice, matrices that are stored quantised, tensors that nobody needs.
 */

import { quantisedShape } from '@seal/kernels';
import type { QuantisedFormat, WeightFormat } from '../matrix.ts';
import type { ModelConfig } from '../model-config.ts';
import { headTensor, parameterLayout, type TensorPlace } from '../parameters.ts';
import { tensorFormat } from '../quantised.ts';

/** A tensor as its file names it. */
interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The file that it lies in. */
  readonly path: string;
}

/** A matrix that is stored quantised, with the two tensors that it is stored as. */
export interface QuantisedTensor<Tensor> {
  readonly dtype: 'U32';
  readonly shape: readonly number[];
  readonly quantised: QuantisedFormat;
  readonly data: Tensor;
  readonly scales: Tensor;
}

/** The tensors of a configuration where they are stored. */
export interface Matched<Tensor> {
  /** By name, in the order of `parameterLayout`. */
  readonly found: ReadonlyMap<string, Tensor | QuantisedTensor<Tensor>>;
  /** Stored twice: the second must be the same. */
  readonly copies: ReadonlyMap<string, Tensor>;
}

/** Names under which a quantised matrix is stored: its data u32 (N, words) and its scales u32 (N, scaleWords). */
export function quantisedNames(name: string): { readonly data: string; readonly scales: string } {
  return { data: `${name}.packed`, scales: `${name}.scales` };
}

/** Tensors that some writers store although they follow from the others. */
function isRedundant(name: string, { tieWordEmbeddings }: ModelConfig): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || (tieWordEmbeddings && name === 'lm_head.weight');
}

function shown(shape: readonly number[]): string {
  return `(${shape.join(', ')})`;
}

/** What is matched, and what it is called in messages. */
interface MatchingOptions<Tensor> {
  /** The file that lists the tensors. */
  readonly place: string;
  /** The format in which matrices are stored quantised. */
  readonly format: WeightFormat;
  /** Throws for a dtype that holds no weights. */
  readonly check: (tensor: Tensor, name: string) => void;
  /** What asks for the tensors. */
  readonly asking?: string;
  /** The name of a tensor in its file. */
  readonly nameOf?: (name: string) => string;
}

/**
 * Finds every tensor of a configuration among those of a file. Throws RangeError when the tensors are not those of the
 * configuration.
 */
export function matchTensors<Tensor extends Stored>(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Tensor>,
  { place, format, check, asking = 'config.json', nameOf = (name) => name }: MatchingOptions<Tensor>,
): Matched<Tensor> {
  const found = new Map<string, Tensor | QuantisedTensor<Tensor>>();
  const used = new Set<string>();
  const copies = new Map<string, Tensor>();
  for (const layoutPlace of parameterLayout(config).places.values()) {
    const { name, shape } = layoutPlace;
    const stored = tensorFormat(format, layoutPlace);
    if (stored !== 'f32') {
      found.set(name, quantisedTensor(layoutPlace, stored, tensors, place));
      for (const part of Object.values(quantisedNames(name))) used.add(part);
      continue;
    }
    const tied = config.tieWordEmbeddings && name === headTensor(config) ? tensors.get('lm_head.weight') : undefined;
    // Of two tied tensors some writers keep the head only.
    const tensor = tensors.get(name) ?? tied;
    if (!tensor) throw new RangeError(`Cannot use ${place}: ${whyMissing(name, tensors, nameOf(name), asking)}`);
    for (const one of tied ? [tensor, tied] : [tensor]) {
      if (one.shape.join() !== shape.join()) {
        const which = one === tensor ? name : 'lm_head.weight';
        const quantiser = quantiserOf(name, tensors);
        if (quantiser !== null) throw new RangeError(`Cannot use ${one.path}: tensor ${nameOf(which)} is quantised (${quantiser}), which is not read; use the unquantised checkpoint`);
        throw new RangeError(`Cannot use ${one.path}: tensor ${nameOf(which)} is ${shown(one.shape)}, ${asking} asks for ${shown(shape)}`);
      }
      check(one, name);
    }
    found.set(name, tensor);
    used.add(name);
    if (tied && tied !== tensor) copies.set(name, tied);
  }
  for (const [name, { path }] of tensors) {
    if (used.has(name) || isRedundant(name, config)) continue;
    throw new RangeError(`Cannot use ${path}: tensor ${nameOf(name)} belongs to no part that ${asking} asks for`);
  }
  return { found, copies };
}

function quantisedTensor<Tensor extends Stored>(
  { name, shape }: TensorPlace,
  format: QuantisedFormat,
  tensors: ReadonlyMap<string, Tensor>,
  place: string,
): QuantisedTensor<Tensor> {
  const [rows = 1, columns = 1] = shape;
  const { words, scaleWords } = quantisedShape(format, columns);
  const find = (stored: string, width: number): Tensor => {
    const tensor = tensors.get(stored);
    if (!tensor) throw new RangeError(`Cannot use ${place}: tensor ${stored} is missing, config.json says that it is stored as ${format}`);
    if (tensor.shape.join() === `${rows},${width}` && tensor.dtype === 'U32') return tensor;
    throw new RangeError(
      `Cannot use ${tensor.path}: tensor ${stored} is ${shown(tensor.shape)} ${tensor.dtype}, ${format} needs ${shown([rows, width])} U32`,
    );
  };
  const names = quantisedNames(name);
  return { dtype: 'U32', shape, quantised: format, data: find(names.data, words), scales: find(names.scales, scaleWords) };
}

/** Who quantised a matrix that keeps its name, by what is stored beside it; null for one that is not. */
function quantiserOf(name: string, tensors: ReadonlyMap<string, unknown>): string | null {
  if (tensors.has(name.replace(/weight$/, 'scales'))) return 'MLX';
  return tensors.has(`${name}.absmax`) ? 'bitsandbytes' : null;
}

/** What quantisers store in place of a matrix, by the end of its name behind the module's. */
const QUANTISED: Readonly<Record<string, string>> = { qweight: 'GPTQ or AWQ', weight_packed: 'compressed-tensors' };

function whyMissing(name: string, tensors: ReadonlyMap<string, unknown>, called: string, asking: string): string {
  const quantised = Object.keys(QUANTISED).find((end) => tensors.has(name.replace(/weight$/, end)));
  if (quantised !== undefined) {
    return `tensor ${called} is stored quantised as ${name.replace(/weight$/, quantised)} (${QUANTISED[quantised]}), which is not read; use the unquantised checkpoint`;
  }
  const bare = name.startsWith('model.') ? name.slice('model.'.length) : name;
  return bare !== name && tensors.has(bare)
    ? `tensor ${bare} lacks the prefix "model.", so the file was saved from the decoder alone; save the whole causal language model`
    : `tensor ${called} is missing, ${asking} asks for it`;
}
