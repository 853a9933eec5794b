/** One command line, as a function: runs the command, turns what it throws into a message, and says how it ended. */

import { stripVTControlCharacters } from 'node:util';
import { run } from '@optique/run';
import { commands, parserOf, type Command, type CommandOf } from './options.ts';
import { print, say } from './terminal.ts';
import { packageVersion } from './version.ts';
import { EXIT, exitCodeOf, wordsOf } from './words-of-problems.ts';

/** A command's program is loaded only when it is asked for: `words` needs no GPU, `doctor` no run store. */
const PROGRAMS: { readonly [Name in Command['command']]: (command: CommandOf<Name>) => Promise<number | void> } = {
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
  export: async (command) => (await import('./models.ts')).exportModel(command),
  generate: async (command) => (await import('./texts.ts')).generateTexts(command),
  chat: async (command) => (await import('./chat.ts')).chatWith(command),
  score: async (command) => (await import('./texts.ts')).scoreTexts(command),
  sft: async (command) => (await import('./trainings.ts')).fineTune(command),
  tokenize: async (command) => (await import('./texts.ts')).tokenizeTexts(command),
  words: async (command) => (await import('./models.ts')).listWords(command),
  convert: async (command) => (await import('./models.ts')).convertModel(command),
  report: async (command) => (await import('./loop.ts')).reportOn(command),
};

/** The parser has said all there is to say: what is wrong, or the help. */
class Answered {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }
}

function parse(args: readonly string[]): Command {
  const [name] = args;
  const parser = parserOf(name);
  // In one line what is wrong with the command line; where the parser prints a usage too, that is left out.
  const refuse = (text: string) => {
    const [, problem] = /^Error: (.*)/s.exec(stripVTControlCharacters(text)) ?? [];
    const about = parser === commands ? '' : `${name} `;
    if (problem !== undefined) say(`seal: ${problem.replaceAll(/\s+/g, ' ')} See: npm run -s seal -- ${about}--help`);
  };
  return run(parser, {
    programName: 'seal',
    args,
    help: 'both',
    version: packageVersion(),
    aboveError: 'none',
    stdout: print,
    stderr: refuse,
    errorExitCode: EXIT.usage,
    onExit(code) {
      throw new Answered(code);
    },
  });
}

/** Runs the command of `args`, which are behind `seal`; returns its exit code and never throws. */
export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    const command = parse(args);
    const code = await (PROGRAMS[command.command] as (command: Command) => Promise<number | void>)(command);
    return code ?? EXIT.ok;
  } catch (error) {
    if (error instanceof Answered) return error.code;
    say(wordsOf(error, Boolean(process.env['SEAL_DEBUG'])));
    return exitCodeOf(error);
  }
}
