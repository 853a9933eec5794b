#!/usr/bin/env node
/** The `seal` command: reads the command line, runs one command, turns what it throws into a message and an exit code. */

import { stripVTControlCharacters } from 'node:util';
import { messageOf } from '@seal/files';
import { run } from '@optique/run';
import { EXIT, exitCodeOf } from './failure.ts';
import { commands, parserOf, type Command } from './options.ts';
import { say } from './terminal.ts';
import { packageVersion } from './version.ts';
import { wordsOf } from './words-of-problems.ts';

/** Loads a command only when it is asked for: `words` needs no GPU, `doctor` no run store. */
async function execute(command: Command): Promise<void> {
  switch (command.command) {
    case 'run':
      return (await import('./loop.ts')).runLoop(command);
    case 'adapt':
      return (await import('./loop.ts')).adaptModel(command);
    case 'ask':
      return (await import('./loop.ts')).askModel(command);
    case 'eval':
      return (await import('./loop.ts')).evaluateModel(command);
    case 'pretrain':
      return (await import('./trainings.ts')).pretrainTiny(command);
    case 'doctor':
      return (await import('./doctor.ts')).doctor(command);
    case 'bench':
      return (await import('./bench.ts')).bench(command);
    case 'tune':
      return (await import('./tune.ts')).tune(command);
    case 'pull':
      return (await import('./models.ts')).pullModel(command);
    case 'merge':
      return (await import('./models.ts')).mergeModel(command);
    case 'generate':
      return (await import('./texts.ts')).generateTexts(command);
    case 'score':
      return (await import('./texts.ts')).scoreTexts(command);
    case 'sft':
      return (await import('./trainings.ts')).fineTune(command);
    case 'tokenize':
      return (await import('./texts.ts')).tokenizeTexts(command);
    case 'words':
      return (await import('./models.ts')).listWords(command);
    case 'convert':
      return (await import('./models.ts')).convertModel(command);
    case 'report':
      return (await import('./loop.ts')).reportOn(command);
  }
}

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
  await execute(command);
  process.exitCode ??= EXIT.ok;
} catch (error) {
  say(wordsOf(error, Boolean(process.env['SEAL_DEBUG'])));
  process.exitCode = exitCodeOf(error);
}
// The device's driver threads may outlive the device; nothing is left to wait for.
process.stdout.write('', (error) => {
  if (!error) process.exit();
});
