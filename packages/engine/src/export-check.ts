/** Whether a file says what it was written from: both are asked the same, and their answers compared. */

import { Problem, problemsAs } from '@seal/files';
import { continueTokens, type Checkpoint, type Completion, type GgufDtype, type Model, type PeftAdapter } from '@seal/model';
import { beginOf } from '@seal/tokenizer';

/** Tokens that each prompt is continued by. */
const TOKENS = 24;
/** Of the most likely tokens at each place, those whose log-probabilities are compared. */
const TOP = 16;

/** Texts that are continued, whatever the model; those that it has no tokens for are left out. */
const PROMPTS = ['The capital of France is', 'Once upon a time there was', 'def fibonacci(n):\n', '1, 2, 3, 4,', 'Water boils when'];
const QUESTION = [{ role: 'user', content: 'What is the capital of France?' }];

/** Texts whose tokens must be the same. */
const HARD_TEXTS = [
  "Hello, world! I'll say it's 3.14159, 1,000,000 or 2026-12-01.",
  '  two spaces,\ttab,\n\n\nthree lines\r\n  end ',
  'Ünïcödé: 你好，世界! Привет 🙂👩‍👩‍👧 e\u0301 \u00a0\u200b',
  'for (let i = 0; i < 10; i++) { console.log(`${i}`); } // </s> <|im_end|> <|endoftext|> <unk>',
  'ABCdef123GHI___---!!!???...',
];

/**
 * How far log-probabilities may be apart, in nats: float32 differs by the order of sums alone; the others also by what rounding
 * the weights does. That was 0.011 for float16 at 135 M parameters; bfloat16 and blocks of 8 bits have three bits less.
 */
export const BOUNDS: Readonly<Record<GgufDtype, number>> = { f32: 0.001, f16: 0.1, bf16: 0.5, q8_0: 0.5 };

/** A prompt whose answers part at a token, and by how much the original preferred its own. */
export interface Parting {
  readonly prompt: string;
  /** Tokens before it that are the same. */
  readonly after: number;
  /** The original's log-probability of its own token less that of the file's, in nats. */
  readonly margin: number;
}

/** What a comparison found. */
export interface Comparison {
  readonly prompts: number;
  /** Tokens that are the same. */
  readonly tokens: number;
  readonly partings: readonly Parting[];
  /** Between log-probabilities of the same tokens behind the same texts, in nats. */
  readonly largestDifference: number;
  /** What both must be below. */
  readonly bound: number;
}

/** Greedy answers with the most likely tokens of each place. */
export interface Answers {
  readonly prompts: readonly string[];
  readonly completions: readonly Completion[];
}

/** The answers of a model, or of an adapter over it, to the fixed prompts and, where there is a chat template, to a question. */
export async function answersOf(model: Model, { tokenizer, chat, config }: Checkpoint, adapter: PeftAdapter | null, signal?: AbortSignal): Promise<Answers> {
  const texts = PROMPTS.map((text) => ({ text, tokens: tokenizer.encodeWithSpecials(text) }));
  const turn = chat ? [chat.render(QUESTION, { addGenerationPrompt: true })].map((text) => ({ text, tokens: tokenizer.encode(text) })) : [];
  const asked = [...texts, ...turn].filter(({ tokens }) => tokens.length > beginOf(tokenizer).length && tokens.length + TOKENS <= config.maxPositionEmbeddings);
  if (asked.length === 0) throw new Problem('data', `Cannot check what is written: the model has ${config.maxPositionEmbeddings} positions, which is too few to ask it anything`);
  const requests = asked.map(({ tokens }) => ({ prompt: tokens, adapter: adapter?.digest ?? null, draws: [() => 0] }));
  const answers = await problemsAs('data', () =>
    continueTokens(model, adapter ? [adapter] : [], requests, {
      temperature: 0,
      topP: 1,
      maxNewTokens: TOKENS,
      stopTokens: [],
      logProbabilities: { top: TOP },
      signal,
    }),
  );
  return { prompts: asked.map(({ text }) => text), completions: answers.flat() };
}

/**
 * Compares answers. Throws a problem of kind `fault` where they part with a margin, or their log-probabilities differ, by
 * `bound` or more.
 */
export function compareAnswers(original: Answers, written: Answers, bound: number): Comparison {
  const partings: Parting[] = [];
  let tokens = 0;
  let largestDifference = 0;
  original.prompts.forEach((prompt, i) => {
    const mine = original.completions[i];
    const theirs = written.completions[i];
    for (let at = 0; at < (mine?.tokens.length ?? 0); at++) {
      const before = new Map(mine?.topLogProbabilities?.[at]);
      for (const [token, logProbability] of theirs?.topLogProbabilities?.[at] ?? []) {
        const own = before.get(token);
        // What is behind the first few is not said, and is not what anybody takes.
        if (own !== undefined && own > -4) largestDifference = Math.max(largestDifference, Math.abs(own - logProbability));
      }
      const [wanted, found] = [mine?.tokens[at], theirs?.tokens[at]];
      if (wanted !== found) {
        const best = before.get(wanted ?? -1) ?? 0;
        partings.push({ prompt, after: at, margin: best - (before.get(found ?? -1) ?? -Infinity) });
        return;
      }
      tokens++;
    }
  });
  const wide = partings.find(({ margin }) => !(margin < bound));
  if (wide) {
    throw new Problem('fault', `Cannot vouch for what was written: behind ${JSON.stringify(wide.prompt)} it goes on otherwise after ${wide.after} tokens, where the model preferred its own token by ${wide.margin.toFixed(3)} nats (bound ${bound})`);
  }
  if (!(largestDifference < bound)) {
    throw new Problem('fault', `Cannot vouch for what was written: its log-probabilities differ from the model's by ${largestDifference.toFixed(3)} nats (bound ${bound})`);
  }
  return { prompts: original.prompts.length, tokens, partings, largestDifference, bound };
}

/** Throws a problem of kind `fault` where a file reads or renders texts otherwise, or ends them with other tokens. */
export function compareTexts(original: Checkpoint, written: Checkpoint, ends: readonly (readonly number[])[]): void {
  const differ = (what: string): never => {
    throw new Problem('fault', `Cannot vouch for what was written: ${what}`);
  };
  for (const text of HARD_TEXTS) {
    const same = (a: readonly number[], b: readonly number[]) => a.join() === b.join();
    if (!same(original.tokenizer.encode(text), written.tokenizer.encode(text))) differ(`it reads ${JSON.stringify(text)} as other tokens`);
    if (!same(original.tokenizer.encodeWithSpecials(text), written.tokenizer.encodeWithSpecials(text))) differ('it puts other tokens around a text');
  }
  const turn = ({ chat }: Checkpoint) => chat?.render([...QUESTION, { role: 'assistant', content: 'Paris.' }, { role: 'user', content: 'Sure?' }], { addGenerationPrompt: true }) ?? null;
  if (turn(original) !== turn(written)) differ('its chat template writes another text');
  const [own = [], theirs = []] = ends.map((ids) => ids.toSorted((a, b) => a - b));
  if (own.join() !== theirs.join()) differ(`texts end with tokens ${theirs.join(', ')} there, not with ${own.join(', ')}`);
}
