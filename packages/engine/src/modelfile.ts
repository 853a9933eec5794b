/** A `Modelfile` of Ollama (its documented grammar: an instruction a line, texts of several lines in three quotes). */

import { beginOf, type ChatTemplate, type Tokenizer } from '@seal/tokenizer';
import { goTemplate, turnFormat } from './ollama-template.ts';

/** What is written. */
export interface ModelfileParts {
  /** Files, relative to the Modelfile. */
  readonly from: string;
  readonly adapter?: string | undefined;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatTemplate | null;
  /** Tokens that end a text or a turn. */
  readonly ends: readonly number[];
}

/** The file, and what it says of the chat template. */
export interface WrittenModelfile {
  readonly text: string;
  /**
   * `turns`: a TEMPLATE that gives what the model's chat template gives; `plain`: the model has none, the prompt stands as it
   * is; `none`: it has one that is not of turns, and Ollama takes whichever of its own resembles the one in the GGUF file.
   */
  readonly template: 'turns' | 'plain' | 'none';
}

/** Writes a Modelfile. */
export function modelfile({ from, adapter, tokenizer, chat, ends }: ModelfileParts): WrittenModelfile {
  const textOf = (ids: readonly number[]) => tokenizer.decode(ids, { skipSpecialTokens: false });
  const stops = ends.map((id) => textOf([id])).filter((text) => text !== '');
  const format = chat && turnFormat(chat, textOf(beginOf(tokenizer)), stops);
  const turns = format && goTemplate(format);
  const written = chat === null ? '{{ .Prompt }}' : turns;
  const lines = [
    `FROM ./${from}`,
    ...(adapter === undefined ? [] : [`ADAPTER ./${adapter}`]),
    ...(written === null ? ["# The model's chat template is not made of turns: Ollama takes the one of its own that resembles it."] : [`TEMPLATE """${written}"""`]),
    ...stops.map((stop) => (stop.includes('"') ? `PARAMETER stop """${stop}"""` : `PARAMETER stop "${stop}"`)),
  ];
  return { text: `${lines.join('\n')}\n`, template: chat === null ? 'plain' : turns === null ? 'none' : 'turns' };
}
