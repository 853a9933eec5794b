/**
 * Models of llama2.c (karpathy/llama2.c, `legacy_export` of export.py and `tokenizer.py`): seven int32 sizes and float32
 * tensors of all layers one after another, without names. Its queries and keys pair neighbouring numbers of a head where
 * rotary positions turn them, Hugging Face's pair the two halves: rows 2 j and 2 j + 1 of a head become j and j + D / 2.
 */

import { readFile } from 'node:fs/promises';
import { fileProblem } from '@seal/files/node';
import { parseConfig } from '../config.ts';
import type { ModelConfig, Projection } from '../model-config.ts';
import { CheckpointError } from './directory.ts';
import { layerTensor, parameterLayout } from '../parameters.ts';
import { checkFinite } from './safetensors.ts';
import { checkRows, fileBytes, readAt, rowShape, type WeightSource } from './sources.ts';

const HEADER_BYTES = 28;
/** First word of the later exports, `ak42`. */
const LATER_MAGIC = 0x616b3432;

/** Reads a `.bin` of llama2.c. Throws CheckpointError where there is none, SyntaxError where it is something else. */
export async function openLlama2c(path: string): Promise<{ readonly config: ModelConfig; readonly source: WeightSource }> {
  const size = await fileBytes(path);
  if (size < HEADER_BYTES) throw notOurs(path, `it has ${size} bytes`);
  const header = new Int32Array(HEADER_BYTES / 4);
  await readAt(path, new Uint8Array(header.buffer), 0);
  const config = configOf(header, path);
  const { places, elementCount } = locate(config);
  const expected = HEADER_BYTES + elementCount * 4;
  if (size !== expected) {
    throw notOurs(path, `it has ${size} bytes, one of the sizes ${header.join(', ')} has ${expected}`);
  }
  return { config, source: sourceOf(path, config, places) };
}

function configOf(header: Int32Array, path: string): ModelConfig {
  const [dim, hidden, layers, heads, keyValueHeads, vocabulary, length] = header;
  if (dim === LATER_MAGIC) throw new SyntaxError(`Cannot read ${path}: it is a later version of llama2.c's format; export it with --version 0`);
  const file = {
    model_type: 'llama',
    hidden_size: dim,
    intermediate_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    // A classifier of its own is told by a negative size.
    vocab_size: Math.abs(vocabulary),
    tie_word_embeddings: vocabulary > 0,
    max_position_embeddings: length,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    bos_token_id: 1,
    eos_token_id: 2,
  };
  try {
    return parseConfig(file, path);
  } catch (cause) {
    throw notOurs(path, `its sizes would be ${header.join(', ')}`, cause);
  }
}

function notOurs(path: string, why: string, cause?: unknown): SyntaxError {
  const remedy = 'give a whole .bin that its export.py wrote with --version 0, or a model directory';
  return new SyntaxError(`Cannot read ${path}: it is no model of llama2.c (${why}); ${remedy}`, { cause });
}

/** Offset of every tensor in elements after the header. */
function locate(config: ModelConfig): { readonly places: ReadonlyMap<string, number>; readonly elementCount: number } {
  const { places: shapes } = parameterLayout(config);
  const places = new Map<string, number>();
  let elementCount = 0;
  const place = (name: string) => {
    places.set(name, elementCount);
    elementCount += shapes.get(name)?.elementCount ?? 0;
  };
  const ofLayers = (part: string) => {
    for (let layer = 0; layer < config.numHiddenLayers; layer++) place(layerTensor(layer, part));
  };
  const projections = (...names: Projection[]) => names.forEach(ofLayers);
  place('model.embed_tokens.weight');
  ofLayers('input_layernorm');
  projections('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj');
  ofLayers('post_attention_layernorm');
  projections('mlp.gate_proj', 'mlp.down_proj', 'mlp.up_proj');
  place('model.norm.weight');
  // Cosines and sines, which follow from the sizes.
  elementCount += config.maxPositionEmbeddings * config.headDim;
  if (!config.tieWordEmbeddings) place('lm_head.weight');
  return { places, elementCount };
}

function sourceOf(path: string, config: ModelConfig, offsets: ReadonlyMap<string, number>): WeightSource {
  const { headDim: D } = config;
  const tensors = new Map(
    [...parameterLayout(config).places.values()].map(({ name, shape }) => [name, { dtype: 'F32' as const, shape }]),
  );
  const find = (name: string) => {
    const tensor = tensors.get(name);
    const offset = offsets.get(name);
    if (!tensor || offset === undefined) throw new RangeError(`Cannot read tensor ${name}: the model has none of that name`);
    return { ...tensor, offset };
  };
  const read = async (name: string, first: number, values: Float32Array) => {
    const { offset, shape } = find(name);
    const start = HEADER_BYTES + (offset + first * rowShape(shape)[1]) * 4;
    await readAt(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
    checkFinite(values, name, path, first * rowShape(shape)[1]);
  };
  const readRows: WeightSource['readRows'] = async (name, first, count, target) => {
    const [rows, columns] = rowShape(find(name).shape);
    checkRows(name, rows, first, count);
    const values = (target ?? new Float32Array(count * columns)).subarray(0, count * columns);
    if (!name.includes('q_proj') && !name.includes('k_proj')) {
      await read(name, first, values);
      return values;
    }
    // Whole heads are read, since a row's place in its head changes.
    const from = Math.floor(first / D) * D;
    const heads = new Float32Array((Math.ceil((first + count) / D) * D - from) * columns);
    await read(name, from, heads);
    for (let row = first; row < first + count; row++) {
      const within = row % D;
      const stored = row - within + (within < D / 2 ? 2 * within : 2 * within - D + 1) - from;
      values.set(heads.subarray(stored * columns, (stored + 1) * columns), (row - first) * columns);
    }
    return values;
  };
  return {
    tensors,
    readRows,
    readQuantisedRows: (name) => Promise.reject(new TypeError(`Cannot read packed rows of tensor ${name}: it is stored as F32`)),
    async readTensor(name) {
      const { dtype, shape } = find(name);
      const { buffer, byteOffset, byteLength } = await readRows(name, 0, rowShape(shape)[0]);
      return { dtype, shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
    },
  };
}

/** A piece of text that a tokenizer of llama2.c knows, as SentencePiece spells it, and its score. */
interface Piece {
  readonly text: string;
  readonly score: number;
}

const MOST_PIECES = 2 ** 20;
const MOST_PIECE_BYTES = 1_024;

/**
 * `tokenizer.json` of a llama2.c tokenizer, parsed: SentencePiece's byte-pair encoding, whose pieces merge in order of
 * score. Throws CheckpointError where there is no file, SyntaxError where it is something else and RangeError for more
 * pieces than the model's `vocabSize`.
 */
export async function readLlama2cTokenizer(path: string, vocabSize: number): Promise<Record<string, unknown>> {
  const size = await fileBytes(path);
  let file: Uint8Array;
  try {
    file = await readFile(path);
  } catch (cause) {
    throw new CheckpointError(`Cannot read ${path}: ${fileProblem(cause)}`, { cause });
  }
  const pieces = piecesOf(file.subarray(0, size), path);
  if (pieces.length > vocabSize) throw new RangeError(`Cannot use ${path}: it has ${pieces.length} pieces, the model ${vocabSize} tokens`);
  const vocabulary = new Map(pieces.map(({ text }, id) => [text, id]));
  if (vocabulary.size !== pieces.length) throw new SyntaxError(`Cannot read ${path}: two of its pieces are the same`);
  const special = (id: number) => ({
    id,
    content: pieces[id].text,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [0, 1, 2].map(special),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '\u2581' },
        { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary),
      merges: mergesOf(pieces, vocabulary),
    },
  };
}

/** The pieces of a file: length of the longest, then score, length and bytes of each. */
function piecesOf(file: Uint8Array, path: string): Piece[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const fail = (what: string): never => {
    throw new SyntaxError(`Cannot read ${path}: ${what}`);
  };
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const pieces: Piece[] = [];
  if (file.byteLength < 4) fail(`it has ${file.byteLength} bytes, a tokenizer of llama2.c more than 4`);
  for (let at = 4; at < file.byteLength; ) {
    const id = pieces.length;
    if (id >= MOST_PIECES) fail(`it has more than ${MOST_PIECES} pieces`);
    if (at + 8 > file.byteLength) fail(`it ends within piece ${id}`);
    const score = view.getFloat32(at, true);
    const length = view.getInt32(at + 4, true);
    if (length < 0 || at + 8 + length > file.byteLength) fail(`piece ${id} has ${length} bytes, the file has ${file.byteLength - at - 8} more`);
    if (length > MOST_PIECE_BYTES) fail(`piece ${id} has ${length} bytes, at most ${MOST_PIECE_BYTES} are read`);
    if (!Number.isFinite(score)) fail(`the score of piece ${id} is ${score}`);
    try {
      const stored = decoder.decode(file.subarray(at + 8, at + 8 + length));
      // Pieces are stored as they are printed: the two special tokens on lines of their own, spaces as spaces.
      const text = id === 1 || id === 2 ? stored.trim() : stored.replaceAll(' ', '\u2581');
      pieces.push({ text, score });
    } catch {
      fail(`piece ${id} is not UTF-8`);
    }
    at += 8 + length;
  }
  const named = ['<unk>', '<s>', '</s>'].findIndex((name, id) => pieces[id]?.text !== name);
  if (named >= 0) fail(`piece ${named} is ${JSON.stringify(pieces[named]?.text ?? null)}, expected ${['<unk>', '<s>', '</s>'][named]}`);
  return pieces;
}

const FIRST_TEXT = 3;

/** Every way to make a piece of two others, the best first: by score, then by the ids of the two. */
function mergesOf(pieces: readonly Piece[], vocabulary: ReadonlyMap<string, number>): [left: string, right: string][] {
  const merges = pieces.slice(FIRST_TEXT).flatMap(({ text, score }) => {
    const characters = Array.from(text);
    return characters.slice(1).flatMap((_, i) => {
      const [left, right] = [characters.slice(0, i + 1).join(''), characters.slice(i + 1).join('')];
      const [leftId, rightId] = [vocabulary.get(left), vocabulary.get(right)];
      return leftId === undefined || rightId === undefined ? [] : [{ pair: [left, right] as [string, string], score, leftId, rightId }];
    });
  });
  merges.sort((a, b) => b.score - a.score || a.leftId - b.leftId || a.rightId - b.rightId);
  return merges.map(({ pair }) => pair);
}
