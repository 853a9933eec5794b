/** A configuration, a codec and a domain small enough to read, for the tests. */

import { boundSettings, judgeEach, type Context, type Domain, type Question } from '@seal/domains';
import type { Tokenizer } from '@seal/tokenizer';
import type { SealConfig } from './config.ts';
import { createTextCodec, type Codec } from './sequences.ts';

export const config: SealConfig = {
  inner: {
    lora: { rank: 8, alpha: 16, targets: 'all' },
    learningRate: 1e-3,
    steps: 12,
    documentsPerStep: 2,
    replayPerStep: 1,
    contextsPerAdapter: 2,
    packSize: 4,
    tokensPerStep: 1_536,
    trainOnPadding: false,
    maxAnswerTokens: 16,
  },
  outer: {
    rounds: 2,
    contexts: 4,
    samples: 3,
    temperature: 1,
    topP: 1,
    maxSelfEditTokens: 128,
    repeats: 2,
    selection: { threshold: 'beats-baselines', ties: 'random' },
    sft: { lora: { rank: 8, alpha: 16, targets: 'all' }, learningRate: 1e-3, epochs: 2, batchSize: 4, tokensPerStep: 2_048 },
  },
  evaluation: { contexts: 6, repeats: 1, randomSelection: false, oracle: false },
  keepAdapters: false,
};

/** One token per letter. */
export const letters: Pick<Tokenizer, 'encode' | 'encodeWithSpecials' | 'decode'> = {
  encodeWithSpecials: (text) => [1, ...letters.encode(text)],
  encode: (text) => Array.from(text, (letter) => letter.codePointAt(0) ?? 0),
  decode: (ids) => String.fromCodePoint(...ids),
};

/** Tokens of a text: 1, its letters, and 2 behind a whole document. */
export function letterCodec(maxTokens = 10_000): Codec {
  return createTextCodec({ tokenizer: letters, stopTokens: [2] }, maxTokens);
}

/** A context of the domain `lines`. */
export function context(id: string, text: string, answers: readonly string[] = []): Context {
  const questions = answers.map((answer): Question => ({ question: `${answer}?`, answer, kind: 'direct' }));
  return { id, title: id, text, questions };
}

/**
 * Every line of a self-edit is a sequence; `-` is refused. `lr=0.01` and `epochs=3` choose. The text of the context is always
 * trained, and is the control.
 */
export const lines: Domain = {
  name: 'lines',
  prompt: ({ text }) => text,
  parse(_, selfEdit) {
    const all = selfEdit.split('\n').filter(Boolean);
    const chosen = Object.fromEntries(all.flatMap((line) => {
      const [, name, value] = /^(lr|epochs)=(.+)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name === 'lr' ? 'learningRate' : name, Number(value)]];
    }));
    const texts = all.filter((line) => !/^(lr|epochs)=/.test(line));
    const kept = texts.filter((line) => line !== '-');
    const { settings, rejected } = boundSettings(chosen, { learningRate: [1e-5, 1e-1], epochs: [0, 10] });
    return {
      sequences: kept.map((text) => ({ prompt: '', text })),
      rejected: [...(kept.length < texts.length ? [{ reason: 'dash', count: texts.length - kept.length }] : []), ...rejected],
      ...(Object.keys(settings).length > 0 && { settings }),
    };
  },
  always: ({ text }) => [{ prompt: '', text }],
  control: ({ text }) => [{ prompt: '', text }],
  tasks: ({ questions }) => questions.map(({ question, answer, kind }) => ({ prompt: question, question, gold: answer, kind })),
  judge: (own, answers) => judgeEach(lines.tasks(own), answers, (answer, gold) => answer === gold),
};
