/**
 * A tokenizer as the keys of a file, the other way round than `tokenizer.ts`. What the keys cannot say is found by reading
 * them back: a part that comes back as another is refused by its name.
 */

import { quoted } from '@seal/files';
import { Metadata, type GgufValue } from './metadata.ts';
import { CUTTINGS, huggingFaceTokenizer, KIND } from './tokenizer.ts';

/** What a model's files say of its texts. */
export interface TextDocuments {
  /** The parsed `tokenizer.json`. */
  readonly tokenizer: unknown;
  /** Rows of the embedding; those without a token are padded. */
  readonly rows: number;
  /** Special tokens by the names that transformers gives them. */
  readonly special: Readonly<Partial<Record<'bos_token' | 'eos_token' | 'unk_token' | 'pad_token', string>>>;
  /** Ids of the tokens that end a text or a turn. */
  readonly ends: readonly number[];
  readonly chatTemplate: string | null;
}

type Json = Readonly<Record<string, unknown>>;

const object = (value: unknown): Json => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** The parts of a tokenizer that decide which tokens a text has, in one form for all ways to write the same. */
interface Parts {
  readonly pre_tokenizer: string;
  readonly normalizer: string;
  readonly post_processor: string;
  readonly decoder: string;
  readonly model: string;
  readonly added_tokens: string;
  readonly vocab: string;
  readonly merges: string;
}

/** A step of a chain without what changes no token; a chain of one is that one. */
function step(value: unknown, steps: string, ignored: readonly string[] = []): unknown {
  const own = object(value);
  if (own['type'] === undefined) return null;
  if (own['type'] === 'Sequence') {
    const all = list(own[steps]).map((one) => step(one, steps, ignored));
    return all.length === 1 ? all[0] : all;
  }
  const drop = own['type'] === 'ByteLevel' ? ['trim_offsets', ...ignored] : [];
  return Object.fromEntries(Object.entries(own).filter(([key]) => !drop.includes(key)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const cuttingOf = (json: Json): string => JSON.stringify(step(json['pre_tokenizer'], 'pretokenizers'));
const normaliserOf = (json: Json): string => JSON.stringify(step(json['normalizer'], 'normalizers'));

/** The ids that a tokenizer puts before and behind a text, null where its rule is none of a template. */
function frameOf(value: unknown): { readonly before: readonly number[]; readonly after: readonly number[] } | null {
  const own = object(value);
  if (own['type'] === undefined || own['type'] === 'ByteLevel') return { before: [], after: [] };
  if (own['type'] === 'Sequence') {
    const rest = list(own['processors']).filter((one) => object(one)['type'] !== 'ByteLevel');
    return rest.length > 1 ? null : frameOf(rest[0]);
  }
  if (own['type'] !== 'TemplateProcessing') return null;
  const marks = object(own['special_tokens']);
  const single = list(own['single']).map(object);
  const at = single.findIndex((part) => 'Sequence' in part);
  const ids = (parts: readonly Json[]) => parts.flatMap((part) => list(object(marks[String(object(part['SpecialToken'])['id'])])['ids']).map(Number));
  return { before: ids(single.slice(0, at)), after: ids(single.slice(at + 1)) };
}

function addedOf(json: Json): AddedToken[] {
  return list(json['added_tokens']).map((one) => {
    const { id, content, special } = object(one);
    return { id: Number(id), content: String(content), special: special === true };
  });
}

const pairOf = (merge: unknown): readonly string[] => (typeof merge === 'string' ? [merge.slice(0, merge.indexOf(' ', 1)), merge.slice(merge.indexOf(' ', 1) + 1)] : list(merge).map(String));

function partsOf(json: Json, rows: number): Parts {
  const model = object(json['model']);
  const added = addedOf(json).filter(({ id }) => id < rows);
  const contents = new Set(added.map(({ content }) => content));
  const vocabulary = Object.entries(object(model['vocab'])).filter(([text]) => !contents.has(text));
  const isByteLevel = cuttingOf(json).includes('"ByteLevel"');
  const marks = list(json['added_tokens']).map(object).filter(({ id }) => Number(id) < rows);
  return {
    pre_tokenizer: cuttingOf(json),
    normalizer: normaliserOf(json),
    post_processor: JSON.stringify(frameOf(json['post_processor'])),
    decoder: JSON.stringify(step(json['decoder'], 'decoders', ['add_prefix_space', 'use_regex'])),
    model: JSON.stringify({
      type: model['type'] ?? 'BPE',
      ignore_merges: model['ignore_merges'] ?? false,
      byte_fallback: model['byte_fallback'] ?? false,
      prefix: model['continuing_subword_prefix'] || null,
      suffix: model['end_of_word_suffix'] || null,
      dropout: model['dropout'] || null,
      // The bytes are letters of every text: none is unknown.
      unknown: isByteLevel ? null : [model['unk_token'] ?? null, model['fuse_unk'] ?? false],
    }),
    added_tokens: JSON.stringify(
      marks
        .map(({ id, content, special, lstrip, rstrip, single_word, normalized }) => {
          const strips = [lstrip, rstrip, single_word].map((flag) => flag === true);
          return [Number(id), content, special === true, ...strips, normaliserOf(json) !== 'null' && normalized === true];
        })
        .toSorted(([a], [b]) => Number(a) - Number(b)),
    ),
    vocab: JSON.stringify(vocabulary.toSorted(([, a], [, b]) => Number(a) - Number(b))),
    merges: JSON.stringify(isByteLevel ? list(model['merges']).map(pairOf) : byPiece(list(model['merges']).map(pairOf))),
  };
}

/**
 * Merges with those that make the same piece, one behind the other, in one order: a score ranks pieces, not the ways to make
 * one, of which a text has one at a time.
 */
function byPiece(merges: readonly (readonly string[])[]): (readonly string[])[] {
  const runs: (readonly string[])[][] = [];
  for (const pair of merges) {
    const run = runs.at(-1);
    if (run && run[0].join('') === pair.join('')) run.push(pair);
    else runs.push([pair]);
  }
  return runs.flatMap((run) => run.toSorted(([a], [b]) => a.length - b.length));
}

/** Scores by which SentencePiece makes the pieces of a list of merges in that order. */
function scoresOf(texts: readonly string[], merges: readonly (readonly string[])[]): Float32Array {
  const ranks = new Map<string, number>();
  for (const pair of merges) {
    const piece = pair.join('');
    if (!ranks.has(piece)) ranks.set(piece, -ranks.size);
  }
  return Float32Array.from(texts, (text) => ranks.get(text) ?? -texts.length);
}

const text = (value: string): GgufValue => ({ type: 'string', value });
const flag = (value: boolean): GgufValue => ({ type: 'bool', value });

/**
 * `tokenizer.*` of a file. Tokens beyond the rows of the embedding, which no text may have, are left out. Throws RangeError
 * naming `place` and what of the tokenizer has no keys.
 */
export function tokenizerMetadata({ tokenizer, rows, special, ends, chatTemplate }: TextDocuments, place: string): Map<string, GgufValue> {
  const json = object(tokenizer);
  const refuse = (what: string): never => {
    throw new RangeError(`Cannot write ${place} as GGUF: ${what}`);
  };
  const model = object(json['model']);
  if ((model['type'] ?? 'BPE') !== 'BPE') refuse(`its tokenizer is ${quoted(model['type'])}, only "BPE" is written`);
  const isSentencePiece = model['byte_fallback'] === true;
  const pre = Object.entries(CUTTINGS).find(([, own]) => cuttingOf({ ...own }) === cuttingOf(json) && normaliserOf({ ...own }) === normaliserOf(json))?.[0];
  if (pre === undefined && !isSentencePiece) {
    refuse(`its pre_tokenizer and normalizer are those of no tokenizer that has a name there (${Object.keys(CUTTINGS).join(', ')}): ${quoted(cuttingOf(json))}, ${quoted(normaliserOf(json))}`);
  }
  const frame = frameOf(json['post_processor']) ?? refuse('its post_processor is neither ByteLevel nor a template');

  const added = addedOf(json).filter(({ id }) => id < rows);
  const texts = Array.from({ length: rows }, (_, id) => `[PAD${id}]`);
  const kinds = new Int32Array(rows).fill(KIND.unused);
  const ids = new Map<string, number>();
  const put = (content: string, id: number, kind: number) => {
    if (!(Number.isInteger(id) && id >= 0 && id < rows)) return;
    texts[id] = content;
    kinds[id] = kind;
    ids.set(content, id);
  };
  for (const [content, id] of Object.entries(object(model['vocab']))) {
    put(content, Number(id), isSentencePiece && /^<0x[0-9A-F]{2}>$/.test(content) ? KIND.byte : KIND.normal);
  }
  for (const { id, content, special: isSpecial } of added) put(content, id, isSpecial ? KIND.control : KIND.userDefined);
  const unknown = isSentencePiece ? ids.get(String(model['unk_token'])) : undefined;
  if (unknown !== undefined) kinds[unknown] = KIND.unknown;

  const named = (name: keyof typeof special) => (special[name] === undefined ? undefined : ids.get(special[name]));
  const bos = named('bos_token') ?? frame.before[0];
  const eos = named('eos_token') ?? frame.after[0];
  const [first, ...others] = [...new Set(eos !== undefined && ends.includes(eos) ? [eos, ...ends] : ends)];
  if (others.length > 2) refuse(`it has ${others.length + 1} tokens that end a text, the format names three at most`);
  const numbers: readonly (readonly [string, number | undefined])[] = [
    ['bos', bos],
    ['eos', first ?? eos],
    ['eot', others[0]],
    ['eom', others[1]],
    ['unknown', unknown ?? named('unk_token')],
    ['padding', named('pad_token')],
  ];
  const merges = list(model['merges']).map(pairOf);
  const metadata = new Map<string, GgufValue>([
    ['tokenizer.ggml.model', text(isSentencePiece ? 'llama' : 'gpt2')],
    ['tokenizer.ggml.pre', text(pre ?? 'default')],
    ['tokenizer.ggml.tokens', { type: 'array', items: 'string', value: texts }],
    ['tokenizer.ggml.token_type', { type: 'array', items: 'i32', value: kinds }],
    isSentencePiece
      ? ['tokenizer.ggml.scores', { type: 'array', items: 'f32', value: scoresOf(texts, merges) }]
      : ['tokenizer.ggml.merges', { type: 'array', items: 'string', value: merges.map((pair) => pair.join(' ')) }],
    ...numbers.flatMap(([name, id]): [string, GgufValue][] => (id === undefined ? [] : [[`tokenizer.ggml.${name}_token_id`, { type: 'u32', value: id }]])),
    ['tokenizer.ggml.add_bos_token', flag(frame.before.length > 0)],
    ['tokenizer.ggml.add_eos_token', flag(frame.after.length > 0)],
    ...(isSentencePiece ? ([['tokenizer.ggml.add_space_prefix', flag(normaliserOf(json).includes('"Prepend"'))]] as const) : []),
    ...(chatTemplate === null ? [] : ([['tokenizer.chat_template', text(chatTemplate)]] as const)),
  ]);
  const back = partsOf(huggingFaceTokenizer({ path: place, metadata: new Metadata(metadata, place) }), rows);
  for (const [part, value] of Object.entries(partsOf(json, rows)) as [keyof Parts, string][]) {
    if (back[part] !== value) refuse(`the format cannot say what ${part} of its tokenizer.json says: ${firstDifference(value, back[part])}`);
  }
  return metadata;
}

/** Where two texts part, a little of each. */
function firstDifference(wanted: string, found: string): string {
  let at = 0;
  while (at < wanted.length && wanted[at] === found[at]) at++;
  const from = Math.max(0, at - 40);
  return `${quoted(wanted.slice(from, at + 40))} would come back as ${quoted(found.slice(from, at + 40))}`;
}
