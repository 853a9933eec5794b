/**
 * What a command's texts are about: the tiny world, or passages of one's own. One object for each holds the domain, the
 * text side of the model and where contexts are from; which of them a model can be asked about is settled here.
 */

import { existsSync } from 'node:fs';
import { readText } from '@seal/files/node';
import { Problem, problemsAs, stream } from '@seal/files';
import {
  builtInTemplate,
  knowledgeIncorporation,
  parsePassages,
  parseTemplate,
  type Context,
  type Domain,
  type ParseMode,
  type Template,
} from '@seal/domains';
import type { Checkpoint } from '@seal/model';
import { contextsOf, readableContexts, tinyDomain, VOCABULARY } from '@seal/tiny';
import {
  createCodec,
  createTextCodec,
  fitContexts,
  lengthsOf,
  promptTokens,
  type Codec,
  type Lengths,
  type PresetName,
  type RunInput,
  type SealConfig,
} from '@seal/trainer';
import { generationSettings } from './generation-config.ts';
import { baseName, SHIPPED_MODEL } from './session.ts';
import { counted } from './terminal.ts';

/** What a run works on, and one sentence on what the texts lost, where they did. */
export interface Drawn extends Pick<RunInput, 'rounds' | 'evaluation'> {
  readonly shortened: string | null;
}

/** Contexts of a passages file, likewise. */
export interface ReadPassages {
  readonly contexts: readonly Context[];
  readonly shortened: string | null;
}

/** Domain, text side and source of contexts for one model. */
export interface Subject {
  readonly preset: PresetName;
  readonly domain: Domain;
  readonly codec: Codec;
  /** What adapters name as their base. */
  readonly baseModel: string;
  lengths(config: SealConfig): Lengths;
  /** All contexts of a passages file. Ends with exit code 3 where they cannot be used. */
  read(path: string, config: SealConfig): Promise<ReadPassages>;
  /** The contexts of a run by its seed. Throws RangeError, to be put behind what asks for them, where there are too few. */
  draw(config: SealConfig, seed: number): Promise<Drawn>;
}

/** How passages of one's own are asked about. */
export interface TextOptions {
  readonly template?: string | Template | undefined;
  /** By the model's chat template. */
  readonly chat: boolean;
  readonly mode?: ParseMode;
  /** The file that a run draws its contexts from. */
  readonly passages?: string | undefined;
}

/** Whether a model has the tiny world's words, and so is asked about nothing else. */
export function speaksTinyWorld({ tokenizer }: Pick<Checkpoint, 'tokenizer'>): boolean {
  try {
    return VOCABULARY.length === tokenizer.largestId + 1 && VOCABULARY.every((token, id) => tokenizer.id(token) === id);
  } catch {
    return false;
  }
}

/** A template by its name or from a file. Ends with exit code 2 when there is none such. */
export async function templateOf(nameOrFile: string | Template = 'implications'): Promise<Template> {
  if (typeof nameOrFile !== 'string') return nameOrFile;
  return problemsAs('usage', () =>
    nameOrFile.endsWith('.json') || existsSync(nameOrFile)
      ? parseTemplate(readText(nameOrFile, 'usage'), nameOrFile)
      : builtInTemplate(nameOrFile),
  );
}

/** The subject that a model can be asked about. `model` names it in messages and adapters. */
export async function subjectOf(checkpoint: Checkpoint, model: string, options: TextOptions): Promise<Subject> {
  return speaksTinyWorld(checkpoint) ? tinySubject(checkpoint, options) : ownSubject(checkpoint, model, options);
}

/** Passages from a file with their texts as long as fits. */
async function fitted(subject: Subject, config: SealConfig, contexts: readonly Context[], place: string, items?: readonly number[]): Promise<ReadPassages> {
  const lengths = subject.lengths(config);
  const result = await problemsAs('data', () => fitContexts(contexts, subject.domain, subject.codec, lengths, place, items));
  const { contexts: count, tokensBefore, tokensAfter } = result.shortened;
  const were = count === 1 ? 'is longer than fits and was' : 'are longer than fits and were';
  const shortened =
    `${count} of ${counted(contexts.length, 'passage')} ${were} cut, at the end of a sentence where there is one: ` +
    `${tokensBefore} tokens with what asks for a self-edit became ${tokensAfter}, at most ${lengths.prompt} a passage.`;
  return { contexts: result.contexts, shortened: count > 0 ? shortened : null };
}

function tinySubject({ tokenizer, config: model }: Checkpoint, { template, chat }: TextOptions): Subject {
  if (template !== undefined || chat) {
    const name = chat ? '--chat' : '--template';
    throw new Problem('usage', `Cannot use ${name} with the tiny model: its world has one form of prompts; leave it out`);
  }
  const subject: Subject = {
    preset: 'tiny',
    domain: tinyDomain,
    codec: createCodec(tokenizer, model, model.maxPositionEmbeddings),
    baseModel: baseName(SHIPPED_MODEL),
    lengths: (config) => lengthsOf(config, model.maxPositionEmbeddings, promptTokens.tiny),
    async read(path, config) {
      const text = readText(path, 'data');
      const contexts = await problemsAs('data', () => readableContexts(parsePassages(text, path), path));
      return fitted(subject, config, contexts, path);
    },
    /** Fresh people of the rl split for every round, nobody twice, and of the test split for the table. */
    async draw({ outer, evaluation }, seed) {
      const all = contextsOf('rl', outer.rounds * outer.contexts, seed);
      return { rounds: inRounds(all, outer), evaluation: contextsOf('test', evaluation.contexts, seed), shortened: null };
    },
  };
  return subject;
}

async function ownSubject(
  { directory, tokenizer, chat: format, config: model }: Checkpoint,
  name: string,
  { template, chat, mode = 'corrected', passages }: TextOptions,
): Promise<Subject> {
  if (chat && format === null) {
    throw new Problem('usage', `Cannot use --chat with ${name}: it has no chat template; leave it out, base models continue plain text`);
  }
  const plain = knowledgeIncorporation({ template: await templateOf(template), mode, grader: 'containment' });
  // The name is a part of every reward's key, and the same question by a chat template is another.
  const domain = chat ? { ...plain, name: `${plain.name}, by chat template` } : plain;
  const stopTokens = [...new Set([...model.eosTokenIds, ...generationSettings(directory, model, {}).stopTokens])];
  const codec = await problemsAs('unavailable', () =>
    createTextCodec({ tokenizer, stopTokens, chat: chat ? format : null }, model.maxPositionEmbeddings),
  );
  const all = async (path: string) => {
    const text = readText(path, 'data');
    return problemsAs('data', () => parsePassages(text, path));
  };
  const subject: Subject = {
    preset: 'squad',
    domain,
    codec,
    baseModel: name,
    lengths: (config) => lengthsOf(config, model.maxPositionEmbeddings, promptTokens.squad),
    read: async (path, config) => fitted(subject, config, await all(path), path),
    /** Passages of the file in an order by the seed: those of the rounds, then those of the table, none twice. */
    async draw(config, seed) {
      if (passages === undefined) throw new Problem('usage', 'Cannot draw passages: name their file with --passages');
      const { outer, evaluation } = config;
      const learnt = outer.rounds * outer.contexts;
      const contexts = await all(passages);
      if (contexts.length < learnt + evaluation.contexts) {
        const needed = `${counted(outer.rounds, 'round')} of ${outer.contexts} and ${evaluation.contexts} for the table make ${learnt + evaluation.contexts}`;
        throw new RangeError(`${passages} holds ${counted(contexts.length, 'passage')}, but ${needed}; add passages`);
      }
      const order = stream(seed, 'contexts', 'passages').shuffle([...contexts.keys()]).slice(0, learnt + evaluation.contexts);
      const drawn = await fitted(subject, config, order.map((item) => contexts[item] as Context), passages, order);
      return { rounds: inRounds(drawn.contexts.slice(0, learnt), outer), evaluation: drawn.contexts.slice(learnt), shortened: drawn.shortened };
    },
  };
  return subject;
}

/** Contexts of every round, in their order. */
export function inRounds(contexts: readonly Context[], { rounds, contexts: each }: SealConfig['outer']): Context[][] {
  return Array.from({ length: rounds }, (_, round) => contexts.slice(round * each, (round + 1) * each));
}

/**
 * Ends with exit code 2 and one message where preset, model and passages do not go together; `model` and `passages` are
 * as they were given.
 */
export function checkPreset(preset: PresetName, checkpoint: Checkpoint, { model, passages }: { readonly model?: string | undefined; readonly passages?: string | undefined }): void {
  const refuse = (problem: string): void => {
    throw new Problem('usage', `Cannot run the preset ${preset}: ${problem}`);
  };
  const tiny = speaksTinyWorld(checkpoint);
  const own = 'passages of your own need --preset squad --model NAME --passages FILE';
  if (preset === 'tiny') {
    if (!tiny) refuse(`${model} does not have the words of the tiny world; ${own}`);
    if (passages !== undefined) refuse(`it makes passages of its own and takes no --passages; ${own}`);
    return;
  }
  if (tiny) refuse(`${model ?? 'the shipped tiny model'} has no words but those of the tiny world; name another model with --model`);
  if (passages === undefined) refuse('name a file of passages with --passages');
}
