/** What a file says of special tokens, chat templates and ends, as `tokenizer_config.json` and `generation_config.json` say it. */

import { endTokens } from './config.ts';
import type { Metadata } from './metadata.ts';

/** What of a file its texts are read from. */
export interface TextHeader {
  readonly path: string;
  readonly metadata: Metadata;
}

const SPECIAL = { bos_token: 'bos', eos_token: 'eos', unk_token: 'unknown', sep_token: 'seperator', pad_token: 'padding', mask_token: 'mask' } as const;

/** A special token's text; undefined where the file names none. Throws SyntaxError for an id without a token. */
function tokenText({ path, metadata }: TextHeader, name: string): string | undefined {
  const id = metadata.count(`tokenizer.ggml.${name}_token_id`);
  if (id === undefined) return undefined;
  const tokens = metadata.texts('tokenizer.ggml.tokens') ?? [];
  if (id >= tokens.length) throw new SyntaxError(`Cannot read ${path}: tokenizer.ggml.${name}_token_id is ${id}, there are ${tokens.length} tokens`);
  return tokens[id];
}

/** The `tokenizer_config.json` of a file. */
export function huggingFaceTokenizerConfig(header: TextHeader): Record<string, unknown> {
  const { metadata } = header;
  const tokens = Object.entries(SPECIAL).flatMap(([name, own]) => {
    const text = tokenText(header, own);
    return text === undefined ? [] : [[name, text]];
  });
  const template = metadata.text('tokenizer.chat_template');
  const named = (metadata.texts('tokenizer.chat_templates') ?? []).flatMap((name) => {
    const source = metadata.text(`tokenizer.chat_template.${name}`);
    return source === undefined ? [] : [{ name, template: source }];
  });
  const templates = template === undefined || named.length === 0 ? template : [{ name: 'default', template }, ...named];
  return {
    ...Object.fromEntries(tokens),
    ...(templates !== undefined && { chat_template: templates }),
    clean_up_tokenization_spaces: false,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
}

/** The `generation_config.json` of a file: what every answer may end with. */
export function huggingFaceGenerationConfig({ metadata }: TextHeader): Record<string, unknown> {
  const id = (name: string) => metadata.count(`tokenizer.ggml.${name}_token_id`) ?? null;
  return { bos_token_id: id('bos'), eos_token_id: endTokens(metadata), pad_token_id: id('padding') };
}
