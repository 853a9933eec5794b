/** Teaching passages and asking about them: adapt, ask and eval as processes. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seal, type Ended } from './seal.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-adapter-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const at = (name: string) => join(base, name);
const question = 'who keeps the gecko ?';

writeFileSync(
  at('passages.json'),
  JSON.stringify([{ title: 'dalric holby', context: 'dalric holby : he keeps a gecko .', questions: [{ question, answer: 'dalric' }] }]),
);

let made: Ended;
beforeAll(async () => {
  made = await seal(['adapt', '--passages', at('passages.json'), '--out', at('adapter'), '--edits', '1', '--steps', '4', '--json']);
});

it('makes an adapter directory and says what it did', () => {
  expect(made).toMatchObject({ code: 0 });
  expect(JSON.parse(made.stdout)).toMatchObject({ out: at('adapter'), passages: 1, selfEdits: 1, steps: 4, questions: 1 });
  expect(JSON.parse(readFileSync(join(at('adapter'), 'adapter_config.json'), 'utf8'))).toMatchObject({ peft_type: 'LORA' });
});

it('makes the same adapter when activations are recomputed', async () => {
  const again = await seal(['adapt', '--passages', at('passages.json'), '--out', at('recomputed'), '--edits', '1', '--steps', '4', '--recompute', '--json']);
  expect(again).toMatchObject({ code: 0 });
  const digest = ({ stdout }: Ended) => (JSON.parse(stdout) as { adapterDigest: string }).adapterDigest;
  expect(digest(again)).toBe(digest(made));
});

it('asks and evaluates with it', async () => {
  const { adapterDigest } = JSON.parse(made.stdout) as { adapterDigest: string };
  const asked = await seal(['ask', question, '--adapter', at('adapter'), '--json']);
  expect(asked).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(asked.stdout)).toMatchObject({ question, adapterDigest });
  const judged = await seal(['eval', '--passages', at('passages.json'), '--adapter', at('adapter'), '--json']);
  expect(judged).toMatchObject({ code: 0, stderr: '' });
  const { answers } = JSON.parse(judged.stdout) as { answers: { answer: string }[] };
  expect(answers).toHaveLength(1);
  expect(answers[0]?.answer).toBe((JSON.parse(asked.stdout) as { answer: string }).answer);
});

it('refuses an adapter that is not there or is cut off, with exit code 3', async () => {
  const missing = await seal(['ask', question, '--adapter', at('nothing')]);
  expect(missing).toMatchObject({ code: 3, stdout: '' });
  expect(missing.stderr).toBe(`seal: Cannot use the adapter in ${at('nothing')}: ${join(at('nothing'), 'adapter_config.json')} is missing`);
  const weights = join(at('adapter'), 'adapter_model.safetensors');
  writeFileSync(weights, readFileSync(weights).subarray(0, 5_000));
  const cut = await seal(['ask', question, '--adapter', at('adapter')]);
  expect(cut).toMatchObject({ code: 3, stdout: '' });
  expect(cut.stderr).toMatch(new RegExp(`^seal: Cannot read ${weights}: [^\\n]+$`));
});

it('cuts a passage that is too long with a warning, and names the question that is, with exit code 3', async () => {
  const write = (name: string, context: string, asked: string) =>
    writeFileSync(at(name), JSON.stringify([{ title: 't', context, questions: [{ question: asked, answer: 'dalric' }] }]));
  const passage = 'dalric holby : he keeps a gecko .';
  write('long-passage.json', passage + ' he keeps a gecko .'.repeat(100), question);
  const learnt = await seal(['adapt', '--passages', at('long-passage.json'), '--out', at('cut'), '--edits', '1', '--steps', '2']);
  expect(learnt).toMatchObject({ code: 0 });
  expect(learnt.stderr).toMatch(/^1 of 1 passage is longer than fits and was cut, .* \d+ tokens .* became \d+, at most 256 a passage/);
  const { contexts } = JSON.parse(readFileSync(join(at('cut'), 'adaptation.json'), 'utf8')) as { contexts: { text: string }[] };
  expect(contexts[0]?.text).toMatch(/^dalric holby : he keeps a gecko \.( he keeps a gecko \.)+$/);
  write('long-question.json', passage, `${question} `.repeat(100));
  const asked = await seal(['eval', '--passages', at('long-question.json')]);
  expect(asked).toMatchObject({ code: 3, stdout: '' });
  expect(asked.stderr).toMatch(new RegExp(`^seal: Cannot ask ${at('long-question.json')}: item 0, questions\\[0\\]: it is \\d+ tokens long`));
});
