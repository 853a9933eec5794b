/** A conversation with a model, with or without an adapter: the model stays loaded between turns. */

import { Problem, problemsAs, stream } from '@seal/files';
import {
  AdapterPool,
  cacheSlots,
  checkSampling,
  generationSettings,
  Generator,
  PoolGenerator,
  type Checkpoint,
  type Completion,
  type GenerationOptions,
  type GenerationSettings,
  type PeftAdapter,
} from '@seal/model';
import { counted } from '@seal/report/text';
import { speaksTinyWorld, tinyDomain } from '@seal/tiny';
import type { ChatMessage } from '@seal/tokenizer';
import { createCodec } from '@seal/trainer';
import { type } from 'arktype';
import type { Deps } from './deps.ts';
import { note, type Hooks } from './events.ts';
import { checkRequest, LOADING, SEED, type RequestOf } from './request.ts';
import { endsOfModel, openAdapter, openCheckpoint, openSession, type Session } from './session.ts';

const schema = type({
  ...LOADING,
  /** Adapter directory. */
  'adapter?': 'string',
  /** Most tokens of an answer. */
  'maxTokens?': '1 <= number.integer <= 1000000',
  'temperature?': '0 <= number <= 1000',
  'topP?': '0 <= number <= 1',
  'seed?': SEED,
});

export type ChatRequest = RequestOf<typeof schema>;

/** One answer. */
export interface ChatAnswer {
  /** As far as it came. */
  readonly text: string;
  /** `stopped` by the signal, else as the model ended it: by itself, or at the most tokens. */
  readonly finish: Completion['finish'] | 'stopped';
  /** SHA-256 of the adapter that answered; null for the weights alone. */
  readonly adapterDigest: string | null;
}

/** Most tokens that a turn reads and writes, where the model has positions for them. */
const WINDOW = 4_096;
/** Rows of a pass are a multiple of this. */
const ROWS = 8;

/** Writes one text behind a prompt. */
interface Writer {
  write(prompt: readonly number[], adapter: string | null, draw: () => number, options: GenerationOptions): Promise<Completion | undefined>;
  destroy(): void;
}

/** A writer of one text at a time, by the weights alone or by an adapter over them. */
function writerOf({ model }: Session, adapter: PeftAdapter | null, length: number): Writer {
  const sizes = { slots: 1, length, prefillTokens: Math.ceil(length / ROWS) * ROWS + ROWS };
  if (adapter === null) {
    const generator = new Generator(model, null, sizes, () => null);
    return {
      write: async (prompt, _, draw, options) => (await generator.generate([{ prompt, draws: [draw] }], options))[0]?.[0],
      destroy: () => generator.destroy(),
    };
  }
  const pool = new AdapterPool(model, { slots: 1, rank: adapter.lora.rank, targets: adapter.lora.targets });
  pool.add(adapter);
  const generator = new PoolGenerator(model, pool, sizes);
  return {
    write: async (prompt, asked, draw, options) => (await generator.generate([{ prompt, adapter: asked, draws: [draw] }], options))[0]?.[0],
    destroy() {
      generator.destroy();
      pool.destroy();
    },
  };
}

/** What puts a question behind messages to a model: the tokens, and whether it sees those messages. */
interface Form {
  readonly hasHistory: boolean;
  tokens(before: readonly ChatMessage[], question: string): readonly number[];
  /** What a person must know of it. */
  readonly remark: string | null;
}

function formOf({ chat, tokenizer, config }: Checkpoint): Form {
  if (chat) {
    return {
      hasHistory: true,
      // A template writes its special tokens itself.
      tokens: (before, question) => tokenizer.encode(chat.render([...before, { role: 'user', content: question }], { addGenerationPrompt: true })),
      remark: null,
    };
  }
  const alone = 'by itself and does not see what was said before';
  if (!speaksTinyWorld(tokenizer)) {
    const remark = `This model has no chat template: it continues every text ${alone}`;
    return { hasHistory: false, tokens: (_, question) => tokenizer.encodeWithSpecials(question), remark };
  }
  const codec = createCodec(tokenizer, config, config.maxPositionEmbeddings);
  const asked = (question: string) => tinyDomain.question?.(question, undefined);
  return {
    hasHistory: false,
    tokens(_, question) {
      const context = asked(question);
      return codec.prompt((context && tinyDomain.tasks(context)[0]?.prompt) ?? question);
    },
    remark: `The tiny model answers every question ${alone}`,
  };
}

/** What a conversation is made of. */
interface Parts {
  readonly session: Session;
  readonly form: Form;
  readonly adapter: PeftAdapter | null;
  readonly settings: GenerationSettings;
  readonly seed: number;
}

/** An open conversation: one answer at a time. Owns the model until `close`. */
export class Conversation {
  /** Whether the model sees what was said before: by its chat template, else every text stands by itself. */
  readonly hasHistory: boolean;
  readonly adapterDigest: string | null;
  readonly #parts: Parts;
  readonly #window: number;
  readonly #writer: Writer;
  #messages: ChatMessage[] = [];
  /** Messages from the first on that no longer fit. */
  #forgotten = 0;
  /** What was last asked, and the messages before it that the model saw. */
  #last: { readonly question: string; readonly before: readonly ChatMessage[]; readonly turn: number } | null = null;
  #turn = 0;

  constructor(parts: Parts) {
    const { session, adapter, form } = parts;
    const { maxPositionEmbeddings } = session.model.config;
    this.#parts = parts;
    this.hasHistory = form.hasHistory;
    this.adapterDigest = adapter?.digest ?? null;
    this.#window = Math.min(WINDOW, maxPositionEmbeddings);
    while (this.#window > 2 * ROWS && cacheSlots(session.model, this.#window) < 1) this.#window >>= 1;
    this.#writer = writerOf(session, adapter, this.#window);
  }

  /** All that was said, also what the model no longer sees. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /**
   * Answers a text behind what was said before. An answer that is stopped stays as far as it came. Oldest turns that no
   * longer fit are left out, of which a note tells. Throws a problem of kind `data` for a text that cannot be put to the
   * model; the conversation is then as it was before.
   */
  async answer(text: string, hooks: Hooks = {}): Promise<ChatAnswer> {
    if (text.trim() === '') throw new Problem('data', 'Cannot answer nothing: write something');
    const turn = this.#turn++;
    const { prompt, before } = await this.#promptFor(text, this.#messages.slice(this.#forgotten));
    const forgotten = this.#messages.length - before.length;
    if (this.hasHistory && forgotten > this.#forgotten) {
      note(hooks, `The conversation is longer than the ${this.#window} tokens that are read at once: its first ${counted(forgotten, 'message')} are no longer seen`);
      this.#forgotten = forgotten;
    }
    const answer = await this.#write(prompt, this.adapterDigest, turn, hooks);
    this.#last = { question: text, before, turn };
    if (answer.text !== '' || answer.finish !== 'stopped') this.#messages.push({ role: 'user', content: text }, { role: 'assistant', content: answer.text });
    return answer;
  }

  /** Answers what was last asked once more by the weights alone, to compare; it is no part of the conversation. */
  async answerBase(hooks: Hooks = {}): Promise<ChatAnswer> {
    if (this.adapterDigest === null) throw new Problem('usage', 'Cannot compare: this is the model without an adapter already; name one with `adapter`');
    if (this.#last === null) throw new Problem('usage', 'Cannot compare: nothing was asked yet');
    const { question, before, turn } = this.#last;
    const { prompt } = await this.#promptFor(question, before);
    return this.#write(prompt, null, turn, hooks);
  }

  /** Begins anew. */
  reset(): void {
    this.#messages = [];
    this.#forgotten = 0;
    this.#last = null;
  }

  close(): void {
    this.#writer.destroy();
    this.#parts.session.close();
  }

  /** Tokens of a question behind as many of the messages before it as leave room for an answer. */
  async #promptFor(question: string, all: readonly ChatMessage[]): Promise<{ readonly prompt: readonly number[]; readonly before: readonly ChatMessage[] }> {
    const { form, settings } = this.#parts;
    const room = this.#window - Math.min(settings.maxNewTokens, this.#window >> 1);
    for (let before = form.hasHistory ? all : []; ; before = before.slice(2)) {
      const prompt = await problemsAs('data', () => form.tokens(before, question));
      if (prompt.length <= room) return { prompt, before };
      if (before.length > 0) continue;
      // A long question leaves less room for its answer before it is refused.
      if (prompt.length < this.#window) return { prompt, before };
      throw new Problem('data', `Cannot answer a text of ${prompt.length} tokens: at most ${this.#window - 1} fit; shorten it`);
    }
  }

  async #write(prompt: readonly number[], adapter: string | null, turn: number, { onEvent, signal }: Hooks): Promise<ChatAnswer> {
    const { session, settings, seed } = this.#parts;
    const random = stream(seed, 'chat', turn);
    let text = '';
    const options: GenerationOptions = {
      ...settings.sampling,
      maxNewTokens: Math.min(settings.maxNewTokens, this.#window - prompt.length),
      stopTokens: endsOfModel(session.checkpoint),
      text: { tokenizer: session.checkpoint.tokenizer },
      onPieces: (pieces) => {
        for (const piece of pieces) {
          text += piece.text;
          onEvent?.({ type: 'piece', text: piece.text });
        }
      },
      signal,
    };
    try {
      const completion = await problemsAs('data', () => this.#writer.write(prompt, adapter, () => random.next(), options));
      return { text: completion?.text ?? text, finish: completion?.finish ?? 'stop', adapterDigest: adapter };
    } catch (error) {
      if (!signal?.aborted || error !== signal.reason) throw error;
      return { text, finish: 'stopped', adapterDigest: adapter };
    }
  }
}

/** Opens a model for a conversation. Settings are those of `generate`. */
export async function openConversation(request: ChatRequest, deps: Deps, hooks: Hooks = {}): Promise<Conversation> {
  const { model: name, adapter: directory, temperature, topP, maxTokens, seed = 0 } = checkRequest(schema, request);
  const checkpoint = await openCheckpoint(name, deps);
  const { config } = checkpoint;
  const settings = generationSettings(checkpoint.directory, config, { temperature, topP, maxNewTokens: maxTokens });
  await problemsAs('usage', () => checkSampling(settings.sampling));
  const adapter = directory === undefined ? null : await openAdapter(directory, { name, config }, hooks);
  if (settings.fromFile.length > 0) note(hooks, `From generation_config.json: ${settings.fromFile.join(', ')}`);
  const form = formOf(checkpoint);
  if (form.remark !== null) note(hooks, form.remark);
  const session = await openSession(checkpoint, deps, request, hooks);
  try {
    return await problemsAs('unavailable', () => new Conversation({ session, form, adapter, settings, seed }));
  } catch (error) {
    session.close();
    throw error;
  }
}
