/**
 * Regular expressions over module names, as PEFT takes them for target modules: Python's syntax, matched whole.
 *
 * Names of modules are short, ASCII and have no line ends, so that `.`, `$`, `\w` and their like mean the same to Python and
 * to JavaScript. What the two write differently is translated; what JavaScript would read as something else, or not at all,
 * is refused by name, and so is what may keep its matcher busy for ever: the expressions come from a file that nobody
 * vouches for.
 */

import { mayNeverEnd, messageOf, quoted } from '@seal/files';

const MAX_LENGTH = 1_000;
const MAX_REPEATS = 1_000;
/** More than a text of any length would allow: the longest names have some 40 characters. */
const MOST = { bits: 12, endless: 4 };

/** An escape, a class, a group's beginning, a quantifier with its mode, or one character. */
const PARTS = /\\[^]|\[\^?\]?(?:\\[^]|[^\]\\])*\]|\(\?(?:[:=!]|P<\w+>)?|(?:[*+?]|\{(?:\d+|\d*,\d*)\})[?+]?|[^]/gu;
/** Characters that a class or an expression may have behind a backslash in JavaScript. */
const SYNTAX = /[\^$\\.*+?()[\]{}|/-]/;

/**
 * Compiles an expression into a test of whole names. `place` names it in messages. Throws SyntaxError for one that is
 * longer than 1,000 characters, malformed or beyond what is matched.
 */
export function modulePattern(pattern: string, place: string): (name: string) => boolean {
  if (pattern.length > MAX_LENGTH) {
    throw new SyntaxError(`Cannot use ${place}: an expression of ${pattern.length} characters is longer than ${MAX_LENGTH}`);
  }
  const shown = quoted(pattern.slice(0, 80));
  const source = [...pattern.matchAll(PARTS)]
    .map(({ 0: part, index }) =>
      translated(part, (what) => {
        throw new SyntaxError(`Cannot use ${place}: ${shown} has ${what} at character ${index}`);
      }),
    )
    .join('');
  let whole: RegExp;
  try {
    // By itself first: a parenthesis too many would close the group around it.
    void new RegExp(source, 'u');
    whole = new RegExp(`^(?:${source})$`, 'u');
  } catch (cause) {
    throw new SyntaxError(`Cannot use ${place}: ${shown} is not an expression: ${messageOf(cause).split(': ').at(-1)}`, { cause });
  }
  const problem = mayNeverEnd(source, MOST);
  if (problem !== null) throw new SyntaxError(`Cannot use ${place}: the expression ${shown} ${problem}: matching it might never end`);
  return (name) => whole.test(name);
}

/** A part of an expression as JavaScript writes it. */
function translated(part: string, refuse: (what: string) => never): string {
  if (part.startsWith('\\')) return escape(part, refuse);
  if (part.startsWith('[') && part.length > 1) return characterClass(part, refuse);
  if (part === '(?') return refuse('a kind of group that is not supported');
  if (part.startsWith('(?P')) return part.replace('P', '');
  const [, quantifier = '', mode = ''] = /^([*+?]|\{[^}]+\})([?+]?)$/.exec(part) ?? [];
  if (quantifier === '') return /^[{}\]]$/.test(part) ? `\\${part}` : part;
  if (mode === '+') return refuse('a possessive quantifier, which is not supported');
  if ((quantifier.match(/\d+/g) ?? []).some((count) => Number(count) > MAX_REPEATS)) return refuse(`a count outside 0 to ${MAX_REPEATS}`);
  return quantifier.replace('{,', '{0,') + mode;
}

/** What a backslash means outside classes. */
function escape(part: string, refuse: (what: string) => never): string {
  if (part === '\\A') return '^';
  if (part === '\\Z') return '$';
  return /^\\[bB]$/.test(part) ? part : character(part, refuse);
}

/** One character or a class of them, behind a backslash. */
function character(part: string, refuse: (what: string) => never): string {
  const letter = part.slice(1);
  if (/^[dwsDWS]$/.test(letter)) return part;
  if (/^[0-9A-Za-z]?$/.test(letter)) return refuse(`${part}, which is not supported,`);
  return SYNTAX.test(letter) && letter !== '-' ? part : letter;
}

/** A class; a bracket that closes it stands for itself where it comes first. */
function characterClass(part: string, refuse: (what: string) => never): string {
  const [, begin = '', first = '', rest = ''] = /^(\[\^?)(\]?)([^]*)\]$/.exec(part) ?? [];
  const inner = rest.replace(/\\[^]/gu, (escaped) => (escaped === '\\-' ? escaped : character(escaped, refuse)));
  return `${begin}${first && '\\]'}${inner}]`;
}
