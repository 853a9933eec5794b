/** A prompt or a conversation continued, by a model or by adapters over it. */

import { Problem, problemsAs, stream } from '@seal/files';
import { readJson } from '@seal/files/node';
import {
  checkSampling,
  continueTokens,
  generationSettings,
  type Checkpoint,
  type Completion,
  type PeftAdapter,
  type SamplingOptions,
} from '@seal/model';
import { beginOf, parseMessages, unreadKeys } from '@seal/tokenizer';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { checkRequest, LOADING, SEED, type RequestOf } from './request.ts';
import { endsOfModel, openAdapter, openCheckpoint, openSession } from './session.ts';

const schema = type({
  ...LOADING,
  /** Directories; each answers. */
  'adapters?': 'string[]',
  'prompt?': 'string',
  /** A conversation, or the path of a JSON file that holds one. */
  'messages?': type('string').or('unknown[]'),
  'maxTokens?': '1 <= number.integer <= 1000000',
  'temperature?': '0 <= number <= 1000',
  'topP?': '0 <= number <= 1',
  'topK?': 'number.integer >= 1',
  'minP?': '0 <= number <= 1',
  'repetitionPenalty?': '0 <= number <= 1000',
  'stop?': 'string[]',
  /** Completions, of each adapter where there are some. */
  'count?': '1 <= number.integer <= 10000',
  'logprobs?': 'boolean',
  /** The most likely tokens at each place, where `logprobs` asks for any. */
  'topLogprobs?': '0 <= number.integer <= 100',
  'seed?': SEED,
});

export type GenerateRequest = RequestOf<typeof schema>;

export interface GenerateDocument {
  readonly promptTokenIds: readonly number[];
  readonly sampling: SamplingOptions;
  readonly completions: readonly CompletionDocument[];
}

interface CompletionDocument {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly logprobs?: readonly number[] | undefined;
  readonly topLogprobs?: readonly (readonly { readonly id: number; readonly logprob: number }[])[] | undefined;
  readonly adapterDigest: string | null;
  readonly finish: Completion['finish'];
}

/** Pieces of text are told where there is one completion: several would run into one another. */
export async function generate(request: GenerateRequest, deps: Deps, hooks: Hooks = {}): Promise<GenerateDocument> {
  const { model: name, adapters: directories = [], count = 1, seed = 0, stop = [], topLogprobs: top = 0 } = checkRequest(schema, request);
  if (stop.includes('')) throw new Problem('usage', 'Cannot stop at an empty string: it is everywhere; leave `stop` out');
  const text = textToContinue(request);
  const checkpoint = await openCheckpoint(name, deps);
  const { tokenizer, config, directory } = checkpoint;
  const promptTokenIds = await promptTokens(text, checkpoint, hooks);
  if (promptTokenIds.length >= config.maxPositionEmbeddings) {
    const positions = `the model has ${config.maxPositionEmbeddings} positions`;
    throw new Problem('data', `Cannot continue a prompt of ${promptTokenIds.length} tokens: ${positions}; shorten it`);
  }
  const { temperature, topP, topK, minP, repetitionPenalty, maxTokens } = request;
  const settings = generationSettings(directory, config, { temperature, topP, topK, minP, repetitionPenalty, maxNewTokens: maxTokens });
  await problemsAs('usage', () => checkSampling(settings.sampling));
  const adapters: PeftAdapter[] = [];
  for (const own of directories) adapters.push(await openAdapter(own, { name, config }, hooks));
  if (settings.fromFile.length > 0) note(hooks, `From generation_config.json: ${settings.fromFile.join(', ')}`);

  const session = await openSession(checkpoint, deps, request, hooks);
  try {
    const asked = adapters.length === 0 ? [null] : adapters.map(({ digest }) => digest);
    const { onEvent, signal } = hooks;
    const requests = asked.map((adapter) => ({ prompt: promptTokenIds, adapter, draws: draws(seed, count) }));
    const answers = await problemsAs('data', () =>
      continueTokens(session.model, adapters, requests, {
        ...settings.sampling,
        maxNewTokens: settings.maxNewTokens,
        stopTokens: endsOfModel(checkpoint),
        text: { tokenizer, stop },
        logProbabilities: request.logprobs ? { top } : undefined,
        ...(onEvent && asked.length * count === 1 && {
          onPieces: (pieces) => pieces.forEach((piece) => onEvent({ type: 'piece', text: piece.text })),
        }),
        signal,
      }),
    );
    const completions = answers.flatMap((own, i) => own.map((completion) => documentOf(completion, asked[i] ?? null)));
    return { promptTokenIds, sampling: settings.sampling, completions };
  } finally {
    session.close();
  }
}

/** A text, or a conversation and what it is called. */
type ToContinue = { readonly prompt: string } | { readonly place: string; readonly json: unknown };

function textToContinue({ prompt, messages }: GenerateRequest): ToContinue {
  if (prompt !== undefined && messages === undefined) return { prompt };
  if (messages !== undefined && prompt === undefined) {
    return typeof messages === 'string' ? { place: messages, json: readJson(messages, 'data') } : { place: '`messages`', json: messages };
  }
  throw new Problem('usage', 'Cannot tell what to continue: give either `prompt` or `messages`');
}

/** Tokens of the text, or of the conversation up to where the assistant goes on. */
async function promptTokens(text: ToContinue, { tokenizer, chat, directory }: Checkpoint, hooks: Hooks): Promise<number[]> {
  if ('prompt' in text) {
    return problemsAs('data', () => {
      const own = tokenizer.encode(text.prompt);
      if (own.length === 0) throw new Problem('data', 'Cannot continue an empty prompt: write some text');
      // What a tokenizer puts behind a text ends it; there is nothing to continue behind an end.
      return [...beginOf(tokenizer), ...own];
    });
  }
  if (!chat) throw new Problem('usage', `Cannot read \`messages\`: the model in ${directory} has no chat template; use \`prompt\``);
  return problemsAs('data', () => {
    const conversation = parseMessages(text.json, text.place);
    const unread = unreadKeys([conversation], chat);
    if (unread !== null) note(hooks, unread);
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

function documentOf(completion: Completion, asked: string | null): CompletionDocument {
  const { text = '', tokens, logProbabilities: logprobs, topLogProbabilities: top, adapterDigest = asked, finish } = completion;
  const topLogprobs = top?.map((place) => place.map(([id, logprob]) => ({ id, logprob })));
  return { text, tokenIds: tokens, logprobs, topLogprobs, adapterDigest, finish };
}
