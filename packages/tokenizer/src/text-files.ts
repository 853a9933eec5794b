/** The text side of a model directory or of a GGUF file: `tokenizer.json`, and a chat template where there is one. */

import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem, problemsOf } from '@seal/files';
import { fileProblem } from '@seal/files/node';
import { huggingFaceFiles, isGgufFile, openGguf } from '@seal/gguf/node';
import { type } from 'arktype';
import { beginOf } from './begin.ts';
import { createChatTemplate, type ChatTemplate } from './chat.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

/** How a model reads and writes text. */
export interface TextSide {
  readonly tokenizer: Tokenizer;
  /** Null where the model has no chat format. */
  readonly chat: ChatTemplate | null;
  /** Id of the `eos_token` of the tokenizer's configuration, null where it names none that the tokenizer has. */
  readonly eosTokenId: number | null;
  /** What its files ask for and does not count, a sentence each. */
  readonly notes: readonly string[];
}

/** The largest published ones have 35 MB. */
const MAX_FILE_BYTES = 128 * 1024 * 1024;

const token = type('string | null').or(type({ content: 'string' }));
const tokensSchema = type({
  'bos_token?': token,
  'eos_token?': token,
  'unk_token?': token,
  'sep_token?': token,
  'pad_token?': token,
  'cls_token?': token,
  'mask_token?': token,
});
const templatesSchema = type({ 'chat_template?': type('string | null').or(type({ name: 'string', template: 'string' }).array()) });
const configSchema = tokensSchema.and(templatesSchema).and({ 'add_bos_token?': 'boolean | null', 'add_eos_token?': 'boolean | null' });

/**
 * Reads tokenizer and chat template. Throws a problem of kind `unavailable` where there is no `tokenizer.json`, SyntaxError
 * when a file cannot be used, and RangeError where the vocabulary has more tokens than the model's `rows`.
 */
export async function readTextSide(directory: string, rows?: number): Promise<TextSide> {
  const place = placeOf(directory, 'tokenizer.json');
  const json = await jsonOf(directory, 'tokenizer.json');
  if (json === undefined) throw new Problem('unavailable', `Cannot read ${place}: ${missing(directory)}`, { place });
  const tokenizer = createTokenizer(json, place, rows);
  return { tokenizer, ...(await readConfiguration(directory, tokenizer)) };
}

/** What to do where only the files of older tokenizers are. */
function missing(directory: string): string {
  const has = (name: string): boolean => existsSync(join(directory, name));
  const older = has('tokenizer.model') ? 'tokenizer.model' : has('vocab.json') && has('merges.txt') ? 'vocab.json and merges.txt' : null;
  if (older === null) return 'there is no such file';
  return (
    `there is no such file, only ${older}, which cannot be read; ` +
    `write it with transformers: AutoTokenizer.from_pretrained("${directory}").save_pretrained("${directory}")`
  );
}

/** Where a file of a model is, for messages: of a GGUF file it is a part. */
function placeOf(model: string, name: string): string {
  return isGgufFile(model) ? model : join(model, name);
}

/** A parsed file of a model directory, or what a GGUF file says in its place; undefined where there is none. */
async function jsonOf(model: string, name: string): Promise<unknown> {
  if (!isGgufFile(model)) return existsSync(join(model, name)) ? readBounded(join(model, name)) : undefined;
  const files: Readonly<Record<string, () => unknown>> = huggingFaceFiles(openGguf(model));
  return files[name]?.();
}

async function readBounded(path: string): Promise<unknown> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new SyntaxError(`Cannot read ${path}: it has ${size} bytes, at most ${MAX_FILE_BYTES} are read`);
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${path}: it is not JSON`, { cause });
  }
}

async function readConfiguration(directory: string, tokenizer: Tokenizer): Promise<Omit<TextSide, 'tokenizer'>> {
  const configPlace = placeOf(directory, 'tokenizer_config.json');
  const config = configSchema((await jsonOf(directory, 'tokenizer_config.json')) ?? {});
  if (config instanceof type.errors) throw new SyntaxError(`Cannot read ${configPlace}: ${problemsOf(config)}`);
  const mapPlace = join(directory, 'special_tokens_map.json');
  const map = tokensSchema((await jsonOf(directory, 'special_tokens_map.json')) ?? {});
  if (map instanceof type.errors) throw new SyntaxError(`Cannot read ${mapPlace}: ${problemsOf(map)}`);
  const template = await findTemplate(directory, config, configPlace);
  const specialTokens: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const) {
    const value = config[name] ?? map[name] ?? null;
    if (value !== null) specialTokens[name] = typeof value === 'string' ? value : value.content;
  }
  return {
    chat: template && createChatTemplate(template.source, { tokenizer, specialTokens, place: template.place }),
    eosTokenId: idOf(tokenizer, specialTokens['eos_token']),
    notes: notesOn(config, specialTokens, tokenizer, configPlace),
  };
}

function idOf(tokenizer: Tokenizer, token: string | undefined): number | null {
  const [id, ...others] = token === undefined ? [] : tokenizer.encode(token);
  return id === undefined || others.length > 0 || tokenizer.decode([id], { skipSpecialTokens: false }) !== token ? null : id;
}

/** Which tokens stand around a text is the affair of `tokenizer.json`, as in transformers 5; version 4 asked these two. */
function notesOn(config: typeof configSchema.infer, specialTokens: Readonly<Record<string, string>>, tokenizer: Tokenizer, place: string): string[] {
  const framed = tokenizer.encodeWithSpecials('a');
  const { length } = tokenizer.encode('a');
  const before = beginOf(tokenizer).length > 0;
  const after = framed.length > length + beginOf(tokenizer).length;
  return ([['bos', config.add_bos_token, before], ['eos', config.add_eos_token, after]] as const).flatMap(([name, wanted, has]) => {
    if (wanted === undefined || wanted === null || wanted === has || !specialTokens[`${name}_token`]) return [];
    return [`${place} has add_${name}_token ${wanted}, which does not count: tokenizer.json ${has ? 'has' : 'has no'} such token (transformers 4 obeyed it, 5 does not)`];
  });
}

/** The Jinja of a model's chat template as its files have it, null where there is none. Throws as `readTextSide`. */
export async function readChatSource(directory: string): Promise<string | null> {
  const place = placeOf(directory, 'tokenizer_config.json');
  const config = templatesSchema((await jsonOf(directory, 'tokenizer_config.json')) ?? {});
  if (config instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(config)}`);
  return (await findTemplate(directory, config, place))?.source ?? null;
}

interface FoundTemplate {
  readonly source: string;
  readonly place: string;
}

/**
 * A file of its own goes before the configuration, as in transformers. `chat_template.json`, where older checkpoints keep
 * it, is read by the processors of transformers and not by its tokenizers: it counts where there is nothing else.
 */
async function findTemplate(directory: string, config: typeof templatesSchema.infer, configPlace: string): Promise<FoundTemplate | null> {
  const ownPlace = join(directory, 'chat_template.jinja');
  if (existsSync(ownPlace)) return { source: await readText(ownPlace), place: ownPlace };
  const configured = templateOf(config.chat_template);
  if (configured !== null) return { source: configured, place: configPlace };
  const place = join(directory, 'chat_template.json');
  const file = templatesSchema((await jsonOf(directory, 'chat_template.json')) ?? {});
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: ${problemsOf(file)}`);
  const source = templateOf(file.chat_template);
  return source === null ? null : { source, place };
}

/** The template for conversations; others are for tools or retrieved documents. */
function templateOf(entry: (typeof templatesSchema.infer)['chat_template']): string | null {
  if (entry === undefined || entry === null || typeof entry === 'string') return entry ?? null;
  return entry.find(({ name }) => name === 'default')?.template ?? null;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Problem('unavailable', `Cannot read ${path}: ${fileProblem(cause)}`, { place: path, cause });
  }
}
