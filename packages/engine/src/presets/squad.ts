/** The preset `squad`: passages of one's own with questions, and a model that reads them. */

import { existsSync } from 'node:fs';
import { builtInTemplate, knowledgeIncorporation, parsePassages, parseTemplate, type Context, type Template } from '@seal/domains';
import { Problem, problemsAs, stream } from '@seal/files';
import { readText } from '@seal/files/node';
import { counted } from '@seal/report/text';
import { speaksTinyWorld } from '@seal/tiny';
import { createTextCodec, type SealConfig } from '@seal/trainer';
import { endsOfModel, SHIPPED_MODEL } from '../session.ts';
import type { Preset } from './preset.ts';

/**
 * The numbers of the paper's single-passage runs (rank 32 and alpha 64 at 1e-3, best of five over three repeats, 50 passages
 * a round, 200 held out) where they are feasible. It departs in two: every adaptation takes 80 steps, the paper's average,
 * at a constant rate, so that a longer self-edit is not more training; and a self-edit may have 1,024 tokens, not 8,192, of
 * which the recorded ones use a third.
 */
export const squadConfig: SealConfig = {
  inner: {
    lora: { rank: 32, alpha: 64, targets: 'all' },
    learningRate: 1e-3,
    steps: 80,
    documentsPerStep: 1,
    replayPerStep: 0,
    contextsPerAdapter: 1,
    packSize: 8,
    tokensPerStep: 2_048,
    trainOnPadding: false,
    maxAnswerTokens: 64,
  },
  outer: {
    rounds: 2,
    contexts: 50,
    samples: 5,
    temperature: 1,
    topP: 0.95,
    maxSelfEditTokens: 1_024,
    repeats: 3,
    selection: { threshold: 'beats-baselines', ties: 'random' },
    sft: {
      lora: { rank: 64, alpha: 128, targets: 'all' },
      learningRate: 3e-4,
      epochs: 2,
      batchSize: 10,
      tokensPerStep: 16_384,
    },
  },
  evaluation: { contexts: 200, repeats: 1, randomSelection: false, oracle: false },
  keepAdapters: false,
};

const PROMPT_TOKENS = 2_048;

/** A template by its name or from a file, or as a run's header keeps it. */
async function templateOf(template: unknown = 'implications'): Promise<Template> {
  if (typeof template !== 'string') return problemsAs('data', () => parseTemplate(template, 'the template of the run'));
  return problemsAs('usage', () =>
    template.endsWith('.json') || existsSync(template) ? parseTemplate(readText(template, 'usage'), template) : builtInTemplate(template),
  );
}

export const squad: Preset = {
  config: squadConfig,
  async open(checkpoint, { model, template: wanted, chat = false, passages, tablePassages, mode }) {
    if (speaksTinyWorld(checkpoint.tokenizer)) {
      throw new Problem('usage', `Cannot use the preset squad: ${model ?? 'the shipped tiny model'} has no words but those of the tiny world; name another model with \`model\`, or use \`preset\` tiny`);
    }
    const { tokenizer, chat: format, config } = checkpoint;
    const name = model ?? SHIPPED_MODEL;
    if (chat && format === null) {
      throw new Problem('usage', `Cannot use \`chat\` with ${name}: it has no chat template; leave it out, base models continue plain text`);
    }
    const template = await templateOf(wanted);
    const plain = knowledgeIncorporation({ template, mode, grader: 'containment' });
    const stopTokens = endsOfModel(checkpoint);
    const all = async (path: string) => {
      const text = readText(path, 'data');
      return problemsAs('data', () => parsePassages(text, path), path);
    };
    /** Those that a run can grade. */
    const askable = async (path: string) => (await all(path)).filter(({ questions }) => questions.length > 0);
    return {
      // The name is a part of every reward's key, and the same question by a chat template is another.
      domain: chat ? { ...plain, name: `${plain.name}, by chat template` } : plain,
      codec: await problemsAs('unavailable', () => createTextCodec({ tokenizer, stopTokens, chat: format, asChat: chat }, config.maxPositionEmbeddings)),
      baseModel: name,
      promptTokens: PROMPT_TOKENS,
      kept: { ...(passages !== undefined && { passages }), ...(tablePassages !== undefined && { tablePassages }), template: { ...template }, chat },
      read: all,
      take: async (own) => own,
      /** Passages of the file in an order by the seed: those of the rounds, then those of the table, none twice. */
      async draw({ rounds, perRound, table }, seed) {
        if (passages === undefined) throw new Problem('usage', 'Cannot run the preset squad: name a file of passages with `passages`');
        const learnt = rounds * perRound;
        if (tablePassages !== undefined) {
          const [own, held] = [await askable(passages), await askable(tablePassages)];
          const texts = new Set(own.map(({ text }) => text.trim()));
          const known = held.findIndex(({ text }) => texts.has(text.trim()));
          if (known >= 0) throw new Problem('data', `Cannot use ${tablePassages}: its passage ${known} is in ${passages} too, and the table is to be of passages that nothing was learnt on; remove it from one of them`);
          for (const [path, has, needed] of [[passages, own, learnt], [tablePassages, held, table]] as const) {
            if (has.length < needed) throw new RangeError(`${path} holds ${counted(has.length, 'passage')} with questions, but ${needed} are needed; add passages`);
          }
          const shuffled = (contexts: readonly Context[], name: string) => stream(seed, 'contexts', name).shuffle([...contexts.keys()]).map((item) => contexts[item] as Context);
          const [forRounds, forTable] = [shuffled(own, 'passages'), shuffled(held, 'table')];
          return { rounds: forRounds.slice(0, learnt), table: forTable.slice(0, table) };
        }
        const contexts = await askable(passages);
        if (contexts.length < learnt + table) {
          const needed = `${counted(rounds, 'round')} of ${perRound} and ${table} for the table make ${learnt + table}`;
          throw new RangeError(`${passages} holds ${counted(contexts.length, 'passage')} with questions, but ${needed}; add passages`);
        }
        const order = stream(seed, 'contexts', 'passages').shuffle([...contexts.keys()]);
        const at = (from: number, to?: number) => order.slice(from, to).map((item) => contexts[item] as Context);
        const items = new Map(contexts.map((context, item) => [context, item]));
        return { rounds: at(0, learnt), table: at(learnt, learnt + table), spare: at(learnt + table), source: { place: passages, items } };
      },
    };
  },
};
