import { readFileSync } from 'node:fs';
import { extractOptionNames } from '@optique/core/usage';
import { expect, it } from 'vitest';
import { Problem, Stopped } from '@seal/files';
import { commands } from './options.ts';
import { EXIT, inWords, SPECIAL, wordsOf } from './words-of-problems.ts';

it('knows no flag that the command line has not', () => {
  const flags = extractOptionNames(commands.usage);
  const special = Object.values(SPECIAL).filter((name) => !/^HF_[A-Z_]+$/.test(name));
  expect(special.filter((flag) => !flags.has(flag))).toEqual([]);
});

it.each([
  ['use `weights` f32', 'use --weights f32'],
  ['Cannot go on in x: it was begun with other `learningRate` (0.1), `adapterInit` (another); use the same request, or another `out`', 'Cannot go on in x: it was begun with other --lr (0.1), --adapter-init (another); use the same command, or another --out'],
  ['`steps` or `epochs`, `maxTokens`, `count`, `warmUp`', '--steps or --epochs, --max-tokens, --n, --warmup'],
  ['lower `outer.contexts` or `evaluation.contexts`', 'lower outer.contexts or evaluation.contexts'],
  ['`nothing` is not a setting', 'nothing is not a setting'],
  ['set `token`, check `endpoint`, name another `cacheDirectory`', 'set HF_TOKEN, check HF_ENDPOINT, name another HF_HUB_CACHE'],
  ['`apt-get install mesa-vulkan-drivers`', '`apt-get install mesa-vulkan-drivers`'],
])('%s', (sentence, words) => {
  expect(inWords(sentence)).toBe(words);
});

it('says a verb as the command that helps', () => {
  const problem = (verb: readonly string[]) => wordsOf(new Problem('unavailable', 'Cannot find x', { verb }), false);
  expect(problem(['pull', 'org/tiny@v1'])).toBe('seal: Cannot find x; npm run -s seal -- pull org/tiny@v1 loads it');
  expect(problem(['words'])).toBe('seal: Cannot find x; npm run -s seal -- words lists it');
  expect(problem(['run', 'my runs/1'])).toBe('seal: Cannot find x; go on with: npm run -s seal -- run --resume \'my runs/1\'');
  expect(inWords('x is not used. Measure again', ['tune'])).toBe('x is not used. Measure again with: npm run -s seal -- tune');
});

it('tells a stop, a problem and a fault of ours apart', () => {
  expect(wordsOf(new Stopped('Stopped by Ctrl-C; every step is kept. Go on with the same request'), false)).toBe(
    'Stopped by Ctrl-C; every step is kept. Go on with the same command',
  );
  expect(wordsOf(new Problem('usage', 'Cannot use `seq` 3'), false)).toBe('seal: Cannot use --seq 3');
  const fault = new TypeError('x is not a function');
  expect(wordsOf(fault, false)).toBe(
    'seal: A fault of this program: x is not a function. Please report it with the command and this text; SEAL_DEBUG=1 adds where it happened',
  );
  expect(wordsOf(fault, true)).toMatch(/^seal: A fault .* and this text\nTypeError: x is not a function\n {4}at /);
});

it('has the exit codes of the manual', () => {
  const manual = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const codes = Array.from(manual.matchAll(/^\| (\d+) \|/gm), ([, code]) => Number(code));
  expect(codes).toEqual(Object.values(EXIT));
});
