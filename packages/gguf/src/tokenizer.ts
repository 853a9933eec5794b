/**
 * The tokenizer of a file as Hugging Face's `tokenizer.json` says it: byte-level BPE by its merges, SentencePiece by its
 * scores. How a text is cut before it is looked up stands in a file by a name alone; what each name means is that of the
 * tokenizers it was given to (llama.cpp's `conversion/base.py` tells them apart by what they do).
 */

import { quoted } from '@seal/files';
import { mergesOf } from './sentencepiece.ts';
import type { TextHeader } from './text-config.ts';

/** What `tokenizer.ggml.token_type` says of a token. */
export const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const REST = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const byteLevel = (usesExpression: boolean) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: usesExpression });
const split = (digits: string) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: String.raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}${REST}` }, behavior: 'Isolated', invert: false },
    byteLevel(false),
  ],
});

/** How a byte-level tokenizer cuts texts, by `tokenizer.ggml.pre`. */
interface Cutting {
  readonly pre_tokenizer: object;
  readonly normalizer: object | null;
  /** Whether a word that is a token is not merged. */
  readonly ignoresMerges: boolean;
  /** Whether a text begins with the beginning token where the file does not say. */
  readonly addsBegin: boolean;
}

export const CUTTINGS: Readonly<Record<string, Cutting>> = {
  'gpt-2': { pre_tokenizer: byteLevel(true), normalizer: null, ignoresMerges: false, addsBegin: false },
  smollm: {
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)] },
    normalizer: null,
    ignoresMerges: false,
    addsBegin: false,
  },
  'llama-bpe': { pre_tokenizer: split(String.raw`\p{N}{1,3}`), normalizer: null, ignoresMerges: true, addsBegin: true },
  qwen2: { pre_tokenizer: split(String.raw`\p{N}`), normalizer: { type: 'NFC' }, ignoresMerges: false, addsBegin: false },
};

/** A token with its id and what it is. */
interface Token {
  readonly id: number;
  readonly text: string;
  readonly kind: number;
}

/** The `tokenizer.json` of a file. Throws RangeError for a tokenizer that is not read, SyntaxError for one that is damaged. */
export function huggingFaceTokenizer(header: TextHeader): Record<string, unknown> {
  const { path, metadata } = header;
  const fail = (what: string): never => {
    throw new SyntaxError(`Cannot read ${path}: ${what}`);
  };
  const model = metadata.text('tokenizer.ggml.model');
  if (model === undefined) return fail('it has no tokenizer ("tokenizer.ggml.model"); give one with the tokenizer in it');
  const tokens = readTokens(header);
  const pre = metadata.text('tokenizer.ggml.pre') ?? 'default';
  if (model === 'gpt2') {
    if (!Object.hasOwn(CUTTINGS, pre)) refuse(path, 'tokenizer.ggml.pre', pre, Object.keys(CUTTINGS));
    return byteLevelTokenizer(header, tokens, CUTTINGS[pre]);
  }
  if (model !== 'llama') refuse(path, 'tokenizer.ggml.model', model, ['gpt2', 'llama']);
  if (pre !== 'default') refuse(path, 'tokenizer.ggml.pre', pre, ['default']);
  return sentencePieceTokenizer(header, tokens);
}

function refuse(path: string, key: string, value: string, supported: readonly string[]): never {
  throw new RangeError(`Cannot use ${path}: ${key} is ${quoted(value)}, supported is ${supported.map(quoted).join(', ')}`);
}

function readTokens({ path, metadata }: TextHeader): Token[] {
  const texts = metadata.texts('tokenizer.ggml.tokens') ?? [];
  const kinds = metadata.numbers('tokenizer.ggml.token_type');
  if (texts.length === 0) throw new SyntaxError(`Cannot read ${path}: tokenizer.ggml.tokens is empty`);
  if (kinds && kinds.length !== texts.length) {
    throw new SyntaxError(`Cannot read ${path}: tokenizer.ggml.token_type has ${kinds.length} items, there are ${texts.length} tokens`);
  }
  // Files that do not say what tokens are name their special ones by id.
  const special = new Set(['bos', 'eos', 'eot', 'eom', 'unknown', 'padding', 'seperator'].map((name) => metadata.count(`tokenizer.ggml.${name}_token_id`)));
  const seen = new Set<string>();
  return texts.flatMap((text, id) => {
    const kind = kinds?.[id] ?? (special.has(id) ? KIND.control : KIND.normal);
    if (!Object.values<number>(KIND).includes(kind)) throw new SyntaxError(`Cannot read ${path}: token ${id} has type ${kind}, there are 1 to 6`);
    // Rows of the embedding without a token.
    if (kind === KIND.unused) return [];
    if (text === '') throw new SyntaxError(`Cannot read ${path}: token ${id} is empty`);
    if (seen.has(text)) throw new SyntaxError(`Cannot read ${path}: token ${quoted(text)} is there twice`);
    seen.add(text);
    return [{ id, text, kind }];
  });
}

/**
 * Those that are found in a text wherever they stand; where `isNormalised`, those that are no control tokens are found in what
 * the normaliser makes of it, where a space and U+2581 are the same.
 */
function addedTokens(tokens: readonly Token[], isNormalised = false): object[] {
  return tokens.filter(isAdded).map(({ id, text, kind }) => ({
    id,
    content: text,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: isNormalised && kind === KIND.userDefined,
    special: kind !== KIND.userDefined,
  }));
}

function isAdded({ kind }: Token): boolean {
  return kind === KIND.control || kind === KIND.unknown || kind === KIND.userDefined;
}

/** What stands around a text: the beginning where the file says so, and the end. */
function postProcessor({ path, metadata }: TextHeader, addsBegin: boolean): object | null {
  const texts = metadata.texts('tokenizer.ggml.tokens') ?? [];
  const special = (name: string, isAsked: boolean) => {
    const id = metadata.count(`tokenizer.ggml.${name}_token_id`);
    if (!isAsked || id === undefined) return [];
    if (id >= texts.length) throw new SyntaxError(`Cannot read ${path}: tokenizer.ggml.${name}_token_id is ${id}, there are ${texts.length} tokens`);
    return [{ id, text: texts[id] }];
  };
  const before = special('bos', metadata.flag('tokenizer.ggml.add_bos_token') ?? addsBegin);
  const after = special('eos', metadata.flag('tokenizer.ggml.add_eos_token') ?? false);
  if (before.length + after.length === 0) return null;
  const marks = (all: typeof before, type: number) => all.map(({ text }) => ({ SpecialToken: { id: text, type_id: type } }));
  const around = (id: 'A' | 'B', type: number) => [...marks(before, type), { Sequence: { id, type_id: type } }, ...marks(after, type)];
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries([...before, ...after].map(({ id, text }) => [text, { id: text, ids: [id], tokens: [text] }])),
  };
}

function byteLevelTokenizer(header: TextHeader, tokens: readonly Token[], cutting: Cutting): Record<string, unknown> {
  const { path, metadata } = header;
  const merges = (metadata.texts('tokenizer.ggml.merges') ?? []).map((merge, rank) => {
    const at = merge.indexOf(' ', 1);
    if (at < 0 || at === merge.length - 1) throw new SyntaxError(`Cannot read ${path}: merge ${rank} is ${quoted(merge)}, not two tokens`);
    return [merge.slice(0, at), merge.slice(at + 1)];
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens),
    normalizer: cutting.normalizer,
    pre_tokenizer: cutting.pre_tokenizer,
    post_processor: postProcessor(header, cutting.addsBegin),
    decoder: byteLevel(true),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: cutting.ignoresMerges,
      vocab: vocabularyOf(tokens.filter((token) => !isAdded(token))),
      merges,
    },
  };
}

function vocabularyOf(tokens: readonly Token[]): Record<string, number> {
  // A token may be called __proto__.
  return Object.fromEntries(tokens.map(({ id, text }) => [text, id]));
}

function sentencePieceTokenizer(header: TextHeader, tokens: readonly Token[]): Record<string, unknown> {
  const { path, metadata } = header;
  const scores = metadata.numbers('tokenizer.ggml.scores');
  const count = metadata.texts('tokenizer.ggml.tokens')?.length ?? 0;
  if (scores?.length !== count) throw new SyntaxError(`Cannot read ${path}: tokenizer.ggml.scores has ${scores?.length ?? 'no'} items, there are ${count} tokens`);
  const unknownId = metadata.count('tokenizer.ggml.unknown_token_id') ?? tokens.find(({ kind }) => kind === KIND.unknown)?.id;
  const unknown = tokens.find(({ id }) => id === unknownId);
  const pieces = tokens.filter(({ kind }) => kind === KIND.normal);
  const hasPrefix = metadata.flag('tokenizer.ggml.add_space_prefix') ?? true;
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    // With a prefix the normaliser would put one before each of them.
    added_tokens: addedTokens(tokens, !hasPrefix),
    normalizer: hasPrefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace] } : replace,
    pre_tokenizer: null,
    post_processor: postProcessor(header, true),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(hasPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown?.text ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: tokens.some(({ kind }) => kind === KIND.byte),
      ignore_merges: false,
      vocab: vocabularyOf([...(unknown ? [unknown] : []), ...tokens.filter(({ kind }) => kind === KIND.normal || kind === KIND.byte)]),
      merges: mergesOf(pieces.map(({ id, text }) => ({ id, text, score: scores[id] }))),
    },
  };
}
