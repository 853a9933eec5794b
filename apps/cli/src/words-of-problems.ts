/** The one place where the engine's names become those of the command line: settings flags, verbs commands, kinds exit codes. */

import { extractOptionNames } from '@optique/core/usage';
import { kindOf, messageOf, Stopped, type ProblemKind } from '@seal/files';
import { commands } from './options.ts';

/** Exit codes of every command; `fault` is EX_SOFTWARE and `resumable` EX_TEMPFAIL of sysexits.h. */
export const EXIT: Readonly<Record<'ok' | ProblemKind, number>> = { ok: 0, usage: 2, data: 3, unavailable: 4, training: 5, fault: 70, resumable: 75 };

/** Exit code of anything thrown. */
export function exitCodeOf(error: unknown): number {
  return EXIT[kindOf(error) ?? 'fault'];
}

/** Settings whose flag is not their own name, and those that the environment has. */
export const SPECIAL: Readonly<Record<string, string>> = {
  adapters: '--adapter',
  count: '--n',
  learningRate: '--lr',
  warmUp: '--warmup',
  cacheDirectory: 'HF_HUB_CACHE',
  endpoint: 'HF_ENDPOINT',
  isOffline: 'HF_HUB_OFFLINE',
  token: 'HF_TOKEN',
};

/** What a command does about a problem, behind its message. */
const REMEDIES: Readonly<Record<string, (command: string) => string>> = {
  pull: (command) => `; ${command} loads it`,
  words: (command) => `; ${command} lists it`,
  run: (command) => `; go on with: ${command}`,
  tune: (command) => ` with: ${command}`,
};

const flags = extractOptionNames(commands.usage);

/** The flag of a setting; the name itself where there is none. */
function flagOf(setting: string): string {
  const flag = SPECIAL[setting] ?? `--${setting.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return setting in SPECIAL || flags.has(flag) ? flag : setting;
}

/** A sentence of the engine in the words of the command line, with the verb that would help. */
export function inWords(sentence: string, verb: readonly string[] | null = null): string {
  const own = sentence
    .replaceAll(/`([A-Za-z][\w.]*)`/g, (_, setting: string) => flagOf(setting))
    .replaceAll(/\b([Tt]he same) request\b/g, '$1 command');
  if (verb === null) return own;
  const [name, ...rest] = verb;
  const words = name === 'run' ? [name, '--resume', ...rest] : verb;
  return own + (REMEDIES[name ?? ''] ?? ((text) => `; see: ${text}`))(commandLine(...words));
}

/** A command to type, as a shell reads it. */
export function commandLine(...words: readonly string[]): string {
  return `npm run -s seal -- ${words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')}`;
}

/** Anything thrown as lines for stderr; `debug` says where it happened. */
export function wordsOf(error: unknown, debug: boolean): string {
  const text = inWords(messageOf(error), verbOf(error));
  const place = debug && error instanceof Error ? `\n${(error.stack ?? '').split('\n').slice(0, 12).join('\n')}` : '';
  if (error instanceof Stopped) return text + place;
  if (kindOf(error) !== null) return `seal: ${text}${place}`;
  const report = `Please report it with the command and this text${debug ? '' : '; SEAL_DEBUG=1 adds where it happened'}`;
  return `seal: A fault of this program: ${text}. ${report}${place}`;
}

function verbOf(error: unknown): readonly string[] | null {
  if (!(error instanceof Error) || !('verb' in error) || !Array.isArray(error.verb)) return null;
  return error.verb.map(String);
}
