/** Requests that cannot be done as asked: every verb refuses them itself, before it opens anything, and names the setting. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Deps, Hooks } from './index.ts';
import { adapt, ask as askQuestion, convert, evaluate, generate, merge, plan, pretrain, pull, report, run, score, sft, SHIPPED_MODEL, tokenize, tune } from './index.ts';

const base = mkdtempSync(join(tmpdir(), 'seal-requests-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const deps: Deps = {
  openGpu: () => Promise.reject(new Error('a device was opened')),
  hub: { cacheDirectory: join(base, 'hub'), isOffline: true },
  version: { package: '0' },
  totalMemory: 2 ** 30,
  now: () => new Date(0),
};

type AnyVerb = (request: never, deps: Deps, hooks?: Hooks) => Promise<unknown>;
const verbs: Readonly<Record<string, AnyVerb>> = { adapt, ask: askQuestion, convert, evaluate, generate, merge, plan, pretrain, pull, report, run, score, sft, tokenize, tune };
const ask = (verb: string, request: unknown) => (verbs[verb] as AnyVerb)(request as never, deps);

const data = join(base, 'data.jsonl');
writeFileSync(data, '{"text":"who keeps the gecko ?"}\n');
const out = join(base, 'never');

describe('settings of another kind or beyond their range', () => {
  it.each<[string, unknown, string]>([
    ['generate', { prompt: 'a', maxTokens: 0 }, 'Cannot use `maxTokens`: it must be at least 1 (was 0)'],
    ['generate', { prompt: 'a', topP: 2 }, 'Cannot use `topP`: it must be at most 1 (was 2)'],
    ['generate', { prompt: 'a', temperature: NaN }, 'Cannot use `temperature`: it must be a number (was NaN)'],
    ['generate', { prompt: 'a', count: 1.5 }, 'Cannot use `count`: it must be an integer (was 1.5)'],
    ['generate', { prompt: 'a', adapters: [1] }, 'Cannot use `adapters` (0): it must be a string (was a number)'],
    ['generate', { prompt: 'a', weights: 'int3' }, 'Cannot use `weights`: it must be "f16", "f32", "int4" or "int8" (was "int3")'],
    ['generate', { prompt: 'a', maxToken: 5 }, 'Cannot use `maxToken`: there is no such setting'],
    ['score', {}, 'Cannot use `input`: it must be a string or an object (was missing)'],
    ['tokenize', { input: 3 }, 'Cannot use `input`: it must be a string or an object (was a number)'],
    ['sft', { data, out, batch: 0 }, 'Cannot use `batch`: it must be at least 1 (was 0)'],
    ['sft', { data, out, schedule: 'steep' }, 'Cannot use `schedule`: it must be "constant", "cosine" or "linear" (was "steep")'],
    ['sft', { out }, 'Cannot use `data`: it must be a string (was missing)'],
    ['pretrain', { out, steps: -1 }, 'Cannot use `steps`: it must be at least 1 (was -1)'],
    ['merge', { adapter: 'a', out, dtype: 'f8' }, 'Cannot use `dtype`: it must be "bf16", "f16" or "f32" (was "f8")'],
    ['convert', { model: SHIPPED_MODEL, out, quantise: 'int3' }, 'Cannot use `quantise`: it must be "int4" or "int8" (was "int3")'],
    ['plan', { pack: 1e9 }, 'Cannot use `pack`: it must be at most 1024 (was 1000000000)'],
    ['tune', { f16: 'yes' }, 'Cannot use `f16`: it must be boolean (was "yes")'],
    ['pull', {}, 'Cannot use `name`: it must be a string (was missing)'],
    ['run', { mode: 'exact' }, 'Cannot use `mode`: it must be "corrected" or "paper" (was "exact")'],
    ['run', { seeds: '1,2' }, 'Cannot use `seeds`: it must be an array (was string)'],
    ['run', { weights: 'int8' }, 'Cannot use `weights`: there is no such setting'],
    ['adapt', { passages: data }, 'Cannot use `out`: it must be a string (was missing)'],
    ['adapt', { passages: data, out, edits: 65 }, 'Cannot use `edits`: it must be at most 64 (was 65)'],
    ['adapt', { passages: data, out, steps: 0 }, 'Cannot use `steps`: it must be at least 1 (was 0)'],
    ['ask', { question: 3 }, 'Cannot use `question`: it must be a string (was a number)'],
    ['ask', { question: 'who', temperature: -1 }, 'Cannot use `temperature`: it must be non-negative (was -1)'],
    ['ask', { question: 'who', passages: data }, 'Cannot use `passages`: there is no such setting'],
    ['evaluate', { passages: data, template: {} }, 'Cannot use `template`: it must be a string (was an object)'],
    ['report', { dir: out }, 'Cannot use `run`: it must be a string (was missing)'],
    ['pull', null, 'Cannot use this request: it must be an object (was null)'],
  ])('%s %j', async (verb, request, message) => {
    await expect(ask(verb, request)).rejects.toMatchObject({ kind: 'usage', message });
  });
});

describe('settings that do not go together, or cannot be met', () => {
  it.each<[string, unknown, string, string]>([
    ['generate', {}, 'usage', 'Cannot tell what to continue: give either `prompt` or `messages`'],
    ['generate', { prompt: 'who', stop: [''] }, 'usage', 'Cannot stop at an empty string: it is everywhere; leave `stop` out'],
    ['generate', { prompt: '' }, 'data', 'Cannot continue an empty prompt: write some text'],
    ['generate', { messages: [{ role: 'user', content: 'who' }] }, 'usage', `Cannot read \`messages\`: the model in ${SHIPPED_MODEL} has no chat template; use \`prompt\``],
    ['tokenize', { input: { text: 'a' }, chat: true, special: true }, 'usage', 'Cannot use `special` with `chat`: a chat template writes its special tokens itself'],
    ['score', { input: { text: '' } }, 'data', 'Cannot score `input`: no line has a token behind another one'],
    ['score', { input: { text: '{', place: 'x.jsonl' } }, 'data', 'Cannot score line 1 of x.jsonl: it is not JSON; write {"text": "..."}'],
    ['sft', { data, out, full: true, rank: 4 }, 'usage', 'Cannot use `rank` with `full`: all weights are trained, there is no adapter'],
    ['sft', { data, out, full: true, weights: 'int8' }, 'usage', 'Cannot use `full` with weights held as int8: it trains them; use `weights` f32, or leave `full` out for an adapter'],
    ['sft', { data, out, targets: ['q_proj', 'x'] }, 'usage', 'Cannot use `targets` q_proj,x: "x" is not one of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; or write all'],
    ['sft', { data, out, seq: 513 }, 'usage', 'Cannot use `seq` 513: the model has 512 positions'],
    ['sft', { data, out: '' }, 'usage', 'Cannot train: `out` is empty; name a directory'],
    ['convert', { model: SHIPPED_MODEL, out, dtype: 'f16', quantise: 'int8' }, 'usage', 'Cannot use `dtype` f16 with `quantise` int8: packed matrices have no dtype; leave one out'],
    ['convert', { model: SHIPPED_MODEL, out: base }, 'usage', `Cannot write a model to ${base}: it is not empty; choose another directory`],
    ['plan', { memory: 'much' }, 'usage', 'Cannot plan for `memory` "much": give a size such as 12GiB or 800MB'],
    ['plan', { seq: 600, tokens: 512 }, 'usage', 'Cannot plan for `seq` 600: the model has 512 positions'],
    ['plan', { seq: 500, tokens: 400 }, 'usage', 'Cannot plan for `tokens` 400 with `seq` 500: a step must hold a sequence'],
    ['run', { resume: out, preset: 'squad' }, 'usage', `Cannot use \`preset\` with \`resume\`: ${out} keeps what it was begun with; leave \`preset\` out`],
    ['run', { resume: out, mode: 'paper' }, 'usage', `Cannot use \`mode\` with \`resume\`: ${out} keeps what it was begun with; leave \`mode\` out`],
    ['run', { resume: out, seed: 0 }, 'usage', `Cannot use \`seed\` with \`resume\`: ${out} keeps what it was begun with; leave \`seed\` out`],
    ['run', { resume: out, seeds: [1, 2] }, 'usage', 'Cannot use `seeds` with `resume`: give the same `seeds` and `out` again, what is finished there is kept'],
    ['run', { seed: 1, seeds: [1, 2] }, 'usage', 'Cannot use `seed` with `seeds`: leave one out'],
    ['run', { config: { inner: { documentsPerStep: 1000 } } }, 'usage', 'Cannot train on documents of 4 tokens: inner.tokensPerStep 4096 holds inner.documentsPerStep 1000 and inner.replayPerStep 2 of them; raise the first or lower the others'],
    ['run', { preset: 'large' }, 'usage', 'Cannot find the preset "large": there are tiny, squad, squad-small'],
    ['evaluate', { passages: data, config: { outer: { rounds: 1 } }, configPlace: 'x.json' }, 'usage', 'Cannot use x.json: `outer.rounds` says nothing of asking; leave it out; there are inner.maxAnswerTokens'],
    ['report', { run: join(base, 'none') }, 'data', `Cannot open a run in ${join(base, 'none')}: there is no run.json in it`],
    ['pull', { name: 'org/x' }, 'usage', 'Cannot pull org/x: `isOffline` is set; unset it. What is cached is found without pulling'],
    ['tune', {}, 'usage', 'Cannot tune: there is no folder to keep what is measured in'],
    ['merge', { adapter: join(base, 'none'), out }, 'data', `Cannot use the adapter in ${join(base, 'none')}: ${join(base, 'none', 'adapter_config.json')} is missing`],
  ])('%s %j', async (verb, request, kind, message) => {
    await expect(ask(verb, request)).rejects.toMatchObject({ kind, message });
  });
});
