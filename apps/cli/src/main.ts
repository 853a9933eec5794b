#!/usr/bin/env node
/** The `seal` command: reads the command line, runs one command, turns what it throws into a message and an exit code. */

import { stripVTControlCharacters } from 'node:util';
import { messageOf } from '@seal/files';
import { run } from '@optique/run';
import { EXIT, exitCodeOf } from './failure.ts';
import { commands, parserOf, type Command, type CommandOf } from './options.ts';
import { say } from './terminal.ts';
import { packageVersion } from './version.ts';
import { wordsOf } from './words-of-problems.ts';

/** A command's program is loaded only when it is asked for: `words` needs no GPU, `doctor` no run store. */
const PROGRAMS: { readonly [Name in Command['command']]: (command: CommandOf<Name>) => Promise<void> } = {
  run: async (command) => (await import('./loop.ts')).runLoop(command),
  adapt: async (command) => (await import('./loop.ts')).adaptModel(command),
  ask: async (command) => (await import('./loop.ts')).askModel(command),
  eval: async (command) => (await import('./loop.ts')).evaluateModel(command),
  pretrain: async (command) => (await import('./trainings.ts')).pretrainTiny(command),
  doctor: async (command) => (await import('./doctor.ts')).doctor(command),
  bench: async (command) => (await import('./bench.ts')).bench(command),
  tune: async (command) => (await import('./tune.ts')).tune(command),
  pull: async (command) => (await import('./models.ts')).pullModel(command),
  merge: async (command) => (await import('./models.ts')).mergeModel(command),
  generate: async (command) => (await import('./texts.ts')).generateTexts(command),
  score: async (command) => (await import('./texts.ts')).scoreTexts(command),
  sft: async (command) => (await import('./trainings.ts')).fineTune(command),
  tokenize: async (command) => (await import('./texts.ts')).tokenizeTexts(command),
  words: async (command) => (await import('./models.ts')).listWords(command),
  convert: async (command) => (await import('./models.ts')).convertModel(command),
  report: async (command) => (await import('./loop.ts')).reportOn(command),
};

// Whoever read the document has enough of it, as head has: there is nothing left to do, and nothing to complain of.
process.stdout.on('error', (error) => {
  if ('code' in error && error.code === 'EPIPE') process.exit();
  say(`seal: Cannot write to stdout: ${messageOf(error)}`);
  process.exit(EXIT.resumable);
});
process.stderr.on('error', () => undefined);

const [name] = process.argv.slice(2);
const parser = parserOf(name);

/** Says in one line what is wrong with the command line; where the parser prints a usage too, that is left out. */
function refuse(text: string): void {
  const [, problem] = /^Error: (.*)/s.exec(stripVTControlCharacters(text)) ?? [];
  const about = parser === commands ? '' : `${name} `;
  if (problem !== undefined) say(`seal: ${problem.replaceAll(/\s+/g, ' ')} See: npm run -s seal -- ${about}--help`);
}

const command = run(parser, {
  programName: 'seal',
  help: 'both',
  version: packageVersion(),
  aboveError: 'none',
  stderr: refuse,
  errorExitCode: EXIT.usage,
});
try {
  await (PROGRAMS[command.command] as (command: Command) => Promise<void>)(command);
  process.exitCode ??= EXIT.ok;
} catch (error) {
  say(wordsOf(error, Boolean(process.env['SEAL_DEBUG'])));
  process.exitCode = exitCodeOf(error);
}
// The device's driver threads may outlive the device; nothing is left to wait for.
process.stdout.write('', (error) => {
  if (!error) process.exit();
});
