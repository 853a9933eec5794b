/**
 * `run`, `adapt`, `eval` and `ask` on a trained model that this project did not make, with passages of SQuAD. The model is
 * small and knows children's stories: it is right nowhere, which a run must say and end well with.
 */

import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { answerPrompt, builtInTemplate, normalizeAnswer, parsePassages } from '@seal/domains';
import { readRun } from '@seal/runs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contents } from '../loop/records.ts';
import { seal, shippedModel, type Ended } from './seal.ts';

const recordings = resolve(process.env['SEAL_REFERENCE_DATA'] ?? 'reference-data');
const model = join(recordings, 'real/llama-story-hf');
const passages = join(recordings, 'data/squad_val_eval_000_029.json');
const absent = [model, passages].find((path) => !existsSync(path));

const base = mkdtempSync(join(tmpdir(), 'seal-own-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const at = (name: string) => join(base, name);
const write = (name: string, content: unknown) => {
  writeFileSync(at(name), JSON.stringify(content));
  return at(name);
};

const inner = { steps: 4, lora: { rank: 4, alpha: 8 }, maxAnswerTokens: 12 };
/** The same for a single adapter. */
const adapting = write('adapting.json', { inner, outer: { maxSelfEditTokens: 64 } });
/** One round on few passages, everything small. */
const config = write('config.json', {
  inner,
  outer: { rounds: 1, contexts: 2, samples: 2, repeats: 1, maxSelfEditTokens: 64, sft: { lora: { rank: 4, alpha: 8 }, batchSize: 2, tokensPerStep: 1_024 } },
  evaluation: { contexts: 2, reading: true, oracle: true },
});
const own = ['--preset', 'squad', '--model', model, '--passages', passages];

interface Answered {
  readonly answer: string;
  readonly gold: string;
  readonly correct: boolean;
}

describe.skipIf(absent !== undefined)(absent === undefined ? 'a trained model' : `a trained model (${absent} is absent: it is not part of the repository)`, () => {
  let whole: Ended;
  beforeAll(async () => {
    whole = await seal(['run', ...own, '--config', config, '--out', at('run'), '--json']);
  });

  it('runs to the end where no self-edit is worth keeping, and says so in table and report', async () => {
    expect(whole).toMatchObject({ code: 0 });
    const document = JSON.parse(whole.stdout) as { rows: { condition: string; ci95: number[] }[]; notes?: string[] };
    expect(document.rows.map(({ condition }) => condition)).toEqual([
      'base', 'reading', 'passage', 'passage-matched', 'self-edit', 'round-1', 'self-edit-greedy', 'round-1-greedy', 'oracle',
    ]);
    const { sft, answers, rewards } = await readRun(at('run'));
    // Graded by the gold's words in a row: what contains them would be right, and nothing else is.
    const right = answers.filter(({ answer, gold }) => ` ${normalizeAnswer(answer)} `.includes(` ${normalizeAnswer(gold)} `));
    expect(answers.filter(({ correct }) => correct)).toEqual(right);
    expect(answers.length).toBeGreaterThan(20);
    expect(rewards.length).toBeGreaterThan(10);
    const kept = sft.every(({ examples }) => examples > 0);
    expect(document.notes?.some((note) => note.startsWith('Round 1 kept no self-edit: ')) ?? false).toBe(!kept);
    expect(whole.stderr.includes('Round 1 kept no self-edit: ')).toBe(!kept);
    const report = readFileSync(join(at('run'), 'report.html'), 'utf8');
    expect(report.includes('No self-edit was worth keeping')).toBe(!kept);
    expect(report).toContain('Every passage, before and after');
  });

  it('stops at Ctrl-C and goes on to the same result with the model and the passages it was begun with', async () => {
    let sent = false;
    const stopped = await seal(['run', ...own, '--config', config, '--out', at('stopped')], {
      onStderr(soFar, child) {
        if (!sent && soFar.includes('adaptation |')) sent = child.kill('SIGINT');
      },
    });
    expect(stopped).toMatchObject({ code: 75, stdout: '' });
    const resumed = await seal(['run', '--resume', at('stopped'), '--json']);
    expect(resumed).toMatchObject({ code: 0 });
    const [again, before] = [resumed, whole].map(({ stdout }) => JSON.parse(stdout) as object);
    expect(again).toMatchObject({ ...before, runId: expect.any(String), dir: at('stopped'), timings: expect.any(Object) });
    expect(contents(at('stopped'))).toEqual(contents(at('run')));
  });

  it('cuts what is longer than 512 positions at the end of a sentence, and says how much once', () => {
    const contexts = JSON.parse(readFileSync(join(at('run'), 'contexts.json'), 'utf8')) as { id: string; text: string }[];
    const originals = new Map(parsePassages(readFileSync(passages, 'utf8'), 'x').map(({ id, text }) => [id, text]));
    const cut = contexts.filter(({ id, text }) => text !== originals.get(id));
    expect(new Set(contexts.map(({ id }) => id)).size).toBe(4);
    for (const { id, text } of cut) {
      expect(originals.get(id)?.startsWith(text)).toBe(true);
      expect(text).toMatch(/[.!?]["'”’)\]]*$/);
    }
    const warnings = whole.stderr.split('\n').filter((line) => line.includes('longer than fit'));
    expect(warnings).toHaveLength(cut.length > 0 ? 1 : 0);
    if (cut.length > 0) expect(warnings[0]).toMatch(new RegExp(`^${cut.length} of 4 passages .*: \\d+ tokens .* became \\d+`));
  });

  it('adapts, and the exported adapter answers', async () => {
    const made = await seal(['adapt', '--model', model, '--passages', write('two.json', firstPassages(2)), '--out', at('adapter'), '--config', adapting, '--edits', '1', '--json']);
    expect(made).toMatchObject({ code: 0 });
    const { adapterDigest, ...document } = JSON.parse(made.stdout) as { adapterDigest: string; questions: number; correctAfter: number };
    expect(document).toMatchObject({ passages: 2, selfEdits: 2, steps: 8 });
    const exported = JSON.parse(readFileSync(join(at('adapter'), 'adapter_config.json'), 'utf8')) as object;
    expect(exported).toMatchObject({ peft_type: 'LORA', base_model_name_or_path: model, r: 4 });
    const judged = await seal(['eval', '--model', model, '--passages', at('two.json'), '--adapter', at('adapter'), '--json']);
    expect(judged).toMatchObject({ code: 0, stderr: '' });
    const evaluated = JSON.parse(judged.stdout) as { answers: Answered[]; adapterDigest: string };
    expect(evaluated.adapterDigest).toBe(adapterDigest);
    expect(evaluated.answers).toHaveLength(document.questions);
    expect(evaluated.answers.filter(({ correct }) => correct)).toHaveLength(document.correctAfter);
    const [{ title, questions }] = firstPassages(1) as [{ title: string; questions: { question: string }[] }];
    const asked = await seal(['ask', questions[0]?.question ?? '', '--topic', title, '--model', model, '--adapter', at('adapter'), '--json']);
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(asked.stdout)).toMatchObject({ adapterDigest, answer: evaluated.answers[0]?.answer });
    // The plain command continues the same prompt with the same tokens.
    const prompt = answerPrompt(builtInTemplate('implications'), title, questions[0]?.question ?? '');
    const continued = await seal(['generate', '--prompt', prompt, '--temperature', '0', '--max-tokens', '64', '--model', model, '--adapter', at('adapter'), '--json']);
    expect(continued).toMatchObject({ code: 0 });
    const { completions } = JSON.parse(continued.stdout) as { completions: { text: string; adapterDigest: string }[] };
    expect(completions.map((completion) => ({ ...completion, text: completion.text.trim() }))).toMatchObject([{ adapterDigest, text: evaluated.answers[0]?.answer }]);
  });

  it('adapts to a base held as int4, and the adapter answers on it', async () => {
    const made = await seal(['adapt', '--model', model, '--weights', 'int4', '--passages', write('one.json', firstPassages(1)), '--out', at('packed'), '--config', adapting, '--edits', '1', '--json']);
    expect(made).toMatchObject({ code: 0 });
    const { adapterDigest, firstLoss, lastLoss } = JSON.parse(made.stdout) as { adapterDigest: string; firstLoss: number; lastLoss: number };
    expect(lastLoss).toBeLessThan(firstLoss);
    const judged = await seal(['eval', '--model', model, '--weights', 'int4', '--passages', at('one.json'), '--adapter', at('packed'), '--json']);
    expect(judged).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(judged.stdout)).toMatchObject({ adapterDigest });
    await refused(['adapt', '--model', model, '--weights', 'int4', '--passages', at('one.json'), '--out', at('never'), '--policy', at('run')], 2, 'Cannot use --policy with weights held as int4');
  });

  /** A refusal: exit code and one line that holds all of the texts, before any device is opened. */
  const refused = async (args: readonly string[], code: number, ...texts: string[]) => {
    const ended = await seal(args);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(/^seal: [^\n]+$/);
    for (const text of texts) expect(ended.stderr).toContain(text);
  };
  const change = (name: string, content: unknown) => ['run', '--preset', 'squad', '--model', model, '--passages', write(name, content), '--config', config, '--out', at('never')];

  it.concurrent.each<[string, string[], number, string[]]>([
    ['the tiny preset with a model that has other words', ['run', '--model', model], 2, ['Cannot use the preset tiny', 'does not have the words of the tiny world', '--preset squad']],
    ['passages with the tiny preset', ['run', '--passages', passages], 2, ['Cannot use the preset tiny', 'takes no --passages', '--preset squad']],
    ['squad without a model', ['run', '--preset', 'squad', '--passages', passages], 2, ['the shipped tiny model has no words but those of the tiny world', '--model']],
    ['squad with a tiny model', ['run', '--preset', 'squad', '--passages', passages, '--model', shippedModel], 2, [shippedModel, 'has no words but those']],
    ['squad without passages', ['run', '--preset', 'squad', '--model', model], 2, ['name a file of passages with --passages']],
    ['settings of a run where one adapter is trained', ['adapt', '--model', model, '--passages', passages, '--out', at('never'), '--config', config], 2, ['outer.rounds says nothing of adapting', 'leave it out']],
    ['settings of a training where a question is asked', ['ask', 'Why?', '--model', model, '--config', adapting], 2, ['inner.steps says nothing of asking']],
    ['too few passages', ['run', ...own], 2, ['holds 30 passages', '2 rounds of 50 and 200 for the table make 300', 'lower outer.contexts']],
    ['a table of passages that rounds learn from', ['run', ...own, '--table-passages', passages, '--config', config], 3, [`its passage 0 is in ${passages} too`, 'remove it from one of them']],
    ['an unknown template', ['run', ...own, '--config', config, '--template', 'essay'], 2, ['Cannot find template "essay": use implications']],
    ['a template with the tiny model', ['ask', 'who keeps the gecko ?', '--template', 'rewrite'], 2, ['Cannot use --template with the tiny model']],
    ['a chat template that the model does not have', ['ask', 'why ?', '--model', model, '--chat'], 2, [`Cannot use --chat with ${model}`, 'it has no chat template']],
    ['a topic with the tiny model', ['ask', 'who keeps the gecko ?', '--topic', 'x'], 2, ['Cannot use --topic with the tiny model']],
    ['a question longer than the positions', ['ask', 'why ? '.repeat(400), '--model', model], 3, ['Cannot ask a question of', 'shorten it']],
    ['another model on going on', ['run', '--resume', base, '--model', model], 2, ['Cannot use --model with --resume']],
  ])('refuses %s', (_, args, code, texts) => refused(args, code, ...texts));

  it('refuses passages that cannot be asked about', async () => {
    await refused(change('form.json', { passages: { a: 1 } }), 3, 'Cannot read passages', 'expected a list');
    await refused(change('none.json', [{ title: 'a', context: 'b', questions: [] }]), 3, 'item 0, questions must be non-empty');
    const long = firstPassages(4).map((passage) => ({ ...passage, questions: [{ question: 'why ? '.repeat(400), answer: 'so' }] }));
    await refused(change('long.json', long), 3, 'Cannot ask', 'questions[0]: it is', 'at most 500 fit');
    const endless = at('endless');
    cpSync(model, endless, { recursive: true });
    for (const name of ['config.json', 'generation_config.json', 'tokenizer_config.json', 'special_tokens_map.json'].filter((file) => existsSync(join(model, file)))) {
      const { eos_token_id: _, eos_token: __, ...rest } = JSON.parse(readFileSync(join(model, name), 'utf8')) as Record<string, unknown>;
      rmSync(join(endless, name));
      writeFileSync(join(endless, name), JSON.stringify(rest));
    }
    await refused(['adapt', '--model', endless, '--passages', passages, '--out', at('never')], 4, 'names no eos_token_id, and without one no text ends');
    writeFileSync(at('taken'), 'mine');
    await refused(['adapt', '--model', model, '--passages', passages, '--out', at('taken')], 2, 'it is a file');
  });
});

/** The first passages of the file, without its other keys. */
function firstPassages(count: number): object[] {
  const { items } = JSON.parse(readFileSync(passages, 'utf8')) as { items: { title: string; context: string; questions: object[] }[] };
  return items.slice(0, count).map(({ title, context, questions }) => ({ title, context, questions: questions.slice(0, 2) }));
}
