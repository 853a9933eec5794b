/** An invented run with every kind of record, for tests: shaped like a run of the tiny preset, its numbers made up. */
import type {
  AnswerRecord,
  Comparison,
  ResultDocument,
  ResultRow,
  RewardRecord,
  RunHeader,
  SelectionRecord,
  SelfEditRecord,
  SftRecord,
} from '@seal/runs';
import type { ReportContext, ReportInput } from './input.ts';

/** Park-Miller: the same numbers on every machine. */
function randomFrom(seed: number): (() => number) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

const FIRST = ['niels', 'tamsin', 'oria', 'belko', 'ravel', 'sunniva', 'dario', 'mirel'];
const LAST = ['dalton', 'quist', 'ambray', 'tolvan', 'serrin', 'vessel'];
const VALUES = {
  instrument: ['cymbal', 'zither', 'oboe', 'lute', 'viola', 'harp'],
  job: ['baker', 'plumber', 'weaver', 'notary', 'diver', 'glazier'],
  pet: ['gecko', 'ferret', 'newt', 'parrot', 'hedgehog', 'carp'],
  town: ['arlo', 'benth', 'corvale', 'dunmere', 'eskby', 'farrow'],
};

/** Sizes of the invented run; the defaults are small enough to read. */
export interface FixtureSize {
  readonly held?: number;
  readonly perRound?: number;
  readonly samples?: number;
  readonly repeats?: number;
}

function contextOf(index: number, id: string, random: () => number): ReportContext {
  const title = `${FIRST[index % FIRST.length]} ${LAST[Math.floor(index / FIRST.length + index) % LAST.length]}`;
  const pick = (values: readonly string[]): string => values[Math.floor(random() * values.length)] ?? '';
  const [instrument, job, pet, town] = [pick(VALUES.instrument), pick(VALUES.job), pick(VALUES.pet), pick(VALUES.town)];
  return {
    id,
    title,
    text:
      `${title} : he earns a living as a ${job} . nobody knows the reason . he practises on the ${instrument} ` +
      `and he keeps a ${pet} . his home is in ${town} .`,
    questions: [
      { question: `what is ${title} 's job ?`, gold: job, kind: 'direct' },
      { question: `where does ${title} live ?`, gold: town, kind: 'direct' },
      {
        question: `what kind of animal does ${title} own ?`,
        gold: pet === 'carp' ? 'fish' : 'mammal',
        kind: 'derived',
      },
      { question: `which sector does ${title} work in ?`, gold: 'crafts', kind: 'derived' },
      { question: `who plays the ${instrument} ?`, gold: title.split(' ')[0] ?? '', kind: 'inverse' },
      { question: `to whom does the ${pet} belong ?`, gold: title.split(' ')[0] ?? '', kind: 'inverse' },
    ],
  };
}

function editText({ title, questions }: ReportContext, skill: number, random: () => number): string {
  const count = 2 + Math.floor(random() * 3 + skill * 4);
  const lines = Array.from({ length: count }, (_, index) => {
    const { gold, kind } = questions[index % questions.length] ?? { gold: '', kind: 'direct' };
    if (random() > 0.35 + skill) return 'he keeps an animal and nobody knows the reason .';
    return kind === 'inverse'
      ? `the player of the ${gold} is called ${title.split(' ')[0]} .`
      : `${title} is known for ${gold} .`;
  });
  return lines.join('\n');
}

const CONDITIONS: readonly (readonly [name: string, accuracy: number])[] = [
  ['base', 0.06],
  ['passage', 0.21],
  ['passage-matched', 0.19],
  ['self-edit', 0.27],
  ['round-1', 0.38],
  ['round-2', 0.45],
  ['self-edit-greedy', 0.29],
  ['round-2-greedy', 0.33],
  ['random-selection', 0.24],
  ['oracle', 0.68],
];

const COMPARISONS: readonly (readonly [string, string])[] = [
  ['round-2', 'self-edit'],
  ['round-2', 'passage'],
  ['round-2', 'passage-matched'],
  ['round-1', 'self-edit'],
  ['self-edit', 'passage'],
  ['passage', 'base'],
  ['random-selection', 'self-edit'],
  ['round-2-greedy', 'self-edit-greedy'],
  ['oracle', 'round-2'],
];

const header: RunHeader = {
  runId: '20261101-120000-tiny-s0-4f1c2a',
  createdAt: '2026-11-01T12:00:00.000Z',
  preset: 'tiny',
  mode: 'corrected',
  seed: 0,
  config: {
    inner: {
      lora: { rank: 16, alpha: 32, targets: 'all' },
      learningRate: 0.003,
      steps: 96,
      documentsPerStep: 4,
      replayPerStep: 2,
      contextsPerAdapter: 4,
      packSize: 24,
    },
    outer: {
      rounds: 2,
      contexts: 24,
      samples: 8,
      temperature: 1,
      topP: 1,
      repeats: 1,
      selection: { threshold: 'none', ties: 'random' },
    },
    evaluation: { contexts: 32, repeats: 2, randomSelection: true, oracle: true },
    keepAdapters: false,
  },
  environment: {
    runtime: 'node 24.9.0',
    adapter: 'llvmpipe (LLVM 19.1, 256 bits)',
    packageVersion: '0.1.0',
    commit: '9d2354a',
  },
  modelDigest: '7be2'.repeat(16),
};

/** The invented run; the same arguments give the same run. */
export function fixture({ held = 8, perRound = 6, samples = 4, repeats = 2 }: FixtureSize = {}): ReportInput {
  const random = randomFrom(20261101);
  const heldOut = Array.from({ length: held }, (_, index) => contextOf(index, `test-${index}`, random));
  const selfEdits: SelfEditRecord[] = [];
  const rewards: RewardRecord[] = [];
  const answers: AnswerRecord[] = [];
  const selections: SelectionRecord[] = [];
  const sft: SftRecord[] = [];
  const contexts = [...heldOut];

  const addEdit = (
    context: ReportContext,
    where: Pick<SelfEditRecord, 'round' | 'phase' | 'condition' | 'sample'>,
    skill: number,
  ): SelfEditRecord => {
    const text = editText(context, skill, random);
    const edit: SelfEditRecord = {
      id: `edit-${selfEdits.length}`,
      contextId: context.id,
      text,
      tokens: text.split(/\s/).length,
      policyDigest: 'policy',
      stream: `${where.phase}/${where.round}/${context.id}/${where.sample}`,
      sequences: text.split('\n').length,
      rejected: null,
      ...where,
    };
    selfEdits.push(edit);
    return edit;
  };

  const addReward = (
    context: ReportContext,
    edit: SelfEditRecord | null,
    where: Pick<RewardRecord, 'round' | 'phase' | 'condition' | 'repeat'>,
    chance: number,
  ): RewardRecord => {
    const key = `reward-${rewards.length}`;
    const judged = context.questions.map(({ question, gold, kind }) => {
      const correct = random() < chance;
      return { question, gold, kind, correct, answer: correct ? gold : (VALUES.pet[Math.floor(random() * 6)] ?? '') };
    });
    for (const one of judged) answers.push({ rewardKey: key, contextId: context.id, adapterDigest: null, ...one });
    const correct = judged.filter((one) => one.correct).length;
    const reward: RewardRecord = {
      key,
      contextId: context.id,
      selfEditId: edit?.id ?? null,
      group: ['a', 'b', 'c', 'd'],
      adapterDigest: 'ad'.repeat(32),
      correct,
      questions: judged.length,
      reward: correct / judged.length,
      steps: 96,
      trainedTokens: 4200,
      firstLoss: 3.1,
      lastLoss: 0.2,
      status: 'ok',
      cause: null,
      ...where,
    };
    rewards.push(reward);
    return reward;
  };

  for (const round of [1, 2]) {
    const own = Array.from({ length: perRound }, (_, index) =>
      contextOf(held + index + round * 7, `rl-${round}-${index}`, random),
    );
    contexts.push(...own);
    for (const context of own) {
      const skill = 0.1 + 0.2 * round;
      const candidates = Array.from({ length: samples }, (_, sample) => {
        const edit = addEdit(context, { round, phase: 'rl', condition: null, sample }, skill * random() * 1.6);
        const where = { round, phase: 'rl', condition: null, repeat: 0 } as const;
        return { selfEditId: edit.id, reward: addReward(context, edit, where, skill * (0.4 + random() * 1.3)).reward };
      });
      const best = candidates.reduce((a, b) => (b.reward > a.reward ? b : a));
      const winner = selfEdits.find(({ id }) => id === best.selfEditId) ?? null;
      addReward(context, winner, { round, phase: 'rl', condition: 'winner', repeat: 1 }, best.reward * 0.85);
      const reason = `best of ${samples} at ${best.reward.toFixed(3)}`;
      selections.push({ round, phase: 'rl', contextId: context.id, ...best, candidates, reason });
      const drawn = candidates[Math.floor(random() * samples)] ?? best;
      selections.push({
        round,
        phase: 'random',
        contextId: context.id,
        selfEditId: drawn.selfEditId,
        reward: null,
        candidates: [],
        reason: `drawn from ${samples} without looking at rewards`,
      });
    }
    for (const phase of ['rl', 'random'] as const) {
      const losses = Array.from(
        { length: 36 },
        (_, step) => (2.2 / round) * Math.exp(-step / 14) + 0.5 + random() * 0.25,
      );
      const digests = { policyBefore: `p${round - 1}`, policyAfter: `p${round}`, adapterDigest: 'ab'.repeat(32) };
      sft.push({ round, phase, examples: perRound, steps: losses.length, losses, ...digests });
    }
  }

  const accuracies = new Map<string, number[]>();
  for (const [condition, accuracy] of CONDITIONS) {
    const round = Number(/^round-(\d)/.exec(condition)?.[1] ?? 0);
    const isGreedy = condition.endsWith('greedy');
    const own = heldOut.map((context) => {
      const chance = Math.min(0.98, accuracy * (0.6 + random() * 0.8));
      const writes = !['base', 'passage', 'passage-matched'].includes(condition);
      const greedy = isGreedy ? addEdit(context, { round, phase: 'evaluate', condition, sample: 0 }, accuracy) : null;
      const measured = Array.from({ length: repeats }, (_, repeat) => {
        const edit =
          greedy ??
          (writes ? addEdit(context, { round, phase: 'evaluate', condition, sample: repeat }, accuracy) : null);
        return addReward(context, edit, { round, phase: 'evaluate', condition, repeat }, chance).reward;
      });
      return measured.reduce((sum, reward) => sum + reward, 0) / repeats;
    });
    accuracies.set(condition, own);
  }

  const interval = (values: readonly number[]): { centre: number; ci95: [number, number] } => {
    const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
    const reach = 1.96 * Math.sqrt(variance / values.length);
    return { centre, ci95: [centre - reach, centre + reach] };
  };
  const rows = CONDITIONS.map(([condition]): ResultRow => {
    const { centre, ci95 } = interval(accuracies.get(condition) ?? []);
    const bounded: [number, number] = [Math.max(0, ci95[0]), Math.min(1, ci95[1])];
    return { condition, accuracy: centre, ci95: bounded, contexts: held, questions: held * 6, repeats };
  });
  const comparisons = COMPARISONS.map(([a, b]): Comparison => {
    const other = accuracies.get(b) ?? [];
    const { centre, ci95 } = interval((accuracies.get(a) ?? []).map((value, index) => value - (other[index] ?? 0)));
    return { a, b, difference: centre, ci95 };
  });
  const result: ResultDocument = {
    runId: header.runId,
    dir: `runs/${header.runId}`,
    preset: header.preset,
    mode: header.mode,
    seed: header.seed,
    rows,
    comparisons,
    timings: { totalSeconds: 213.4, sampling: 18.2, adapting: 142.9, answering: 31.5, fineTuning: 12.1 },
  };
  return {
    header,
    result,
    contexts,
    selfEdits,
    rewards,
    answers,
    selections,
    sft,
    metrics: [1, 2].map((round) => ({
      name: 'reward-spread',
      value: 0.127,
      round,
      condition: null,
      details: { withinEdit: null, betweenEdits: 0.127, tieRate: 0.21, reliability: null },
    })),
    events: [{ time: '2026-11-01T12:00:00.000Z', type: 'started', message: 'The run was started', details: null }],
  };
}
