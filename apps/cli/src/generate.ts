/** `seal generate`: a prompt or a conversation continued, by the model or by adapters over it. */

import { readJson } from '@seal/files/node';
import { Problem, problemsAs, stream } from '@seal/files';
import {
  AdapterPool,
  cacheSlots,
  checkSampling,
  Generator,
  PoolGenerator,
  parseMessages,
  PROJECTIONS,
  type Checkpoint,
  type Completion,
  type GenerationOptions,
  type Model,
  type PeftAdapter,
  type Piece,
} from '@seal/model';
import { openAdapter } from './adapters.ts';
import { generationSettings } from './generation-config.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, openSession, SHIPPED_MODEL } from './session.ts';
import { print, say } from './terminal.ts';

/**
 * Adapters on the device at once, and completions that are written side by side at most. A step then never has more than
 * 64 rows: more are multiplied by other kernels, and an answer would depend on how many others are asked for.
 */
const ADAPTERS = 4;
const MOST_SLOTS = 24;

export async function generate(command: CommandOf<'generate'>): Promise<void> {
  const { model: name = SHIPPED_MODEL, count, seed, stop, json, topLogprobs } = command;
  if (stop.includes('')) throw new Problem('usage', 'Cannot stop at an empty string: it is everywhere; leave --stop out');
  const text = textToContinue(command);
  const checkpoint = await openCheckpoint(name);
  const { tokenizer, config, directory } = checkpoint;
  const promptTokenIds = await promptTokens(text, checkpoint);
  if (promptTokenIds.length >= config.maxPositionEmbeddings) {
    const positions = `the model has ${config.maxPositionEmbeddings} positions`;
    throw new Problem('data', `Cannot continue a prompt of ${promptTokenIds.length} tokens: ${positions}; shorten it`);
  }
  const settings = generationSettings(directory, config, { ...command, maxNewTokens: command.maxTokens });
  await problemsAs('usage', () => checkSampling(settings.sampling));
  const adapters: PeftAdapter[] = [];
  for (const own of command.adapters) adapters.push(await openAdapter(own, { name, config }));
  if (settings.fromFile.length > 0) say(`From generation_config.json: ${settings.fromFile.join(', ')}`);

  const session = await openSession(name, checkpoint, command);
  const asked = adapters.length === 0 ? [null] : adapters.map(({ digest }) => digest);
  const total = asked.length * count;
  // One completion is shown while it is written; several would run into one another.
  const live = !json && total === 1;
  const options: GenerationOptions = {
    ...settings.sampling,
    maxNewTokens: settings.maxNewTokens,
    stopTokens: settings.stopTokens,
    text: { tokenizer, stop },
    logProbabilities: json ? { top: topLogprobs } : undefined,
    onPieces: live ? show : undefined,
  };
  const requests = asked.map((adapter) => ({ prompt: promptTokenIds, adapter, draws: draws(seed, count) }));
  try {
    const answers = await problemsAs('data', () => complete(session.model, adapters, requests, total, options));
    const completions = answers.flatMap((own, i) => own.map((completion) => document(completion, asked[i] ?? null)));
    if (json) print(JSON.stringify({ promptTokenIds, sampling: settings.sampling, completions }));
    else if (live) print('\n');
    else print(completions.map(({ text, adapterDigest }, i) => `${heading(i + 1, adapterDigest)}\n${text}`).join('\n'));
  } finally {
    session.close();
  }
}

const show = (pieces: readonly Piece[]): void => {
  for (const { text } of pieces) process.stdout.write(text);
};

const heading = (number: number, digest: string | null) => `--- ${number}${digest === null ? '' : `, adapter ${digest.slice(0, 12)}`}`;

/** A text, or the JSON of a file that holds a conversation. */
type ToContinue = { readonly prompt: string } | { readonly place: string; readonly json: unknown };

function textToContinue({ prompt, messages }: CommandOf<'generate'>): ToContinue {
  if (prompt !== undefined && messages === undefined) return { prompt };
  if (messages !== undefined && prompt === undefined) return { place: messages, json: readJson(messages, 'data') };
  throw new Problem('usage', 'Cannot tell what to continue: give either --prompt TEXT or --messages FILE');
}

/** Tokens of the text, or of the conversation up to where the assistant goes on. */
async function promptTokens(text: ToContinue, { tokenizer, chat, directory }: Checkpoint): Promise<number[]> {
  if ('prompt' in text) {
    if (tokenizer.encode(text.prompt).length === 0) throw new Problem('data', 'Cannot continue an empty prompt: write some text');
    return tokenizer.encodeWithSpecials(text.prompt);
  }
  if (!chat) throw new Problem('usage', `Cannot read --messages: the model in ${directory} has no chat template; use --prompt`);
  return problemsAs('data', () => {
    const conversation = parseMessages(text.json, text.place);
    // A template writes its special tokens itself.
    return tokenizer.encode(chat.render(conversation, { addGenerationPrompt: true }));
  });
}

/** A stream of random numbers for each completion, the same under every adapter. */
function draws(seed: number, count: number): (() => number)[] {
  return Array.from({ length: count }, (_, sample) => {
    const random = stream(seed, 'generate', sample);
    return () => random.next();
  });
}

interface Asked {
  readonly prompt: readonly number[];
  readonly adapter: string | null;
  readonly draws: readonly (() => number)[];
}

async function complete(
  model: Model,
  adapters: readonly PeftAdapter[],
  requests: readonly Asked[],
  total: number,
  options: GenerationOptions,
): Promise<Completion[][]> {
  const { prompt } = requests[0] ?? { prompt: [] };
  const { config } = model;
  const length = Math.min(config.maxPositionEmbeddings, prompt.length + options.maxNewTokens);
  const sizes = {
    slots: Math.max(1, Math.min(total, MOST_SLOTS, cacheSlots(model, length))),
    length,
    prefillTokens: Math.ceil(prompt.length / 8) * 8 + 8,
  };
  if (adapters.length === 0) {
    const generator = new Generator(model, null, sizes, () => null);
    try {
      return await generator.generate(requests.map(({ prompt: own, draws: random }) => ({ prompt: own, draws: random })), options);
    } finally {
      generator.destroy();
    }
  }
  const pool = new AdapterPool(model, {
    slots: ADAPTERS,
    rank: Math.max(...adapters.map(({ lora }) => lora.rank)),
    targets: PROJECTIONS.filter((p) => adapters.some(({ lora }) => lora.targets.includes(p))),
  });
  try {
    for (const adapter of adapters) pool.add(adapter);
    const generator = new PoolGenerator(model, pool, sizes);
    try {
      return await generator.generate(requests, options);
    } finally {
      generator.destroy();
    }
  } finally {
    pool.destroy();
  }
}

interface CompletionDocument {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly logprobs?: readonly number[];
  readonly topLogprobs?: readonly (readonly { readonly id: number; readonly logprob: number }[])[];
  readonly adapterDigest: string | null;
  readonly finish: Completion['finish'];
}

function document(completion: Completion, asked: string | null): CompletionDocument {
  const { text = '', tokens, logProbabilities: logprobs, topLogProbabilities: top, adapterDigest = asked, finish } = completion;
  const topLogprobs = top?.map((place) => place.map(([id, logprob]) => ({ id, logprob })));
  return { text, tokenIds: tokens, logprobs, topLogprobs, adapterDigest, finish };
}
