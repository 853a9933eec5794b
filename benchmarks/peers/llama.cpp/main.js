/**
 * What SEAL exports beside llama.cpp: `node main.js FOLDER MODEL.gguf [ADAPTER ADAPTER.gguf]`, FOLDER being where
 * `node-llama-cpp` is installed, ADAPTER what the GGUF adapter was written from.
 *
 * Both continue ten prompts by the most likely tokens, ours with the weights of the same file in float32. llama.cpp rounds
 * activations (to float16 before a product with float16 weights), we do not: where it goes on otherwise, the two tokens must
 * have been closer than the bound, and so must the log-probabilities of our tokens behind our tokens be. One JSON
 * document on stdout; the exit is 1 where that does not hold.
 */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { libraryDeps, openAdapter, openCheckpoint, openSession } from '@seal/engine';
import { continueTokens } from '@seal/model';

const TOKENS = 40;
/** Of the tokens, every so-manieth has its log-probability compared: llama.cpp's binding lists the whole vocabulary for one. */
const STRIDE = 8;
/** Nats. */
const BOUND = 0.05;
const PROMPTS = [
  'The capital of France is',
  'Once upon a time there was',
  'def fibonacci(n):\n',
  '1, 2, 3, 4,',
  'Water boils when',
  'The largest planet in our solar system is',
  'Dear Sir or Madam,',
  'In 1969, humans',
  'To make bread you need',
  'She opened the door and',
];

const [folder, modelPath, adapterPath, loraPath] = process.argv.slice(2);
if (folder === undefined || modelPath === undefined || (adapterPath === undefined) !== (loraPath === undefined)) {
  console.error('Cannot compare: give FOLDER MODEL.gguf, or FOLDER MODEL.gguf ADAPTER ADAPTER.gguf');
  process.exit(2);
}

async function ours() {
  const deps = libraryDeps('models');
  const checkpoint = await openCheckpoint(modelPath, deps);
  const { tokenizer, config } = checkpoint;
  const adapter = adapterPath === undefined ? null : await openAdapter(adapterPath, { name: modelPath, config });
  const session = await openSession(checkpoint, deps, { weights: 'f32' });
  try {
    const prompts = PROMPTS.map((text) => tokenizer.encodeWithSpecials(text));
    const requests = prompts.map((prompt) => ({ prompt, adapter: adapter?.digest ?? null, draws: [() => 0] }));
    const options = { temperature: 0, topP: 1, maxNewTokens: TOKENS, stopTokens: [], logProbabilities: { top: 5 } };
    const answers = (await continueTokens(session.model, adapter ? [adapter] : [], requests, options)).flat();
    return prompts.map((prompt, i) => ({ text: PROMPTS[i], prompt, ...answers[i] }));
  } finally {
    session.close();
  }
}

async function theirs(answers) {
  const require = createRequire(join(folder, 'package.json'));
  const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: 512, ...(loraPath !== undefined && { lora: loraPath }) });
  const sequence = context.getSequence();
  const rows = [];
  for (const { text, prompt, tokens, logProbabilities, topLogProbabilities } of answers) {
    await sequence.clearHistory();
    const greedy = [];
    for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
      greedy.push(token);
      if (greedy.length >= TOKENS) break;
    }
    await sequence.clearHistory();
    // Behind our own tokens, so that one other choice does not make all the rest another.
    const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
    const input = [...prompt, ...tokens.slice(0, -1)].map((token, i) => ((i - prompt.length + 1) % STRIDE !== 0 || i < prompt.length - 1 ? token : [token, { generateNext: { probabilities: true, options } }]));
    const given = (await sequence.controlledEvaluate(input)).slice(prompt.length - 1);
    const differences = tokens.flatMap((token, i) => (i % STRIDE === 0 ? [Math.abs(Math.log(given[i].next.probabilities.get(token)) - logProbabilities[i])] : []));
    let same = 0;
    while (same < tokens.length && tokens[same] === greedy[same]) same++;
    // The file's own end of generation is an end there, and none here.
    const ended = greedy.length < TOKENS && same === greedy.length;
    const other = topLogProbabilities[same]?.find(([token]) => token === greedy[same])?.[1] ?? -Infinity;
    rows.push({
      text,
      sameIds: model.tokenize(text, true).join() === prompt.join() || [model.tokens.bos, ...model.tokenize(text)].join() === prompt.join(),
      same,
      of: ended ? same : tokens.length,
      margin: ended || same === tokens.length ? null : topLogProbabilities[same][0][1] - other,
      largestDifference: Math.max(...differences),
    });
  }
  await context.dispose();
  await llama.dispose();
  return rows;
}

const rows = await theirs(await ours());
const largestDifference = Math.max(...rows.map((row) => row.largestDifference));
const holds = rows.every(({ sameIds, margin }) => sameIds && (margin === null || margin < BOUND)) && largestDifference < BOUND;
const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
console.log(JSON.stringify({ holds, bound: BOUND, tokens: sum('of'), same: sum('same'), largestDifference, rows }, null, 1));
process.exit(holds ? 0 : 1);
